"""A batch of which no call left is as one without a call; whatever may have left freezes it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select, update

from broadcast.enums import recognised
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.batch_tables import AttemptRow, Batch
from models.ledger.lane import leases, next_work
from models.ledger.lane.call_history import UNTOUCHED, left_nothing
from models.ledger.plan import late_opt_outs
from models.ledger.rows.transaction import read
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.test_late_opt_outs import leave, planned, resumed
from tests.integration.models.test_take_out import PEOPLE, adds_up, held, members, take_out
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

NOT_CALLED = CallResult(outcome=Outcome.NOT_CALLED)
UNREACHABLE = CallResult(outcome=Outcome.WAIT, transport="refused")
#: Whatever a release or a reply may make of a call.
FREEZES = [
    said(45061),
    said(45009),
    said(45011),
    said(42001),
    said(48001),
    LOST,
    CallResult(outcome=Outcome.WAIT),
    CallResult(outcome=Outcome.WAIT, transport="reset"),
    CallResult(outcome=Outcome.WAIT, transport="teleported"),
]
STRANGE = recognised(Outcome, "held_back")


def called(engine: Engine, broadcast_id: str, *facts: CallResult) -> None:
    """Call the next batch so often; each call waits for its time and finds a driver."""
    for fact in facts:
        driver = Driver(engine)
        n = driver.next().n
        driver.call(fact)
        leases.release(engine, driver.lease)
        operator.unhalt(engine, None, who="tests")
        until = ledger.batch(engine, broadcast_id, n).not_before
        if until is not None and until > datetime.now(UTC):
            ledger.pass_time(engine, until - datetime.now(UTC))


@pytest.mark.every_database
@pytest.mark.parametrize(
    "facts", [[NOT_CALLED], [UNREACHABLE], [UNREACHABLE, NOT_CALLED, UNREACHABLE]]
)
def test_who_asks_out_before_any_call_left_gets_nothing(
    engine: Engine, facts: list[CallResult]
) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    called(engine, broadcast_id, *facts)
    before = ledger.batch(engine, broadcast_id)

    assert take_out(engine, broadcast_id, PEOPLE[:5]) == 5

    after = ledger.batch(engine, broadcast_id)
    assert (after.size, after.attempts, after.state) == (5, len(facts), BatchState.PLANNED)
    assert after.clientmsgid != before.clientmsgid
    adds_up(engine, broadcast_id)
    driver = Driver(engine)
    work = driver.next()
    assert (work.n, work.clientmsgid) == (1, after.clientmsgid)
    assert next_work.openids(engine, work) == ledger.packed(PEOPLE[5:10])
    driver.call(said(0, msg_id=1))
    assert members(engine, broadcast_id, "accepted") == PEOPLE[5:10]
    adds_up(engine, broadcast_id)


@pytest.mark.every_database
@pytest.mark.parametrize("fact", FREEZES)
@pytest.mark.parametrize("around", ["alone", "first", "last"])
def test_a_batch_of_which_a_call_may_have_left_goes_out_as_it_was(
    engine: Engine, fact: CallResult, around: str
) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    before, after = around == "last", around == "first" and fact is not LOST
    called(engine, broadcast_id, *[NOT_CALLED] * before, fact, *[NOT_CALLED] * after)
    stood = ledger.batch(engine, broadcast_id)

    take_out(engine, broadcast_id, [PEOPLE[0], PEOPLE[12]])

    assert ledger.batch(engine, broadcast_id) == stood
    assert not _is_untouched(engine, stood.id)
    adds_up(engine, broadcast_id)


def test_a_claim_without_a_word_and_one_with_a_newer_releases_word_freeze_it(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    claim = Driver(engine).claim()
    batch = ledger.batch(engine, broadcast_id)
    for word in (None, STRANGE):
        with engine.begin() as connection:
            mine = AttemptRow.id == claim.attempt_id
            connection.execute(update(AttemptRow).where(mine).values(outcome=word))
            # As though it waited for a call, which such an attempt alone keeps it from.
            connection.execute(update(Batch).where(Batch.id == batch.id).values(state="planned"))

        assert take_out(engine, broadcast_id, [PEOPLE[0]]) == 0
        assert not _is_untouched(engine, batch.id)


def _is_untouched(engine: Engine, batch_id: int) -> bool:
    """Return what both forms of the predicate say; they say the same."""
    with read(engine) as connection:
        told = connection.scalar(select(UNTOUCHED).where(Batch.id == batch_id))
        attempts = connection.execute(
            select(AttemptRow.outcome, AttemptRow.transport).where(AttemptRow.batch_id == batch_id)
        ).all()
    assert told == all(left_nothing(row.outcome, row.transport) for row in attempts)
    return bool(told)


@pytest.mark.parametrize("halved", [False, True])
def test_a_batch_of_whose_claim_nobody_is_left_is_no_call_any_more(
    engine: Engine, *, halved: bool
) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=1 if halved else 2)
    called(engine, broadcast_id, *[said(40003)] * halved, UNREACHABLE, NOT_CALLED)
    operator.pause(engine, broadcast_id, who="tests")
    assert held(engine) == 2

    take_out(engine, broadcast_id, PEOPLE[:20])

    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.batches["total"], told.calls) == (1, int(halved))
    assert held(engine) == 1
    assert told.audience["suppressed"] == 20
    adds_up(engine, broadcast_id)
    operator.resume(engine, broadcast_id, who="tests", quota=ledger.PLENTY)
    Driver(engine).call(said(0, msg_id=1))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.COMPLETED
    adds_up(engine, broadcast_id)


def test_who_is_left_alone_of_a_claim_joins_another_batch_or_is_cancelled(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=2)
    called(engine, broadcast_id, NOT_CALLED)
    take_out(engine, broadcast_id, PEOPLE[1:20])
    adds_up(engine, broadcast_id)

    take_out(engine, broadcast_id, PEOPLE[20:39])

    [batch] = [row for row in ledger.batches(engine, broadcast_id) if row.size]
    assert batch.size == 2
    take_out(engine, broadcast_id, PEOPLE[39:])
    [batch] = [row for row in ledger.batches(engine, broadcast_id) if row.size]
    assert (batch.state, batch.reason) == (BatchState.CANCELLED, Reason.TOO_FEW)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.FAILED
    adds_up(engine, broadcast_id)


def test_a_look_after_a_resume_takes_people_out_of_what_no_call_left_of(engine: Engine) -> None:
    broadcast_id = planned(engine)
    called(engine, broadcast_id, UNREACHABLE)
    leave(engine, [PEOPLE[2], PEOPLE[33]])

    assert late_opt_outs.remove(engine, broadcast_id, resumed(engine, broadcast_id)) == 2

    assert PEOPLE[2] not in members(engine, broadcast_id, "waiting")
    adds_up(engine, broadcast_id)
