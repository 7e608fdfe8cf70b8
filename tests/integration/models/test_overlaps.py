"""Whoever got another content of the account just now, or may have, is counted in a new list."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from broadcast.rules.overlap import ListOverlaps, Overlap
from broadcast.rules.plan.audience import OpenIDs
from broadcast.rules.plan.selection import Removal, Sample, Selection
from broadcast.rules.plan.submission import Body
from models.every_table import BroadcastRow
from models.ledger.lists import recipients
from models.ledger.plan import plans, removals, subtract
from models.ledger.rows.transaction import present
from models.ledger.steer import operator
from models.ledger.submit import overlaps
from tests.integration.models.stories import lost_then
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said
from tests.kit.openids import split

PEOPLE = ledger.openids(40)
STRANGERS = [f"oZ{n:026d}" for n in range(40)]
CONTENT_REFUSED = said(40007)


def corrected(names: Sequence[str], *, owner: str = "default") -> Body:
    """Return another content to these people."""
    said_body = ledger.body(text="corrected", owner=ledger.account(owner))
    return replace(said_body, audience=OpenIDs(digest=ledger.digest(names)))


def found(engine: Engine, names: Sequence[str], *, owner: str = "default") -> list[Overlap]:
    chunks = ledger.chunks(sorted(names), most=7)
    body = corrected(sorted(names), owner=owner)
    there = overlaps.earlier(engine, body, moment=present(engine))
    return overlaps.counted(engine, body, there, chunks=chunks)


def counted(engine: Engine, names: Sequence[str]) -> dict[str, int]:
    return {one.id: one.followers for one in found(engine, names)}


def refused_in_the_middle(engine: Engine) -> str:
    """Ten got it, of ten the content was refused, twenty wait."""
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(CONTENT_REFUSED)
    return broadcast_id


def test_the_same_list_counts_whoever_got_the_first_content(engine: Engine) -> None:
    broadcast_id = refused_in_the_middle(engine)

    [one] = found(engine, PEOPLE)

    assert (one.id, one.followers) == (broadcast_id, 10)
    assert one.rest == {"waiting", "refused"}


def test_the_same_list_is_not_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    refused_in_the_middle(engine)
    monkeypatch.setattr(recipients, "packed", None)
    assert [one.followers for one in found(engine, PEOPLE)] == [10]


@pytest.mark.parametrize("seed", range(4))
def test_of_another_list_those_are_counted_who_got_it(engine: Engine, seed: int) -> None:
    broadcast_id = refused_in_the_middle(engine)
    dice = random.Random(seed)
    names = [*dice.sample(PEOPLE, 25), *dice.sample(STRANGERS, 9), PEOPLE[0]]
    got = set(PEOPLE[:10])

    assert counted(engine, sorted(set(names))) == {broadcast_id: len(got & set(names))}


def test_whoever_may_have_got_it_counts(engine: Engine) -> None:
    """In doubt, unknown; of a split batch each half by itself."""
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    lost_then(driver, said(40130))
    driver.call(said(40003))
    driver.call(said(0, msg_id=2))
    driver.call(LOST)

    reached = [
        who
        for name in ("accepted", "in_doubt")
        for portion in recipients.portions(engine, broadcast_id, name)
        for who in split(portion.openids)
    ]
    [unknown] = [one for one in ledger.batches(engine, broadcast_id) if one.state == "unknown"]
    reached += PEOPLE[unknown.start : unknown.start + unknown.size]

    assert counted(engine, [*PEOPLE, *STRANGERS]) == {broadcast_id: len(set(reached))}
    assert counted(engine, [*reached[::2], *STRANGERS]) == {broadcast_id: len(reached[::2])}


def test_a_call_under_way_may_have_reached_its_batch(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    Driver(engine).claim()
    assert counted(engine, [*PEOPLE[5:], *STRANGERS]) == {broadcast_id: 5}


def test_a_list_that_the_plan_shortened_is_read_as_it_went_out(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=40), size=40, batches=4)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    out = Removal(reason="suppressed", pieces=[ledger.packed(PEOPLE[2:5])])
    assert subtract.subtract(engine, row, ledger.account(), removals=[out])
    ledger.planned(engine, broadcast_id)
    Driver(engine).call(said(0, msg_id=1))

    assert counted(engine, [*PEOPLE[:8], *STRANGERS]) == {broadcast_id: 5}


def test_batches_far_smaller_than_a_chunk_are_read_together(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=20)
    driver = Driver(engine)
    for msg_id in range(1, 16):
        driver.call(said(0, msg_id=msg_id))
    sizes = []
    read = recipients.packed

    def packed(*words: object, start: int, size: int) -> bytes:
        sizes.append(size)
        return read(*words, start=start, size=size)  # type: ignore[arg-type]

    monkeypatch.setattr(recipients, "packed", packed)
    monkeypatch.setattr(removals, "CHUNK", 12)

    assert counted(engine, [*PEOPLE[20:], *STRANGERS]) == {broadcast_id: 10}
    assert sizes == [12, 12, 6]


def test_one_that_went_out_whole_is_no_overlap(engine: Engine) -> None:
    ledger.broadcast(engine, size=40, batches=1)
    Driver(engine).call(said(0, msg_id=1))
    assert found(engine, PEOPLE) == []


def test_one_of_which_nobody_can_have_got_anything_is_no_overlap(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    Driver(engine).call(CONTENT_REFUSED)
    operator.cancel(engine, broadcast_id, who="tests")
    assert found(engine, PEOPLE) == []


def test_another_account_is_no_overlap(engine: Engine) -> None:
    refused_in_the_middle(engine)
    assert found(engine, PEOPLE, owner="other") == []


def test_lists_that_share_nobody_are_no_overlap(engine: Engine) -> None:
    refused_in_the_middle(engine)
    assert found(engine, [*PEOPLE[10:], *STRANGERS]) == []


def test_the_same_content_is_a_repeat_and_no_overlap(engine: Engine) -> None:
    refused_in_the_middle(engine)
    again = ledger.body(size=40)
    assert overlaps.earlier(engine, again, moment=present(engine)) == []


def test_what_began_a_day_ago_is_no_overlap(engine: Engine) -> None:
    broadcast_id = refused_in_the_middle(engine)
    ledger.pass_time(engine, timedelta(hours=23, minutes=58))
    assert counted(engine, PEOPLE) == {broadcast_id: 10}
    ledger.pass_time(engine, timedelta(minutes=3))
    assert found(engine, PEOPLE) == []


def test_of_many_the_newest_three_are_told(engine: Engine) -> None:
    made = []
    for n in range(4):
        made.append(ledger.broadcast(engine, size=40, batches=4))
        driver = Driver(engine, owner=f"driver {n}")
        driver.call(said(0, msg_id=n + 1))
        operator.cancel(engine, made[-1], who="tests")
        ledger.pass_time(engine, timedelta(minutes=5))

    assert [one.id for one in found(engine, [*PEOPLE, *STRANGERS])] == made[:0:-1]


@pytest.mark.every_database
def test_of_a_sample_that_is_not_drawn_yet_nobody_is_counted_and_that_is_said(
    engine: Engine,
) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=40), size=40, batches=4)

    def looked() -> ListOverlaps:
        return overlaps.list_overlaps(engine, corrected(PEOPLE), ledger.chunks(PEOPLE, most=7))

    whole = looked()
    drawn = Selection(sample=Sample(size="25%", seed="0" * 16))
    with engine.begin() as connection:
        mine = update(BroadcastRow).where(BroadcastRow.id == broadcast_id)
        connection.execute(mine.values(selection=drawn.stored))
    sample = looked()

    assert ([one.followers for one in whole.to_come], whole.more) == ([40], False)
    assert (list(sample.to_come), sample.more) == ([], True)
