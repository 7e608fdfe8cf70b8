"""What the followers of a new list got today, and will get: each counted once."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast import day
from broadcast.rules.overlap import ListOverlaps, ToCome
from broadcast.rules.plan.audience import OpenIDs
from broadcast.rules.plan.cut import Chunk
from models.engine import now
from models.ledger.lane import leases
from models.ledger.lists import recipients, uploads
from models.ledger.plan import removals
from models.ledger.steer import operator
from models.ledger.submit import overlaps, submits
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

PEOPLE = ledger.openids(40)
STRANGERS = [f"oZ{n:026d}" for n in range(40)]


def planned(engine: Engine, names: Sequence[str], *, text: str, batches: int = 4) -> str:
    """Submit and plan a broadcast to these people; return its id."""
    audience = OpenIDs(digest=ledger.digest(sorted(names)))
    body = replace(ledger.body(text=text), audience=audience)
    broadcast_id = submits.begin(engine, body, who="tests")
    uploads.add_chunks(engine, broadcast_id, ledger.chunks(sorted(names)))
    submits.publish(
        engine,
        broadcast_id,
        body,
        figures=ledger.figures(size=len(names), batches=batches),
        terms=ledger.terms(size=len(names), batches=batches),
        quota=ledger.PLENTY,
    )
    ledger.planned(engine, broadcast_id)
    return broadcast_id


def sent(engine: Engine, names: Sequence[str], *, text: str, calls: int = 1) -> str:
    """Send a broadcast to the first of these people, and cancel what is left of it."""
    broadcast_id = planned(engine, names, text=text, batches=4)
    driver = Driver(engine, owner=text)
    for n in range(calls):
        driver.call(said(0, msg_id=random.Random(f"{text}{n}").randrange(1, 2**40)))
    operator.cancel(engine, broadcast_id, who="tests")
    leases.release(engine, driver.lease)
    return broadcast_id


def chunks(names: Sequence[str]) -> Iterator[Chunk]:
    return ledger.chunks(sorted(names), most=7)


def known(engine: Engine, names: Sequence[str], *, text: str = "new") -> ListOverlaps:
    audience = OpenIDs(digest=ledger.digest(sorted(names)))
    return overlaps.list_overlaps(
        engine, replace(ledger.body(text=text), audience=audience), chunks(names)
    )


@pytest.mark.parametrize("seed", range(3))
def test_whoever_got_several_today_is_counted_once(engine: Engine, seed: int) -> None:
    dice = random.Random(seed)
    new, got = set(dice.sample([*PEOPLE, *STRANGERS], 50)), set()
    for text in ("one", "two", "three"):
        names = sorted(dice.sample(PEOPLE, 24))
        sent(engine, names, text=text, calls=2)
        got |= set(names[:12])
    # The same list as one of them: by its places.
    again = sorted(new)
    sent(engine, again, text="four", calls=1)
    got |= set(again[:13])

    found = known(engine, again)

    assert found.today == len(got & new)
    assert len(found.today_ids) == 4
    assert not found.more


def test_of_the_same_list_nothing_is_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sent(engine, PEOPLE, text="one")
    monkeypatch.setattr(recipients, "packed", None)

    found = overlaps.list_overlaps(engine, ledger.body(size=40, text="new"), iter(()))

    assert (found.today, found.today_ids) == (10, [first])


def test_a_repeat_of_the_same_content_counts_today_and_is_no_earlier_version(
    engine: Engine,
) -> None:
    sent(engine, PEOPLE, text="same")

    found = known(engine, PEOPLE, text="same")

    assert (found.today, list(found.earlier)) == (10, [])


def test_one_that_went_out_whole_counts_today_and_is_no_earlier_version(engine: Engine) -> None:
    sent(engine, PEOPLE, text="one", calls=4)

    found = known(engine, [*PEOPLE, *STRANGERS])

    assert (found.today, list(found.earlier)) == (40, [])


def test_what_was_sent_before_midnight_in_beijing_is_an_earlier_version_and_not_of_today(
    engine: Engine,
) -> None:
    broadcast_id = sent(engine, PEOPLE, text="one")
    with engine.connect() as connection:
        moment = now(connection)
    ledger.pass_time(engine, moment - day.start(moment) + timedelta(seconds=1))

    found = known(engine, [*PEOPLE, *STRANGERS])

    assert (found.today, list(found.today_ids)) == (0, [])
    assert [(one.id, one.followers) for one in found.earlier] == [(broadcast_id, 10)]


def test_whoever_may_have_it_counts(engine: Engine) -> None:
    planned(engine, PEOPLE, text="one")
    Driver(engine).call(LOST)

    assert known(engine, [*PEOPLE[5:], *STRANGERS]).today == 5


def test_one_that_is_sent_now_reached_some_and_will_reach_the_others(engine: Engine) -> None:
    broadcast_id = planned(engine, PEOPLE, text="one")
    Driver(engine).call(said(0, msg_id=1))

    found = known(engine, [*PEOPLE[5:35], *STRANGERS])

    assert (found.today, list(found.earlier)) == (5, [])
    assert [(one.id, one.at, one.followers) for one in found.to_come] == [(broadcast_id, None, 25)]


def test_one_that_is_scheduled_will_reach_them_at_its_time(engine: Engine) -> None:
    with engine.connect() as connection:
        at = now(connection) + timedelta(days=3)
    scheduled = ledger.published(engine, ledger.body(size=40, text="later", at=at), size=40)

    [one] = known(engine, [*PEOPLE[:8], *STRANGERS]).to_come

    assert (one.id, one.at, one.followers) == (scheduled, at, 8)


def test_what_was_cancelled_reaches_nobody_and_what_was_paused_would_if_it_is_resumed(
    engine: Engine,
) -> None:
    operator.cancel(engine, planned(engine, PEOPLE, text="one"), who="tests")
    paused = planned(engine, PEOPLE, text="two")
    operator.pause(engine, paused, who="tests")

    found = known(engine, PEOPLE)

    assert found == ListOverlaps(
        today=0,
        today_ids=[],
        earlier=[],
        to_come=[],
        stopped=(ToCome(id=paused, at=None, followers=len(PEOPLE)),),
    )


def test_of_many_lists_the_newest_five_are_read_and_that_is_said(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    packed = recipients.packed

    def counted(connection: object, broadcast_id: str, *words: object, **more: int) -> bytes:
        read.add(broadcast_id)
        return packed(connection, broadcast_id, *words, **more)  # type: ignore[arg-type]

    made = [sent(engine, PEOPLE[n:], text=f"{n}") for n in range(6)]
    same = sent(engine, PEOPLE[:30], text="same list")
    monkeypatch.setattr(recipients, "packed", counted)

    found = known(engine, PEOPLE[:30])

    assert read == set(made[1:])
    assert found.more
    assert same in found.today_ids


def test_a_part_with_holes_is_known_by_its_places(engine: Engine) -> None:
    broadcast_id = planned(engine, PEOPLE, text="one")
    driver = Driver(engine)
    for fact in (said(0, msg_id=1), said(43004), said(0, msg_id=3)):
        driver.call(fact)
    with engine.connect() as connection:
        there = removals.member_ranges(connection, broadcast_id)
    reached = [one for one in there if one.state in removals.REACHED]
    part = removals.Part(broadcast_id=broadcast_id, ranges=reached)
    by_place = replace(part, same_list=True)

    found = [
        (one.tolist(), other.tolist())
        for one, other in removals.member_hits(engine, chunks(PEOPLE), [part, by_place])
    ]

    assert sum(map(sum, (one for one, _ in found))) == 20
    assert all(one == other for one, other in found)
