"""What the lane calls before a broadcast is told as the lane itself chooses it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.blockers import Blocker
from broadcast.rules.gates.blockers import blockers_of as standstills
from broadcast.rules.gates.gate import Cause
from broadcast.rules.reports import Ahead, Driven, Report
from broadcast.rules.states import BatchState
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.audit.audit_run import audit
from models.ledger.audit.case import Found
from models.ledger.lane import leases, next_work
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said


def told(engine: Engine, broadcast_id: str) -> Report:
    return broadcast_reports.report(engine, broadcast_id)


def driven(engine: Engine, broadcast_id: str) -> Driven:
    found = told(engine, broadcast_id).driven
    assert found is not None
    return found


def why(engine: Engine, broadcast_id: str) -> list[Blocker]:
    return list(standstills(told(engine, broadcast_id)))


def raise_priority(engine: Engine, broadcast_id: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(BroadcastRow).where(BroadcastRow.id == broadcast_id).values(priority=5)
        )


def test_an_older_broadcast_goes_first_and_a_younger_one_does_not(engine: Engine) -> None:
    old, young = (ledger.broadcast(engine) for _ in range(2))

    assert driven(engine, old).ahead == Ahead()
    assert driven(engine, young).ahead == Ahead(broadcasts=(old,))
    assert [one.cause for one in why(engine, young)] == [Cause.BEHIND]


def test_a_higher_priority_goes_first_whatever_its_age(engine: Engine) -> None:
    old, young = (ledger.broadcast(engine) for _ in range(2))
    raise_priority(engine, young)

    assert driven(engine, old).ahead == Ahead(broadcasts=(young,))
    assert driven(engine, young).ahead == Ahead()


def test_a_batch_that_may_have_been_sent_goes_before_every_broadcast(engine: Engine) -> None:
    doubtful, waits = (ledger.broadcast(engine) for _ in range(2))
    driver = Driver(engine)
    driver.call(LOST)
    raise_priority(engine, waits)

    until = ledger.batch(engine, doubtful).not_before
    [one] = why(engine, waits)

    assert (one.cause, one.broadcasts, one.batch) == (Cause.UNKNOWN_FIRST, (doubtful,), 1)
    assert one.until == until
    assert one.command == f"broadcast pause {doubtful}"
    # Its own other batch waits for it as well, and for whoever has a higher priority.
    own, behind = why(engine, doubtful)
    assert (own.cause, own.until, own.command) == (
        Cause.UNKNOWN_FIRST,
        until,
        f"broadcast watch {doubtful}",
    )
    assert behind.broadcasts == (waits,)


@pytest.mark.parametrize("word", ["pause", "cancel"])
def test_what_a_person_stopped_goes_before_nobody(engine: Engine, word: str) -> None:
    doubtful, waits = (ledger.broadcast(engine) for _ in range(2))
    Driver(engine).call(LOST)

    getattr(operator, word)(engine, doubtful, who="cli:ann@desk")

    assert driven(engine, waits).ahead == Ahead()


def test_a_call_under_way_goes_first_and_leaves_no_trace_when_it_ends(engine: Engine) -> None:
    old, young = (ledger.broadcast(engine, batches=1) for _ in range(2))
    driver = Driver(engine)
    claim = driver.claim()

    assert driven(engine, young).ahead == Ahead(broadcasts=(old,))

    driver.record(claim, said(0, msg_id=1))
    assert driven(engine, young).ahead == Ahead()


def test_another_account_is_in_nobodys_way(engine: Engine) -> None:
    ledger.broadcast(engine, owner=ledger.account("news"))
    waits = ledger.broadcast(engine)

    assert driven(engine, waits).ahead == Ahead()


def test_an_older_broadcast_whose_batches_wait_goes_before_nobody(engine: Engine) -> None:
    old, young = (ledger.broadcast(engine) for _ in range(2))
    with engine.begin() as connection:
        later = now(connection) + timedelta(minutes=5)
        mine = Batch.broadcast_id == old
        connection.execute(update(Batch).where(mine).values(not_before=later))

    assert driven(engine, young).ahead == Ahead()


def test_the_first_of_all_is_the_one_that_the_lane_takes(engine: Engine) -> None:
    there = [ledger.broadcast(engine, batches=1) for _ in range(4)]
    raise_priority(engine, there[2])
    driver = Driver(engine)

    for n in range(1, len(there) + 1):
        first = [one for one in there if driven(engine, one).ahead == Ahead()]
        taken = next_work.next_work(engine, "default").broadcast_id
        assert taken in first
        waiting = [one for one in there if told(engine, one).recipients["waiting"]]
        assert [one for one in first if one in waiting] == [taken]
        driver.call(said(0, msg_id=n))


@pytest.mark.parametrize("word", ["pause", "cancel"])
def test_nobody_is_missed_right_after_a_person_took_a_doubt_out_of_the_way(
    engine: Engine, word: str
) -> None:
    doubtful, waits = (ledger.broadcast(engine) for _ in range(2))
    driver = Driver(engine)
    driver.call(said(45066))
    leases.release(engine, driver.lease)
    ledger.pass_time(engine, timedelta(minutes=5))
    postpone(engine, doubtful)

    getattr(operator, word)(engine, doubtful, who="cli:ann@desk")

    assert why(engine, waits) == []
    assert audit(engine, waits, waits=Waits()).findings == []
    ledger.pass_time(engine, timedelta(seconds=70))
    assert [one.cause for one in why(engine, waits)] == [Cause.NO_WORKER]
    assert [one.found for one in audit(engine, waits, waits=Waits()).findings] == [Found.LANE]


def postpone(engine: Engine, broadcast_id: str) -> None:
    """Let the doubtful batch be asked about in a minute from now, as after many repeats."""
    with engine.begin() as connection:
        connection.execute(
            update(Batch)
            .where(Batch.broadcast_id == broadcast_id, Batch.state == BatchState.UNKNOWN)
            .values(not_before=now(connection) + timedelta(minutes=1))
        )


def test_a_lane_that_nobody_drives_is_told_with_since_when(engine: Engine) -> None:
    waits = ledger.broadcast(engine)
    assert why(engine, waits) == []

    ledger.pass_time(engine, timedelta(seconds=20))

    [one] = why(engine, waits)
    assert (one.cause, one.command) == (Cause.NO_WORKER, "broadcast up")
