"""Who uploads slowly keeps a place for as long as nobody else needs it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from entrypoints.http.uploading import MEASURED_OVER_S, SLOW, SLOWEST, Places, UploadSlot

MINUTE = MEASURED_OVER_S


def test_a_pace_is_that_of_the_last_minute() -> None:
    place = UploadSlot(0.0)
    place.took(SLOW * 600, MINUTE - 1)
    assert place.pace > SLOW
    place.took(1, MINUTE)
    assert place.pace == SLOW * 10 + 1 / MINUTE
    place.took(1, 2 * MINUTE)
    assert place.pace < SLOW
    place.has_all()
    place.took(0, 9 * MINUTE)
    assert place.pace > SLOW


@pytest.mark.parametrize(
    ("received", "after", "too_slow"),
    [
        (0, MINUTE, False),
        (SLOWEST, 2 * MINUTE, True),
        (60 * SLOWEST, 2 * MINUTE, False),
        (60 * SLOWEST, 2 * MINUTE + 1, True),
    ],
)
def test_a_kilobyte_a_second_is_the_least(received: int, after: float, *, too_slow: bool) -> None:
    place = UploadSlot(0.0)
    place.took(received, after)

    assert place.is_too_slow(after) is too_slow


def test_the_slowest_gives_its_place_to_the_next() -> None:
    async def come() -> tuple[list[bool], bool]:
        with contextlib.ExitStack() as stack:
            places = Places(3, most_of_one=3)
            old = [stack.enter_context(places.one("crm")) for _ in range(3)]
            assert stack.enter_context(places.one("crm")) is None
            for place, pace in zip(old, (SLOW, 2_000, 5_000), strict=True):
                assert place is not None
                place.pace = pace
            waiting = [asyncio.create_task(_wait(place)) for place in old if place is not None]
            await asyncio.sleep(0)
            there = stack.enter_context(places.one("crm")) is not None
            # Of those that are left one more is slow, and then none.
            there = there and stack.enter_context(places.one("crm")) is not None
            assert stack.enter_context(places.one("crm")) is None
            for one in waiting[:1]:
                one.cancel()
            done = await asyncio.gather(*waiting, return_exceptions=True)
            return [isinstance(one, TimeoutError) for one in done], there

    assert asyncio.run(come()) == ([False, True, True], True)


async def _wait(place: UploadSlot) -> None:
    async with place.patience(3_600):
        await asyncio.Event().wait()


def test_who_lost_its_place_while_it_was_busy_waits_for_nothing_more() -> None:
    place = UploadSlot(0.0)
    place.lose()

    with pytest.raises(TimeoutError):
        asyncio.run(_wait(place))


def test_one_key_leaves_a_place_to_the_others_and_its_own_slowest_gives_way() -> None:
    async def come() -> None:
        with contextlib.ExitStack() as stack:
            places = Places(3, most_of_one=2)
            mine = [stack.enter_context(places.one("crm")) for _ in range(2)]
            assert stack.enter_context(places.one("crm")) is None
            theirs = stack.enter_context(places.one("shop"))
            assert mine[0] is not None
            assert theirs is not None
            mine[0].pace, theirs.pace = 2_000, 1_000

            assert stack.enter_context(places.one("crm")) is not None
            assert (mine[0].is_lost, theirs.is_lost) == (True, False)
            # All are taken: now the slowest of all gives way.
            assert stack.enter_context(places.one("app")) is not None
            assert theirs.is_lost

    asyncio.run(come())
