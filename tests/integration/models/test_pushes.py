"""Pushes are stored once, handled until it worked, and forgotten at last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from broadcast.rules.pushes import Push
from models.every_table import PushRow
from models.ledger.boxes import pushes
from models.ledger.boxes.pushes import push_counts
from models.ledger.rows import transaction
from tests.kit import ledger

OPENID = "oTEST0000000000000000000001A"
THEN = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
FOLLOWED = Push(
    account="default",
    kind="subscribe",
    dedup="1" * 64,
    openid=OPENID,
    msg_id=None,
    happened_at=THEN,
    body="<xml>退订 😀</xml>",
)


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(PushRow)) or 0


def test_a_push_is_stored_once(engine: Engine) -> None:
    assert pushes.store(engine, FOLLOWED)
    assert not pushes.store(engine, replace(FOLLOWED, body="again"))

    assert pushes.store(engine, replace(FOLLOWED, account="other"))
    (mine, _) = pushes.reserve_due(engine, most=10)
    assert (mine.kind, mine.openid, mine.happened_at) == ("subscribe", OPENID, THEN)
    assert mine.body == "<xml>退订 😀</xml>"


def test_of_the_same_push_at_once_one_is_stored(engine: Engine) -> None:
    with ThreadPoolExecutor(8) as threads:
        new = list(threads.map(lambda _: pushes.store(engine, FOLLOWED), range(24)))

    assert new.count(True) == 1
    assert stored(engine) == 1


def test_pushes_that_come_together_are_stored_once_each(engine: Engine) -> None:
    """Some were there, some come twice, and another server stores the same ones meanwhile."""
    pushes.store(engine, FOLLOWED)
    others = [replace(FOLLOWED, dedup=str(n), kind=("VIEW", "subscribe")[n % 2]) for n in range(30)]
    late = replace(FOLLOWED, dedup="late", happened_at=None)
    some = [FOLLOWED, *others, late, *others]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: pushes.store_all(engine, some), range(8)))

    assert stored(engine) == 32
    assert len(pushes.reserve_due(engine, most=50)) == 17


def test_what_asks_for_nothing_is_handled_at_once(engine: Engine) -> None:
    pushes.store(engine, replace(FOLLOWED, kind="VIEW", happened_at=None))

    assert not pushes.any_due(engine)
    assert pushes.reserve_due(engine, most=10) == []


def test_what_was_taken_is_due_again_where_its_worker_died(engine: Engine) -> None:
    pushes.store(engine, FOLLOWED)
    (first,) = pushes.reserve_due(engine, most=10)
    assert not pushes.any_due(engine)

    ledger.pass_time(engine, pushes.TAKEN_FOR)
    (again,) = pushes.reserve_due(engine, most=10)
    assert (first.id, first.tries) == (again.id, again.tries)


def test_two_workers_share_what_is_due(engine: Engine) -> None:
    for number in range(40):
        pushes.store(engine, replace(FOLLOWED, dedup=str(number)))
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda _: pushes.reserve_due(engine, most=20), range(4)))

    # Those who meet over the same ones leave the others for later.
    while more := pushes.reserve_due(engine, most=20):
        taken.append(more)
    ids = [push.id for some in taken for push in some]
    assert len(ids) == len(set(ids)) == 40


def test_what_was_handled_is_not_due(engine: Engine) -> None:
    pushes.store(engine, FOLLOWED)
    (push,) = pushes.reserve_due(engine, most=10)
    pushes.mark_handled(engine, [push.id])
    ledger.pass_time(engine, timedelta(days=1))

    assert not pushes.any_due(engine)
    assert not pushes.store(engine, FOLLOWED)


@pytest.mark.every_database
def test_what_failed_is_tried_again_for_ever_with_growing_pauses(engine: Engine) -> None:
    pushes.store(engine, FOLLOWED)
    pauses = []
    for _ in range(30):
        (push,) = pushes.reserve_due(engine, most=10)
        pushes.mark_failed(engine, push, "no such table" * 100)
        with engine.connect() as connection:
            due = connection.scalar(select(PushRow.due_at))
        assert due is not None
        pauses.append(due - datetime.now(UTC))
        ledger.pass_time(engine, pauses[-1] + timedelta(seconds=1))

    assert push_counts(engine, ["default", "other"])["default"].unhandled == 1
    assert pauses[0] < timedelta(seconds=10) < pauses[3] < pauses[-1] < timedelta(minutes=61)
    (push,) = pushes.reserve_due(engine, most=10)
    pushes.mark_handled(engine, [push.id])
    assert push_counts(engine, ["default"])["default"].unhandled == 0


def test_what_is_set_aside_is_never_due_counted_and_forgotten_at_last(engine: Engine) -> None:
    pushes.store(engine, FOLLOWED)
    (push,) = pushes.reserve_due(engine, most=10)
    pushes.set_aside(engine, push, "no msg_id")
    ledger.pass_time(engine, transaction.KEPT_FOR - timedelta(minutes=1))

    assert pushes.reserve_due(engine, most=10) == []
    seen = push_counts(engine, ["default"])["default"]
    assert (seen.set_aside, seen.unhandled, seen.waiting) == (1, 0, 0)
    assert not pushes.store(engine, FOLLOWED)
    assert pushes.forget(engine) == 0
    ledger.pass_time(engine, timedelta(minutes=2))
    assert pushes.forget(engine) == 1


def test_what_waits_for_a_worker_is_counted_since_the_first_came(engine: Engine) -> None:
    pushes.store(engine, FOLLOWED)
    ledger.pass_time(engine, timedelta(hours=2))
    pushes.store(engine, replace(FOLLOWED, dedup="2" * 64))

    seen = push_counts(engine, ["default"])["default"]

    assert seen.waiting == 2
    assert seen.waiting_since is not None
    assert timedelta(hours=2) <= seen.now - seen.waiting_since < timedelta(hours=3)


def test_what_was_handled_is_forgotten_after_a_month(engine: Engine) -> None:
    pushes.store(engine, replace(FOLLOWED, kind="VIEW"))
    pushes.store(engine, replace(FOLLOWED, dedup="2" * 64))
    ledger.pass_time(engine, transaction.KEPT_FOR - timedelta(minutes=1))
    assert pushes.forget(engine) == 0

    ledger.pass_time(engine, timedelta(minutes=2))
    assert pushes.forget(engine) == 1
    assert pushes.forget(engine) == 0

    assert stored(engine) == 1
    assert pushes.any_due(engine)


def test_an_operator_sees_when_the_last_one_came(engine: Engine) -> None:
    assert push_counts(engine, ["default"]) == {}

    pushes.store(engine, FOLLOWED)
    ledger.pass_time(engine, timedelta(hours=1))
    pushes.store(engine, replace(FOLLOWED, dedup="2" * 64))

    seen = push_counts(engine, ["default", "other"])
    assert list(seen) == ["default"]
    assert datetime.now(UTC) - seen["default"].last_at < timedelta(minutes=1)
