"""A broadcast of an interface or to an audience that only a newer release knows is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine, update

from broadcast.enums import recognised
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import REPEAT_WINDOW
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause
from broadcast.rules.states import BatchState
from models.every_table import Batch, BroadcastRow
from models.ledger.lane import claims
from models.ledger.plan import plans
from models.ledger.steer import sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import OVER
from tests.integration.models.test_newer_release import called, outcome
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

PIGEON = recognised(SendPath, "pigeon")


def strange_path(engine: Engine, broadcast_id: str) -> None:
    """Let a newer release send a broadcast by an interface of its own."""
    with engine.begin() as connection:
        for table, column in ((BroadcastRow, BroadcastRow.id), (Batch, Batch.broadcast_id)):
            connection.execute(update(table).where(column == broadcast_id).values(path=PIGEON))


def strange_audience(engine: Engine, broadcast_id: str) -> None:
    """Let a newer release send a broadcast to a kind of audience of its own."""
    with engine.begin() as connection:
        which = BroadcastRow.id == broadcast_id
        connection.execute(update(BroadcastRow).where(which).values(audience_kind="region"))


STRANGE = pytest.mark.parametrize("change", [strange_path, strange_audience])


@STRANGE
def test_broadcast_that_only_a_newer_release_can_call_is_left_alone_and_the_others_go_on(
    engine: Engine, change: Callable[[Engine, str], None]
) -> None:
    broadcast_id, other = ledger.broadcast(engine), ledger.broadcast(engine)
    change(engine, broadcast_id)

    assert {work.broadcast_id for work in called(Driver(engine))} == {other}

    told = broadcast_reports.report(engine, broadcast_id)
    assert [one.cause for one in blockers.blockers_of(told)] == [Cause.NEWER_RELEASE]
    assert ledger.states(engine, broadcast_id) == {BatchState.PLANNED: 2}


@STRANGE
def test_doubt_that_only_a_newer_release_can_repeat_holds_nobody_up(
    engine: Engine, change: Callable[[Engine, str], None]
) -> None:
    broadcast_id, other = ledger.broadcast(engine), ledger.broadcast(engine)
    Driver(engine).call(LOST)
    change(engine, broadcast_id)
    ledger.pass_time(engine, OVER)

    assert {work.broadcast_id for work in called(Driver(engine))} == {other}

    assert ledger.batch(engine, broadcast_id).state is BatchState.UNKNOWN


@STRANGE
def test_broadcast_that_only_a_newer_release_can_call_is_not_planned(
    engine: Engine, change: Callable[[Engine, str], None]
) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    change(engine, broadcast_id)

    assert plans.to_plan(engine, broadcast_id) is None
    assert sweeps.due(engine).plans == [broadcast_id]


def test_batch_whose_interface_became_strange_after_the_look_is_not_claimed(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    work = replace(driver.next(), path=PIGEON)
    strange_path(engine, broadcast_id)

    assert claims.claim(engine, driver.lease, work) is None
    assert ledger.batch(engine, broadcast_id).attempts == 0


@pytest.mark.parametrize("fact", [said(0, msg_id=7), said(40003), LOST])
def test_late_reply_of_a_strange_interface_is_stored_and_moves_nothing(
    engine: Engine, fact: CallResult
) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    strange_path(engine, broadcast_id)
    before = ledger.batch(engine, broadcast_id)

    driver.record(claim, fact)

    assert outcome(engine, claim.attempt_id) is fact.outcome
    assert ledger.batch(engine, broadcast_id) == before


def test_doubt_of_a_strange_interface_is_not_held_for_a_person_when_its_window_ends(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(LOST)
    strange_path(engine, broadcast_id)
    ledger.pass_time(engine, REPEAT_WINDOW)

    assert sweeps.doubt_expired(engine) == 0

    assert ledger.batch(engine, broadcast_id).state is BatchState.UNKNOWN
