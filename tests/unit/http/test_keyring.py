"""Looks that many share: done once for all, and never for strangers alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from broadcast.rules import api_keys
from broadcast.rules.api_keys import EVERY_SCOPE, APIKey
from broadcast.settings.good_keys import GoodKeys
from broadcast.settings.program_settings import Settings
from entrypoints.http.keyring import MOST_UNKNOWN, KeyRing, Shared
from entrypoints.http.problems import ProblemError
from entrypoints.http.threads import Pool

GOOD = "key-of-the-settings-0123"
STORED = "key-of-the-database-0123"
SETTINGS = Settings.model_validate({"BROADCAST_API_KEYS": GOOD})


def test_one_look_at_a_time_answers_all_who_came_before_it_began() -> None:
    async def ask() -> tuple[list[int], list[int]]:
        looks, begun, go = count(), asyncio.Event(), asyncio.Event()

        async def look() -> int:
            n = next(looks)
            begun.set()
            await go.wait()
            return n

        shared = Shared(look, rest_s=0.01)
        first = [asyncio.create_task(shared.since(time.monotonic())) for _ in range(50)]
        await begun.wait()
        # The look has begun: it may not have seen what was so a moment ago.
        later = [asyncio.create_task(shared.since(time.monotonic())) for _ in range(50)]
        await asyncio.sleep(0)
        first[0].cancel()
        go.set()
        return await asyncio.gather(*first[1:]), await asyncio.gather(*later)

    first, later = asyncio.run(ask())

    assert len(set(first)) == len(set(later)) == 1
    assert first[0] < later[0]


def test_a_look_that_fails_is_done_again_for_the_next() -> None:
    async def ask() -> int:
        looks = count()

        async def look() -> int:
            n = next(looks)
            if n == 0:
                raise ZeroDivisionError
            return n

        shared = Shared(look, rest_s=0.0)
        with pytest.raises(ZeroDivisionError):
            await shared.since(0.0)
        assert await shared.since(0.0) == 1
        return await shared.since(0.0)

    assert asyncio.run(ask()) == 1


class _Stored:
    """The keys of a database that answers when it may."""

    def __init__(self) -> None:
        self.looks, self.may, self.looking = 0, threading.Event(), threading.Event()
        self.may.set()
        self.keys: list[APIKey] = []

    def __call__(self) -> Sequence[APIKey]:
        found = list(self.keys)
        self.looks += 1
        self.looking.set()
        self.may.wait()
        return found


def test_strangers_cost_a_look_for_all_of_them_and_keep_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However slow the machine is, what the first look found is fresh enough for a good key.
    monkeypatch.setattr("entrypoints.http.keyring.FRESH_S", 600.0)
    stored = _Stored()

    async def ask() -> list[str]:
        threads = Pool(1, "keys")
        ring = KeyRing(GoodKeys(SETTINGS, stored), threads=threads)
        assert await ring.find(GOOD) is not None
        stored.may.clear()
        strangers = [asyncio.create_task(_found(ring, f"stranger-{n}")) for n in range(500)]
        while stored.looks == 1:
            # Whoever has a good key waits for none of them.
            assert await ring.find(GOOD) is not None
            await asyncio.sleep(0.001)
        stored.may.set()
        answers = await asyncio.gather(*strangers)
        threads.close()
        return answers

    answers = asyncio.run(ask())

    assert answers.count("unknown") == MOST_UNKNOWN
    assert answers.count("503") == len(answers) - MOST_UNKNOWN
    assert stored.looks == 2


def test_a_key_that_was_made_while_another_look_was_under_way_is_found() -> None:
    stored = _Stored()

    async def ask() -> str:
        threads = Pool(1, "keys")
        ring = KeyRing(GoodKeys(SETTINGS, stored), threads=threads)
        assert await ring.find(GOOD) is not None
        stored.may.clear()
        stored.looking.clear()
        early = asyncio.create_task(_found(ring, "stranger-one"))
        await asyncio.to_thread(stored.looking.wait)
        mine = asyncio.create_task(_found(ring, STORED))
        await asyncio.sleep(0)
        made = APIKey(
            name="made", scopes=EVERY_SCOPE, accounts=None, digest=api_keys.digest(STORED)
        )
        stored.keys = [made]
        stored.may.set()
        assert await early == "unknown"
        answer = await mine
        threads.close()
        return answer

    assert asyncio.run(ask()) == "made"


@pytest.mark.parametrize(
    ("text", "is_good"),
    [("", True), ("\n \n", True), ("half", True), ("# nobody\n", False), (STORED, False)],
)
def test_a_keys_file_that_is_caught_amid_its_writing_locks_nobody_out(
    tmp_path: Path, text: str, is_good: bool
) -> None:
    file = tmp_path / "keys"
    file.write_text("key-of-the-file-0123")
    settings = Settings.model_validate({"BROADCAST_API_KEYS_FILE": str(file)})
    good = GoodKeys(settings, list)
    file.write_text(text)

    found = [api_keys.find(good.read(), "key-of-the-file-0123") for _ in range(2)]

    assert [one is not None for one in found] == [is_good] * 2


async def _found(ring: KeyRing, token: str) -> str:
    try:
        found = await ring.find(token)
    except ProblemError as error:
        return str(error.status)
    return "unknown" if found is None else found.name
