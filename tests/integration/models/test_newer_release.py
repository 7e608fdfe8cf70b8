"""What only a newer release knows is left alone, and everything else goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update

from broadcast.enums import is_recognised, recognised
from broadcast.names import EventKind
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import REPEAT_WINDOW, Waits
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause, GateKind
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from broadcast.views import next_steps, words
from broadcast.views.texts import LANGUAGES, Language, Texts
from models.every_table import AttemptRow, Batch, BroadcastRow
from models.ledger.audit import audit_run, case
from models.ledger.lane import claims
from models.ledger.lane.next_work import Kind, Work
from models.ledger.lists import recipients
from models.ledger.outcomes import recorded_ends
from models.ledger.plan import plans
from models.ledger.rows.transaction import note
from models.ledger.steer import operator, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import OVER, SOON, close, kinds, take_over
from tests.integration.models.tampering import found
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

PREFETCHED = recognised(BatchState, "prefetched")
PREVIEWING = recognised(Phase, "previewing")
HELD_BACK = recognised(Outcome, "held_back")
QUIET = recognised(GateKind, "quiet_hours")


def strange_batch(engine: Engine, broadcast_id: str, n: int = 1) -> None:
    """Let a newer release put a batch into a state of its own."""
    with engine.begin() as connection:
        which = (Batch.broadcast_id == broadcast_id) & (Batch.n == n)
        connection.execute(update(Batch).where(which).values(state=PREFETCHED))


def outcome(engine: Engine, attempt_id: int) -> Outcome | None:
    with engine.connect() as connection:
        return connection.execute(
            select(AttemptRow.outcome).where(AttemptRow.id == attempt_id)
        ).scalar_one()


# -- a state of a batch


def test_batch_in_a_strange_state_is_not_called_and_the_others_are(engine: Engine) -> None:
    broadcast_id, other = ledger.broadcast(engine), ledger.broadcast(engine, batches=1)
    strange_batch(engine, broadcast_id)
    driver = Driver(engine)

    assert [(work.broadcast_id, work.n) for work in called(driver)] == [
        (broadcast_id, 2),
        (other, 1),
    ]

    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.phase, told.state) == (Phase.SENDING, BroadcastState.SENDING)
    assert (told.recipients["waiting"], told.recipients["accepted"]) == (10, 10)
    assert [line.state for line in told.batch_list] == ["prefetched", BatchState.ACCEPTED]
    assert broadcast_reports.report(engine, other).state is BroadcastState.COMPLETED
    [portion] = recipients.portions(engine, broadcast_id, "waiting")
    assert portion.n == 1


def test_result_of_a_batch_in_a_strange_state_is_left_to_the_newer_release(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(0, msg_id=7))
    ledger.pass_time(engine, timedelta(minutes=3))
    [asked] = recorded_ends.due_batches(engine, "default", 10)
    strange_batch(engine, broadcast_id)
    before = ledger.batch(engine, broadcast_id)
    assert before.poll_at is not None

    recorded_ends.record_status(engine, asked, "SEND_SUCCESS", waits=Waits())

    assert ledger.batch(engine, broadcast_id) == before


def called(driver: Driver) -> list[Work]:
    """Let the lane be driven to its end; return what was called."""
    made = []
    while (work := driver.next()).kind is Kind.CALL:
        driver.call(said(0, msg_id=work.batch_id))
        made.append(work)
    return made


def test_claim_of_a_batch_that_became_strange_after_the_look_fails(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    work = driver.next()
    strange_batch(engine, broadcast_id)

    assert claims.claim(engine, driver.lease, work) is None


@pytest.mark.parametrize("fact", [said(0, msg_id=7), said(40003), LOST])
def test_late_reply_for_a_batch_in_a_strange_state_is_stored_and_moves_nothing(
    engine: Engine, fact: CallResult
) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    strange_batch(engine, broadcast_id)

    driver.record(claim, fact)

    assert outcome(engine, claim.attempt_id) is fact.outcome
    assert ledger.batch(engine, broadcast_id).state == PREFETCHED


def test_cancel_ends_what_is_known_and_leaves_a_strange_batch_open(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    strange_batch(engine, broadcast_id)

    assert operator.cancel(engine, broadcast_id, who="a person")

    one, other = ledger.batches(engine, broadcast_id)
    assert (one.state, other.state) == (PREFETCHED, BatchState.CANCELLED)
    assert broadcast_reports.report(engine, broadcast_id).phase is Phase.SENDING


def test_strange_batch_is_named_once_nothing_else_is_left_and_found_if_nobody_moves_it(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine)
    strange_batch(engine, broadcast_id)
    among = [
        one.cause for one in blockers.blockers_of(broadcast_reports.report(engine, broadcast_id))
    ]
    called(Driver(engine))

    told = list(blockers.blockers_of(broadcast_reports.report(engine, broadcast_id)))

    assert Cause.NEWER_RELEASE not in among
    assert [one.cause for one in told] == [Cause.NEWER_RELEASE]
    assert found(engine) == set()
    ledger.pass_time(engine, timedelta(minutes=10))
    [finding] = audit_run.audit_all(engine, waits=Waits()).findings
    assert (finding.found, finding.n) == (case.Found.STATE, 1)
    assert finding.facts["state"] == PREFETCHED


def test_lane_is_woken_for_a_strange_batch_that_a_newer_worker_may_call(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    strange_batch(engine, broadcast_id)
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]
    assert Driver(engine).next().kind is Kind.REST


# -- an outcome of a call


def strange_outcome(engine: Engine) -> str:
    """Let a newer release record of a lost call what only it understands."""
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(LOST)
    with engine.begin() as connection:
        connection.execute(update(AttemptRow).values(outcome=HELD_BACK))
    ledger.pass_time(engine, OVER)
    return broadcast_id


def test_call_with_a_strange_outcome_is_not_repeated_and_holds_nobody_up(engine: Engine) -> None:
    broadcast_id = strange_outcome(engine)
    other = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)

    assert [(work.broadcast_id, work.n) for work in called(driver)] == [
        (broadcast_id, 2),
        (other, 1),
    ]

    assert ledger.batch(engine, broadcast_id).state is BatchState.UNKNOWN
    assert ledger.batch(engine, broadcast_id).attempts == 1


def test_call_whose_outcome_became_strange_after_the_look_is_not_claimed(engine: Engine) -> None:
    ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    driver.call(LOST)
    ledger.pass_time(engine, SOON)
    work = driver.next()
    assert work.state is BatchState.UNKNOWN
    with engine.begin() as connection:
        connection.execute(update(AttemptRow).values(outcome=HELD_BACK))

    assert claims.claim(engine, driver.lease, work) is None


def test_batch_with_a_strange_outcome_is_not_held_for_a_person_when_its_window_ends(
    engine: Engine,
) -> None:
    broadcast_id = strange_outcome(engine)
    ledger.pass_time(engine, REPEAT_WINDOW)

    assert sweeps.doubt_expired(engine) == 0

    assert ledger.batch(engine, broadcast_id).state is BatchState.UNKNOWN


def test_reply_to_another_call_of_such_a_batch_is_stored_and_moves_nothing(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    first = Driver(engine)
    claim = first.claim()
    second = take_over(first)
    newer = second.claim()
    with engine.begin() as connection:
        which = AttemptRow.id == newer.attempt_id
        connection.execute(update(AttemptRow).where(which).values(outcome=HELD_BACK))
    before = ledger.batch(engine, broadcast_id)

    first.record(claim, said(0, msg_id=7))

    assert outcome(engine, claim.attempt_id) is Outcome.ACCEPTED
    assert ledger.batch(engine, broadcast_id) == before


def test_strange_outcome_is_not_overwritten_by_a_later_reply(engine: Engine) -> None:
    ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    claim = driver.claim()
    with engine.begin() as connection:
        connection.execute(update(AttemptRow).values(outcome=HELD_BACK))

    driver.record(claim, LOST)

    found = outcome(engine, claim.attempt_id)
    assert found == HELD_BACK
    assert found is not None
    assert not is_recognised(found)


# -- a kind of gate


def test_strange_gate_stops_its_broadcast_alone_and_is_named(engine: Engine) -> None:
    broadcast_id, other = ledger.broadcast(engine), ledger.broadcast(engine)
    assert close(engine, QUIET, broadcast_id=broadcast_id)
    driver = Driver(engine)

    assert {work.broadcast_id for work in called(driver)} == {other}

    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.HELD
    assert [one.cause for one in blockers.blockers_of(told)] == [Cause.NEWER_RELEASE]
    assert kinds(engine, broadcast_id) == {QUIET}


def test_late_reply_behind_a_strange_gate_counts_as_ever(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    claim = driver.claim()
    close(engine, QUIET)

    driver.record(claim, said(0, msg_id=7))

    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.COMPLETED


# -- a phase


def test_broadcast_in_a_strange_phase_is_left_alone_and_the_others_go_on(engine: Engine) -> None:
    broadcast_id, other = ledger.broadcast(engine), ledger.broadcast(engine)
    with engine.begin() as connection:
        which = BroadcastRow.id == broadcast_id
        connection.execute(update(BroadcastRow).where(which).values(phase=PREVIEWING))
    assert sweeps.due(engine).lanes == [("default", other)]
    assert plans.to_plan(engine, broadcast_id) is None
    driver = Driver(engine)

    assert {work.broadcast_id for work in called(driver)} == {other}

    told = broadcast_reports.report(engine, broadcast_id)
    assert told.phase == PREVIEWING
    assert is_recognised(told.state)
    assert ledger.states(engine, broadcast_id) == {BatchState.PLANNED: 2}


def test_late_reply_in_a_strange_phase_is_stored(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    work = driver.next()
    with engine.begin() as connection:
        connection.execute(update(BroadcastRow).values(phase=PREVIEWING))

    driver.record(claim, said(0, msg_id=7))

    assert outcome(engine, claim.attempt_id) is Outcome.ACCEPTED
    assert ledger.batch(engine, broadcast_id).state is BatchState.ACCEPTED
    assert claims.claim(engine, driver.lease, work) is None


# -- a command of people


def test_command_that_only_a_newer_release_has_stands_in_the_history_by_its_word(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine)
    with engine.begin() as connection:
        note(
            connection,
            EventKind.OPERATOR_ACTION,
            who="cli:a person",
            broadcast_id=broadcast_id,
            did="approve",
        )

    lines = list(
        map(Texts("en"), next_steps.action_lines(broadcast_reports.report(engine, broadcast_id)))
    )

    assert "approve (command of a newer release), by cli:a person" in lines[-1]


# -- in words


@pytest.mark.parametrize("language", LANGUAGES)
def test_word_of_a_newer_release_is_shown_as_it_is(language: Language) -> None:
    texts = Texts(language)
    state = recognised(BroadcastState, "simmering")
    for fact in (PREFETCHED, HELD_BACK, recognised(Reason, "wanted_by_nobody"), state):
        assert fact.value in str(words.fact_words(fact, texts))
    assert "simmering" in words.short(state, texts)
