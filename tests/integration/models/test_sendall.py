"""A call whose list is WeChat's: it has no recipients of ours, from the submit to the report."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.calls.outcomes import Endpoint, SendPath, of_send
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause, GateKind, GateScope
from broadcast.rules.plan import audience as audiences
from broadcast.rules.plan.audience import Audience, Everyone, Tag
from broadcast.rules.plan.submission import Body, Figures, PublishedMeanwhileError
from broadcast.rules.reports import Report
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from models.every_table import AttemptRow, ChunkRow, Reservation
from models.ledger.lane import next_work
from models.ledger.lane.next_work import Kind
from models.ledger.lists import recipients
from models.ledger.outcomes import resolves
from models.ledger.plan import plans
from models.ledger.steer import operator, retries, sweeps
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import SOON, kinds, standing_gates, the_gate
from tests.kit import ledger
from tests.kit.ledger import LOST, PLENTY, Driver, said

WHO = "a person"
NO_LIST = Figures(read=0, planned=None, calls=1, samples={})
AUDIENCES = pytest.mark.parametrize("audience", [Tag(tag_id=2), Everyone()])


def body(audience: Audience, key: str = "friday") -> Body:
    """Return a text to whom WeChat has on its list."""
    return replace(ledger.body(key=key), audience=audience)


def published(
    engine: Engine, audience: Audience, key: str = "friday", at: datetime | None = None
) -> str:
    """Submit a broadcast without a list."""
    said_so = replace(body(audience, key), scheduled_at=at)
    broadcast_id = submits.begin(engine, said_so, who=WHO)
    submits.publish(
        engine, broadcast_id, said_so, figures=NO_LIST, terms=ledger.terms(), quota=PLENTY
    )
    return broadcast_id


def planned(engine: Engine, audience: Audience | None = None, key: str = "friday") -> str:
    """Submit and plan one."""
    broadcast_id = published(engine, audience or Everyone(), key)
    ledger.planned(engine, broadcast_id)
    return broadcast_id


def answered(errcode: int, msg_id: int | None = None) -> CallResult:
    """Return what sendall replied."""
    outcome = of_send(Endpoint.SENDALL, errcode, msg_id=msg_id)
    return replace(said(errcode, msg_id=msg_id), outcome=outcome)


@AUDIENCES
def test_it_is_one_call_without_recipients(engine: Engine, audience: Audience) -> None:
    broadcast_id = planned(engine, audience)

    [batch] = ledger.batches(engine, broadcast_id)

    assert (batch.n, batch.path, batch.list, batch.size) == (1, SendPath.SENDALL, None, None)
    driver = Driver(engine)
    work = driver.next()
    assert (work.kind, work.path, work.size) == (Kind.CALL, SendPath.SENDALL, None)
    assert next_work.openids(engine, work) is None
    told = next_work.call_content(engine, broadcast_id)
    assert audiences.parse(told.audience_kind, told.audience_spec) == audience
    driver.claim()
    with engine.connect() as connection:
        assert connection.scalars(select(AttemptRow.path)).all() == [SendPath.SENDALL]
        assert connection.execute(select(ChunkRow.id)).all() == []


def test_its_key_is_made_of_whom_it_is_to(engine: Engine) -> None:
    keys = set()
    for audience in (Tag(tag_id=2), Tag(tag_id=3), Everyone()):
        broadcast_id = planned(engine, audience)
        keys.add(ledger.batch(engine, broadcast_id).clientmsgid)
        with engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM bc_submissions")
    assert len(keys) == 3
    assert {len(key) for key in keys} == {25}


def test_the_same_body_under_the_same_key_is_the_same_broadcast(engine: Engine) -> None:
    broadcast_id = published(engine, Tag(tag_id=2))
    with pytest.raises(PublishedMeanwhileError) as caught:
        submits.begin(engine, body(Tag(tag_id=2)), who=WHO)
    assert caught.value.id == broadcast_id
    assert submits.find(engine, body(Tag(tag_id=2))) == broadcast_id


def test_a_plan_that_is_begun_again_makes_the_same_call(engine: Engine) -> None:
    broadcast_id = published(engine, Everyone())
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    cuts = plans.cuts_of(engine, row)
    assert plans.add_batches(engine, row, ledger.account(), cuts=cuts)
    before = ledger.batches(engine, broadcast_id)

    ledger.planned(engine, broadcast_id)

    assert ledger.batches(engine, broadcast_id) == before


@AUDIENCES
def test_nobody_is_counted_and_no_set_has_anybody(engine: Engine, audience: Audience) -> None:
    broadcast_id = published(engine, audience)

    def look() -> Report:
        told = broadcast_reports.report(engine, broadcast_id)
        assert told.audience["planned"] is None
        assert set(told.recipients.values()) == {None}
        for name in told.recipients:
            assert list(recipients.portions(engine, broadcast_id, name)) == []
        assert told.audience_kind == audience.kind
        return told

    assert look().state is BroadcastState.PLANNING
    ledger.planned(engine, broadcast_id)
    told = look()
    assert (told.state, told.batches["total"], told.batches["waiting"]) == (
        BroadcastState.WAITING,
        1,
        1,
    )
    assert [(line.n, line.size) for line in told.batch_list] == [(1, None)]
    Driver(engine).call(answered(0, msg_id=7))
    told = look()
    assert (told.state, told.batches["accepted"]) == (BroadcastState.COMPLETED, 1)


def test_it_holds_one_call_of_its_interface_until_it_is_made(engine: Engine) -> None:
    def held() -> list[tuple[str, int]]:
        with engine.connect() as connection:
            rows = connection.execute(select(Reservation.path, Reservation.calls))
            return [(path, calls) for path, calls in rows if calls]

    planned(engine)
    assert held() == [(SendPath.SENDALL, 1)]
    Driver(engine).call(answered(0, msg_id=7))
    assert held() == []


def test_a_lost_reply_is_repeated_with_its_key_and_settled(engine: Engine) -> None:
    broadcast_id = planned(engine)
    driver = Driver(engine)
    driver.call(LOST)
    assert ledger.batch(engine, broadcast_id).state is BatchState.UNKNOWN
    ledger.pass_time(engine, SOON)
    driver.call(answered(45065, msg_id=7))
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.msg_id) == (BatchState.ACCEPTED, 7)
    with engine.connect() as connection:
        assert len(set(connection.scalars(select(AttemptRow.clientmsgid)))) == 1


@pytest.mark.parametrize("errcode", [40003, 43004, 46004, 40130])
def test_it_is_never_split(engine: Engine, errcode: int) -> None:
    """It names no OpenIDs; codes that blame them concern the request."""
    broadcast_id = planned(engine)
    Driver(engine).call(answered(errcode))
    [batch] = ledger.batches(engine, broadcast_id)
    assert batch.state is BatchState.REFUSED
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.FAILED


def test_a_list_that_is_wechats_has_no_halves_whatever_the_outcome(engine: Engine) -> None:
    broadcast_id = planned(engine)
    Driver(engine).call(said(40003))
    assert [batch.state for batch in ledger.batches(engine, broadcast_id)] == [BatchState.REFUSED]


def test_a_refusal_of_the_interface_leaves_calls_by_openid_alone(engine: Engine) -> None:
    everyone, by_openid = planned(engine), ledger.broadcast(engine)
    driver = Driver(engine)

    driver.call(answered(48003))

    gate = the_gate(engine, GateKind.STOP)
    assert (gate.scope, gate.path) == (GateScope.PATH, SendPath.SENDALL)
    assert driver.next().broadcast_id == by_openid
    driver.claim()
    goes_on = broadcast_reports.report(engine, by_openid)
    assert (goes_on.state, list(goes_on.gates)) == (BroadcastState.SENDING, [])
    assert list(blockers.blockers_of(goes_on)) == []
    told = broadcast_reports.report(engine, everyone)
    stops = [(one.cause, one.path) for one in blockers.blockers_of(told)]
    assert stops == [(Cause.ACCOUNT_STOPPED, SendPath.SENDALL)]
    assert operator.unhalt(engine, "default", who=WHO) == ["default"]
    assert standing_gates(engine) == []


def test_a_doubt_is_settled_by_a_person_and_retried_by_a_word(engine: Engine) -> None:
    broadcast_id = planned(engine)
    driver = Driver(engine)
    driver.call(LOST)
    ledger.pass_time(engine, SOON)
    driver.call(answered(48001))
    operator.unhalt(engine, "default", who=WHO)
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.phase) == (BroadcastState.HELD, Phase.ENDED)
    [doubt] = blockers.blockers_of(told)
    assert (doubt.cause, doubt.count) == (Cause.IN_DOUBT, 1)
    [group] = retries.retry_verdicts(engine, broadcast_id)
    assert (group.verdict, group.numbers, group.followers) == (RetryVerdict.IN_DOUBT, [1], None)

    resolved = resolves.resolve(engine, broadcast_id, 1, verdict=NotSent(), who=WHO)

    assert (resolved.size, resolved.state) == (None, BatchState.REFUSED)
    assert ledger.batch(engine, broadcast_id).reason is Reason.SAID_NOT_SENT
    retried = retries.retry(engine, broadcast_id, who=WHO)
    assert [(group.verdict, group.numbers) for group in retried.placed] == [
        (RetryVerdict.AGAIN, [1])
    ]
    driver.call(answered(0, msg_id=7))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.COMPLETED


def test_gates_forbid_it_as_every_call(engine: Engine) -> None:
    broadcast_id = planned(engine)
    operator.pause(engine, broadcast_id, who=WHO)
    assert Driver(engine).next().kind is Kind.REST
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PAUSED
    assert operator.cancel(engine, broadcast_id, who=WHO)
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.batches["cancelled"]) == (BroadcastState.CANCELLED, 1)
    assert set(told.recipients.values()) == {None}
    assert kinds(engine, broadcast_id) == {GateKind.CANCEL}, "a pause ends with its broadcast"


def test_a_cancel_before_the_plan_leaves_no_call(engine: Engine) -> None:
    broadcast_id = published(engine, Tag(tag_id=2))
    assert operator.cancel(engine, broadcast_id, who=WHO)
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.phase) == (BroadcastState.CANCELLED, Phase.ENDED)
    assert (told.batches["total"], set(told.recipients.values())) == (0, {None})
    assert plans.to_plan(engine, broadcast_id) is None


def test_the_sweep_finds_its_plan_and_its_lane(engine: Engine) -> None:
    broadcast_id = published(engine, Everyone())
    assert sweeps.due(engine).plans == [broadcast_id]
    ledger.planned(engine, broadcast_id)
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]
