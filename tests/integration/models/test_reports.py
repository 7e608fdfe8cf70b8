"""A report adds up at every moment, whatever has happened."""

from __future__ import annotations

import random
from datetime import UTC, timedelta

import pytest
from sqlalchemy import Engine, event

from broadcast.errors import UnknownIdError
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan import submission
from broadcast.rules.reports import SETS, SKIPS, Report
from broadcast.rules.states import BatchState, BroadcastState
from broadcast.views.json_objects import as_json
from models.ledger.lane import claims, leases
from models.ledger.lane.next_work import Kind
from models.ledger.rows import lane_rows
from models.ledger.steer import operator
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports, in_flight
from tests.integration.models.stories import take_over
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

SKIPPED = {"malformed": (3, [(1, "x")]), "duplicate": (4, [(2, "y")])}


def adds_up(engine: Engine, broadcast_id: str) -> Report:
    told = broadcast_reports.report(engine, broadcast_id)
    audience = told.audience
    skips = sum(audience[reason] or 0 for reason in SKIPS)
    planned = audience["planned"] or 0
    assert audience["read"] == skips + planned
    assert planned == sum(count or 0 for count in told.recipients.values())
    sets = sum(told.batches[name] for name in SETS)
    assert told.batches["total"] == sets
    assert told.batches["finished"] <= told.batches["accepted"]
    return told


def test_figures_add_up_from_the_flip_to_the_end(engine: Engine) -> None:
    text = ledger.body(size=60)
    broadcast_id = ledger.upload(engine, text, size=60)
    submits.publish(
        engine,
        broadcast_id,
        text,
        figures=ledger.figures(size=60, batches=6, **SKIPPED),
        terms=submission.Terms(who="tests", batch_size=10),
        quota=None,
    )
    assert adds_up(engine, broadcast_id).recipients["waiting"] == 60
    ledger.planned(engine, broadcast_id)
    driver = Driver(engine)
    for fact in (said(0, msg_id=1), said(40003), said(40130), said(45065), LOST):
        driver.call(fact)
        adds_up(engine, broadcast_id)
    operator.cancel(engine, broadcast_id, who="a person")
    told = adds_up(engine, broadcast_id)
    assert told.recipients["waiting"] == 0
    assert told.calls == 5


@pytest.mark.parametrize("seed", range(3))
def test_figures_add_up_after_any_story(engine: Engine, seed: int) -> None:
    """Random replies, pauses, crashes and cancels: the sets are disjoint and complete."""
    dice = random.Random(seed)
    broadcast_id = ledger.broadcast(engine, size=64, batches=4)
    facts = [
        said(40003),
        said(45009),
        said(45011),
        said(40001),
        said(48001),
        said(40007),
        said(45065),
        said(-1),
        LOST,
        CallResult(outcome=Outcome.NOT_CALLED),
        None,
    ]
    driver = Driver(engine)
    for step in range(24):
        work = driver.next()
        if work.kind is Kind.CALL:
            claim = claims.claim(engine, driver.lease, work)
            fact = dice.choice([*facts, said(0, msg_id=work.batch_id)])
            if claim is not None and fact is not None:
                driver.record(claim, fact)
        elif dice.random() < 0.3:
            operator.unhalt(engine, None, who="a person")
        if dice.random() < 0.1 and adds_up(engine, broadcast_id).state is BroadcastState.PAUSED:
            operator.resume(engine, broadcast_id, who="a person")
        if step == 16:
            operator.cancel(engine, broadcast_id, who="a person")
        ledger.pass_time(engine, timedelta(seconds=dice.choice([3, 70, 4_000])))
        told = adds_up(engine, broadcast_id)
        leases.release(engine, driver.lease)
        ledger.pass_time(engine, lane_rows.LEASE)
        held = leases.acquire(engine, "default", f"driver-{step}")
        assert held is not None
        driver.lease = held
    told = adds_up(engine, broadcast_id)
    assert told.recipients["waiting"] == 0, "a cancelled broadcast leaves nobody behind"


def test_unknown_id_names_near_ones(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    wrong = broadcast_id[:-1] + ("2" if broadcast_id[-1] != "2" else "3")
    with pytest.raises(UnknownIdError) as caught:
        broadcast_reports.report(engine, wrong)
    assert caught.value.facts["near"] == broadcast_id
    with pytest.raises(UnknownIdError) as caught:
        broadcast_reports.report(engine, "nothing of the kind")
    assert caught.value.message_id == "error.broadcast.unknown"


def test_newest_broadcasts_come_first_and_of_one_account_if_asked(engine: Engine) -> None:
    ids = []
    for name in ("north", "south", "north"):
        ids.append(ledger.broadcast(engine, owner=ledger.account(name)))
        ledger.pass_time(engine, timedelta(seconds=1))
    assert [told.id for told in broadcast_reports.reports(engine)] == ids[::-1]
    assert [told.id for told in broadcast_reports.reports(engine, account="north")] == [
        ids[2],
        ids[0],
    ]
    assert [told.id for told in broadcast_reports.reports(engine, most=1)] == [ids[2]]
    assert broadcast_reports.reports(engine)[0].batch_list == ()


def test_repeats_tell_why_a_call_was_made_again(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    driver.call(said(40001))
    driver.call(LOST)
    ledger.pass_time(engine, timedelta(seconds=3))
    driver.call(said(45065, msg_id=7))
    told = broadcast_reports.repeats(engine, broadcast_id)
    assert [(one.number, one.outcome, one.errcode) for one in told] == [
        (1, Outcome.TOKEN, 40001),
        (2, Outcome.UNKNOWN, None),
    ]
    assert told[1].transport == "read_timeout"
    assert broadcast_reports.report(engine, broadcast_id).calls == 3


def test_no_reason_is_null_for_programs(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(40001))
    [batch] = as_json(broadcast_reports.report(engine, broadcast_id))["batch_list"]
    assert (batch["state"], batch["errcode"], batch["reason"]) == ("planned", 40001, None)


def test_json_is_the_object_of_the_contract(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=2**40))
    driver.call(said(0, msg_id=2**40 + 1))
    told = as_json(broadcast_reports.report(engine, broadcast_id))
    assert set(told) >= {
        "id",
        "state",
        "account",
        "key",
        "audience",
        "recipients",
        "batches",
        "batch_list",
        "calls",
        "delivered",
        "created_at",
        "started_at",
        "finished_at",
        "error",
    }
    assert set(told["audience"]) == {"read", *SKIPS, "planned"}
    assert set(told["recipients"]) == {"accepted", "refused", "cancelled", "in_doubt", "waiting"}
    assert set(told["batches"]) == {"total", "finished", *told["recipients"]}
    assert told["state"] == "completed"
    assert told["batch_list"][0] == {
        "n": 1,
        "size": 10,
        "state": "accepted",
        "msg_id": 2**40,
        "attempts": 1,
        "errcode": None,
        "reason": None,
        "not_before": None,
        "finish": None,
        "msg_status": None,
        "verified": True,
    }
    assert told["created_at"].endswith("Z")
    assert told["error"] is None


def test_moments_of_a_report_are_in_order_and_in_utc(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(0, msg_id=1))
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.started_at is not None
    assert told.finished_at is not None
    assert told.created_at <= told.started_at <= told.finished_at <= told.now
    assert told.now.tzinfo is UTC


def test_lanes_are_told_together_as_each_report_tells_its_own(engine: Engine) -> None:
    ids = {
        name: ledger.broadcast(engine, owner=ledger.account(name)) for name in ("shop", "default")
    }
    operator.halt(engine, "shop", who="a person", why="stock-taking")

    views, moment = broadcast_reports.lanes(engine)

    assert list(views) == ["default", "shop"]
    told = {name: broadcast_reports.report(engine, ids[name]) for name in views}
    assert views == {name: report.lane for name, report in told.items()}
    [halt] = views["shop"].gates
    assert (halt.kind, halt.closed_by, halt.why) == (GateKind.HALT, "a person", "stock-taking")
    assert abs(moment - told["shop"].now) < timedelta(minutes=1)


def test_what_goes_on_is_what_waits_for_a_worker_now(engine: Engine) -> None:
    first = ledger.broadcast(engine)
    ledger.pass_time(engine, timedelta(seconds=1))
    uncut = ledger.published(engine, ledger.body())
    paused = ledger.broadcast(engine)
    operator.pause(engine, paused, who="a person")
    soon = broadcast_reports.report(engine, first).now + timedelta(hours=1)
    scheduled = ledger.published(engine, ledger.body(at=soon))
    others = ledger.broadcast(engine, owner=ledger.account("shop"))

    assert in_flight.going_on(engine, ["default"]) == [first, uncut]
    assert set(in_flight.going_on(engine, ["default", "shop"])) == {first, uncut, others}
    ledger.pass_time(engine, timedelta(hours=2))
    assert scheduled in in_flight.going_on(engine, ["default"])


def test_report_and_flights_are_of_one_moment_whatever_is_committed_meanwhile(
    driver: Driver, broadcast_id: str
) -> None:
    driver.claim()
    looks: list[str] = []

    def take_over_and_call(_connection: object, _cursor: object, said_: str, *_: object) -> None:
        """Let another driver take over and call between the first two statements of the report."""
        if said_.startswith("SELECT") and not looks:
            looks.append(said_)
            take_over(driver).call(said(0, msg_id=71))

    event.listen(driver.engine, "after_cursor_execute", take_over_and_call)
    told, under_way = in_flight.beside_report(driver.engine, broadcast_id)
    event.remove(driver.engine, "after_cursor_execute", take_over_and_call)

    assert told.recipients["accepted"] == 0
    assert [line.state for line in told.batch_list] == [BatchState.CALLING, BatchState.PLANNED]
    assert [flight.n for flight in under_way] == [1]
    assert broadcast_reports.report(driver.engine, broadcast_id).recipients["accepted"] == 10
