"""Planning: however many workers plan one broadcast at once, there is one plan."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update

from broadcast.names import EventKind
from broadcast.rules.calls.attempts import CallResult, NoAnswer
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import DEFAULT_TUNING
from broadcast.rules.drafts import Look
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.media import LocalFile, VideoWords
from broadcast.rules.plan.audience import Everyone
from broadcast.rules.plan.proof import Quota
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from broadcast.tokens.token_service import Token
from models.every_table import BroadcastRow, Event
from models.ledger.lists import suppressions
from models.ledger.plan import late_opt_outs
from models.ledger.steer import operator, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models import test_sendall
from tests.integration.models.test_late_opt_outs import leave
from tests.integration.models.test_take_out import adds_up, members
from tests.kit import ledger
from tests.kit.ledger import body, published
from worker.delivery import planning
from worker.delivery.heartbeat import Heartbeat
from worker.delivery.lane import LaneContext
from worker.delivery.ports import MassCall

PLANNERS = 4


@dataclass
class WeChatStub:
    """Answers quota/get when all planners have asked: each has cut the whole audience by then."""

    together: threading.Barrier

    def draft(self, media_id: str) -> Look:
        raise AssertionError("no draft is sent")

    def upload(
        self, file: LocalFile, words: VideoWords
    ) -> tuple[str | None, str | None] | NoAnswer:
        raise AssertionError("planning uploads nothing")

    def mass_video(self, media_id: str, words: VideoWords) -> str | NoAnswer | None:
        raise AssertionError("planning uploads nothing")

    def tagged(self, tag_id: int) -> Sequence[bytes] | NoAnswer:
        raise AssertionError(tag_id)

    def quota(self, path: SendPath) -> Quota | NoAnswer:
        self.together.wait()
        return ledger.PLENTY

    def ready(self, message: MassCall) -> MassCall:
        raise AssertionError("nothing is to be sent")

    def warm(self) -> None:
        raise AssertionError("planning calls nobody")

    def send(self, token: Token, message: MassCall) -> CallResult:
        raise AssertionError("planning calls nobody")

    def status(self, msg_id: int) -> str | NoAnswer | None:
        raise AssertionError("planning asks for no result")

    def token(self) -> Token | NoAnswer:
        raise AssertionError("planning calls nobody")

    def replace(self, refused: Token) -> NoAnswer | None:
        raise AssertionError("no token was refused")


class PaceStub:
    """Gives no slot: nobody calls."""

    def take_slot(self) -> float:
        raise AssertionError("planning calls nobody")


def context(engine: Engine, gateway: WeChatStub) -> LaneContext:
    return LaneContext(
        engine=engine,
        account=ledger.account(),
        gateway=gateway,
        pace=PaceStub(),
        counter=ledger.EveryClaimCounts(),
        heartbeat=Heartbeat(engine),
        tuning=DEFAULT_TUNING,
        owner="tests",
        stopping=threading.Event(),
    )


def test_of_many_that_plan_one_broadcast_at_once_one_makes_the_plan(engine: Engine) -> None:
    broadcast_id = published(engine, body(size=600), size=600, batches=150)
    wechat = WeChatStub(threading.Barrier(PLANNERS, timeout=240))
    begin = threading.Barrier(PLANNERS, timeout=240)

    def race(_n: int) -> planning.Planned | None:
        begin.wait()
        return planning.plan(context(engine, wechat), broadcast_id)

    with ThreadPoolExecutor(PLANNERS) as threads:
        told = [planned for planned in threads.map(race, range(PLANNERS)) if planned]

    assert [planned.batches for planned in told] == [150] * PLANNERS
    assert sorted(str(planned.fit) for planned in told) == ["None"] * (PLANNERS - 1) + ["fits"]
    assert ledger.states(engine, broadcast_id) == {BatchState.PLANNED: 150}
    batches = ledger.batches(engine, broadcast_id)
    assert [batch.n for batch in batches] == list(range(1, 151))
    assert [(batch.start, batch.size) for batch in batches] == [(4 * n, 4) for n in range(150)]
    report = broadcast_reports.report(engine, broadcast_id)
    assert (report.state, report.recipients["waiting"]) == (BroadcastState.WAITING, 600)
    with engine.connect() as connection:
        kinds = select(Event.kind).where(Event.broadcast_id == broadcast_id).order_by(Event.id)
        assert connection.scalars(kinds).all() == [EventKind.SUBMITTED, EventKind.PLANNED]


def test_whom_a_plan_leaves_out_is_in_no_batch(engine: Engine) -> None:
    broadcast_id = published(engine, body(size=60), size=60, batches=6)
    wechat = WeChatStub(threading.Barrier(1))
    word = SuppressionSource(kind=SuppressionKind.PERSON, who="tests")
    suppressions.suppress(engine, ledger.openids(60)[:12], word)

    told = planning.plan(context(engine, wechat), broadcast_id)

    assert told is not None
    assert told.batches == 5
    assert sum(batch.size for batch in ledger.batches(engine, broadcast_id)) == 48
    report = broadcast_reports.report(engine, broadcast_id)
    assert (report.audience["suppressed"], report.recipients["waiting"]) == (12, 48)


@pytest.mark.every_database
def test_of_a_list_who_left_between_its_submit_and_its_plan_is_left_out(engine: Engine) -> None:
    """Whoever was known to have left before is on it by an operator's will."""
    people = ledger.openids(60)
    leave(engine, people[:2], before=timedelta(hours=1))
    broadcast_id = published(engine, body(size=60), size=60, batches=6)
    leave(engine, people[20:23])
    wechat = WeChatStub(threading.Barrier(1))

    assert planning.plan(context(engine, wechat), broadcast_id) is not None

    report = broadcast_reports.report(engine, broadcast_id)
    assert (report.audience["unsubscribed"], report.audience["planned"]) == (3, 57)
    assert members(engine, broadcast_id, "waiting") == [*people[:20], *people[23:]]
    assert late_opt_outs.due_opt_outs(engine, broadcast_id) is None
    adds_up(engine, broadcast_id)


def test_plan_that_leaves_everybody_out_ends_its_broadcast(engine: Engine) -> None:
    broadcast_id = published(engine, body())
    wechat = WeChatStub(threading.Barrier(1))
    word = SuppressionSource(kind=SuppressionKind.PERSON, who="tests")
    suppressions.suppress(engine, ledger.openids(20), word)

    told = planning.plan(context(engine, wechat), broadcast_id)

    assert told is None
    ended = broadcast_reports.report(engine, broadcast_id)
    # No person cancelled it.
    assert (ended.state, ended.failed_uncalled) == (BroadcastState.FAILED, Reason.NOBODY_LEFT)


def test_planner_that_comes_too_late_changes_nothing(engine: Engine) -> None:
    broadcast_id = published(engine, body())
    wechat = WeChatStub(threading.Barrier(1))
    planning.plan(context(engine, wechat), broadcast_id)
    ledger.Driver(engine).call(ledger.said(0, msg_id=1))
    before = ledger.batches(engine, broadcast_id)

    assert planning.plan(context(engine, wechat), broadcast_id) is None

    assert ledger.batches(engine, broadcast_id) == before


def test_broadcast_that_cannot_be_planned_is_held_until_a_person_resumes_it(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = test_sendall.published(engine, Everyone()), published(engine, body())
    wechat = WeChatStub(threading.Barrier(1))
    _say(engine, bad, "[1]")

    for broadcast_id in (bad, good, bad):
        planning.plan(context(engine, wechat), broadcast_id)

    hold = broadcast_reports.report(engine, bad).gate(GateKind.HOLD)
    assert hold is not None
    assert hold.reason is Reason.REQUEST_NOT_MADE
    assert len([record for record in caplog.records if record.exc_info]) == 1
    assert broadcast_reports.report(engine, good).phase is Phase.SENDING
    assert sweeps.due(engine).plans == []

    _say(engine, bad, "{}")
    operator.resume(engine, bad, who="tests")
    assert sweeps.due(engine).plans == [bad]
    planning.plan(context(engine, wechat), bad)
    assert broadcast_reports.report(engine, bad).phase is Phase.SENDING


def _say(engine: Engine, broadcast_id: str, spec: str) -> None:
    with engine.begin() as connection:
        which = BroadcastRow.id == broadcast_id
        connection.execute(update(BroadcastRow).where(which).values(audience_spec=spec))
