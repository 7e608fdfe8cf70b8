"""What stands in the history, and what an operator is told of those who waited."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select

from broadcast.errors import UnknownIdError
from broadcast.names import EventKind
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.reports import Did
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.every_table import Event, GateRow
from models.ledger.rows.transaction import note, write
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports, in_flight
from models.ledger.views.in_flight import Waiting
from tests.integration.models.stories import OVER, doubt, snapshot, standing_gates, the_gate
from tests.integration.models.test_operator import WHO, state
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said


def test_every_word_stands_in_the_history_with_its_speaker(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    operator.pause(engine, broadcast_id, who=WHO)
    operator.resume(engine, broadcast_id, who=WHO)
    operator.cancel(engine, broadcast_id, who=WHO)
    operator.halt(engine, None, who=WHO)
    operator.unhalt(engine, None, who=WHO)
    with engine.connect() as connection:
        query = select(Event.kind).where(Event.who == WHO).order_by(Event.id)
        kinds = connection.scalars(query).all()
    close, open_, did = EventKind.GATE_CLOSED, EventKind.GATE_OPENED, EventKind.OPERATOR_ACTION
    assert kinds == [
        *(close, did),  # pause
        *(open_, did),  # resume
        *(close, EventKind.BATCH_MOVE, did),  # cancel: both batches by one line
        *(close, did),  # halt
        *(open_, did),  # unhalt
    ]


def test_history_keeps_facts_that_json_does_not_know(engine: Engine) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    write(engine, lambda c: note(c, EventKind.TOKEN_DRIFT, who=WHO, at=at))
    with engine.connect() as connection:
        assert connection.scalar(select(Event.detail)) == '{"at": "2026-01-01 00:00:00+00:00"}'


def test_cancelled_batches_say_why(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    operator.cancel(engine, broadcast_id, who=WHO)
    for batch in ledger.batches(engine, broadcast_id):
        assert (batch.state, batch.reason) == (BatchState.CANCELLED, Reason.BY_HAND)


def test_unknown_id_is_told_with_the_near_one(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    for word in (operator.pause, operator.resume, operator.cancel):
        with pytest.raises(UnknownIdError) as caught:
            word(engine, broadcast_id + "x", who=WHO)
        assert caught.value.facts["near"] == broadcast_id


def test_cancel_that_left_a_doubt_is_said_once(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(LOST)
    assert operator.cancel(engine, broadcast_id, who=WHO)
    before = snapshot(engine)
    assert not operator.cancel(engine, broadcast_id, who="somebody else")
    assert snapshot(engine) == before


def test_why_stands_in_the_history_and_at_the_gate(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    operator.pause(engine, broadcast_id, who=WHO, why="错字")
    gate = the_gate(engine, GateKind.PAUSE, broadcast_id)
    assert (gate.closed_by, gate.why) == (WHO, "错字")
    operator.resume(engine, broadcast_id, who=WHO, why="改好了 🎉")
    operator.halt(engine, "default", who=WHO, why="老板来电")
    assert the_gate(engine, GateKind.HALT).why == "老板来电"
    operator.unhalt(engine, "default", who=WHO)
    assert standing_gates(engine, broadcast_id) == []
    with engine.connect() as connection:
        opened = connection.execute(
            select(GateRow.opened_by, GateRow.opened_why).order_by(GateRow.id)
        ).all()
    assert [tuple(row) for row in opened] == [(WHO, "改好了 🎉"), (WHO, None)]
    actions = broadcast_reports.report(engine, broadcast_id).operator_actions
    assert actions is not None
    assert [(one.did, one.who, one.why) for one in actions.actions] == [
        (Did.PAUSE, WHO, "错字"),
        (Did.RESUME, WHO, "改好了 🎉"),
        (Did.HALT, WHO, "老板来电"),
        (Did.UNHALT, WHO, None),
    ]


def test_nobody_is_named_where_only_wechat_stopped_it(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(said(45002))
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.PAUSED
    assert [blocker.who for blocker in blockers.blockers_of(told)] == [None]
    assert told.operator_actions is not None
    assert told.operator_actions.actions == []


def test_who_paused_what_wechat_had_stopped_is_told_beside_it(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(said(45002))
    assert operator.pause(engine, broadcast_id, who=WHO, why="错字")
    told = broadcast_reports.report(engine, broadcast_id)
    assert [(gate.kind, gate.errcode, gate.why) for gate in told.gates] == [
        (GateKind.BREAKER, 45002, None),
        (GateKind.PAUSE, None, "错字"),
    ]
    assert operator.resume(engine, broadcast_id, who=WHO)
    assert standing_gates(engine, broadcast_id) == []


def test_call_that_no_stop_reaches_is_named(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    operator.pause(engine, broadcast_id, who=WHO)
    _, [flight] = in_flight.beside_report(engine, broadcast_id)
    assert (flight.broadcast_id, flight.n, flight.size) == (broadcast_id, 1, 10)
    assert in_flight.of_accounts(engine, ["default"]) == [flight]
    assert in_flight.of_accounts(engine, ["another"]) == []
    driver.record(claim, said(0, msg_id=1))
    assert in_flight.beside_report(engine, broadcast_id)[1] == []


def test_call_whose_driver_lost_the_lane_is_told_as_left_behind(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    [under_way] = in_flight.of_accounts(engine, ["default"])
    assert under_way.driven

    ledger.pass_time(engine, OVER)

    [left] = in_flight.of_accounts(engine, ["default"])
    assert not left.driven
    driver.record(claim, said(0, msg_id=1))
    assert in_flight.beside_report(engine, broadcast_id)[1] == []


def test_broadcasts_that_have_more_to_send_are_told_by_account(engine: Engine) -> None:
    north, south = ledger.account("north"), ledger.account("south")
    going = [
        ledger.broadcast(engine, owner=north),
        ledger.published(engine, ledger.body(owner=north)),
    ]
    paused = ledger.broadcast(engine, owner=south)
    uncut = ledger.published(engine, ledger.body(owner=south))
    for one in (paused, uncut):
        operator.pause(engine, one, who=WHO)

    told = in_flight.waiting(engine, ["north", "south", "east"])

    assert told == {"north": Waiting(going=going), "south": Waiting(kept_back=[paused, uncut])}


def test_a_broadcast_held_for_doubts_alone_has_nobody_waiting(engine: Engine) -> None:
    first = ledger.broadcast(engine, batches=2)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    doubt(driver)
    assert state(engine, first) is BroadcastState.HELD
    assert in_flight.waiting(engine, ["default"]) == {}

    second = ledger.broadcast(engine, batches=3)
    driver.call(said(0, msg_id=2))
    doubt(driver)
    operator.pause(engine, second, who=WHO)

    assert in_flight.waiting(engine, ["default"]) == {"default": Waiting(kept_back=[second])}


def test_cancel_stands_in_the_history_with_its_speaker_and_how_many_it_moved(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    Driver(engine).call(LOST)
    operator.cancel(engine, broadcast_id, who="cli:王小明@desk", why="the wrong list")
    with engine.connect() as connection:
        rows = connection.execute(
            select(Event.detail, Event.who, Event.batch_id).where(
                Event.kind == EventKind.BATCH_MOVE
            )
        ).all()
    bulk = [row for row in rows if row.who == "cli:王小明@desk"]
    assert {row.batch_id for row in bulk} == {None}
    said_so = {
        (detail["old"], detail["new"], detail["count"], detail["why"])
        for detail in (json.loads(row.detail) for row in bulk)
    }
    assert said_so == {
        ("unknown", "in_doubt", 1, "the wrong list"),
        ("planned", "cancelled", 3, "the wrong list"),
    }
