"""What a slice leaves: no call after a claim of unknown end, no work that nobody is woken for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event as Flag
from typing import Any, NoReturn

import pytest
from pydantic import SecretStr
from sqlalchemy import Delete, Engine, Update, delete, select, update

import celeryconfig
from broadcast import openid
from broadcast.errors import DatabaseAwayError
from broadcast.rules.calls import waits
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.calls.waits import Tuning
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.media import LocalFile, VideoWords
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.tokens.token_service import Token
from entrypoints.cli.embedded import supervisor
from models.engine import BUSY_TIMEOUT_S
from models.every_table import Batch, BroadcastRow, ChunkRow
from models.ledger.lane import claims, leases, record_outcomes
from models.ledger.lists import recipients
from models.ledger.rows import transaction
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models import test_sendall
from tests.kit import ledger
from worker.delivery import lane
from worker.delivery.heartbeat import Heartbeat
from worker.delivery.lane import LaneContext
from worker.delivery.ports import MassCall


class WeChat:
    """Takes every batch, and remembers the keys."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.made: list[str] = []
        self.got: dict[str, bytes] = {}
        #: Why no request can be made of any but the first batch.
        self.problem: str | None = None
        #: What happens in each call.
        self.meanwhile: Callable[[], None] = lambda: None

    def warm(self) -> None:
        """It is there."""

    def ready(self, message: MassCall) -> MassCall:
        assert message.content.keys(), "it says nothing"
        self.made.append(message.clientmsgid)
        bad = message.clientmsgid != self.made[0]
        return replace(message, problem=self.problem if bad else None)

    def send(self, token: Token, message: MassCall) -> CallResult:
        self.keys.append(message.clientmsgid)
        self.got[message.clientmsgid] = message.openids or b""
        self.meanwhile()
        # A key that it knows: "already accepted", with the job's number.
        first = self.keys.index(message.clientmsgid) + 1
        known = self.keys.count(message.clientmsgid) > 1
        outcome = Outcome.ALREADY_ACCEPTED if known else Outcome.ACCEPTED
        return CallResult(outcome=outcome, errcode=45065 if known else 0, msg_id=first)

    def token(self) -> Token:
        at = datetime.now(UTC)
        return Token(value=SecretStr("token"), generation=1, expires_at=at, fetched_at=at)

    def replace(self, refused: Token) -> NoReturn:
        raise AssertionError("no token was refused")

    def status(self, msg_id: int) -> NoReturn:
        raise AssertionError("nothing is to be verified")

    def draft(self, media_id: str) -> NoReturn:
        raise AssertionError("no draft is sent")

    def upload(self, file: LocalFile, words: VideoWords) -> NoReturn:
        raise AssertionError("no file is uploaded")

    def mass_video(self, media_id: str, words: VideoWords) -> NoReturn:
        raise AssertionError("no video is made")

    def tagged(self, tag_id: int) -> NoReturn:
        raise AssertionError(tag_id)

    def quota(self, path: SendPath) -> NoReturn:
        raise AssertionError("nothing is to be planned")


class Ready:
    """A slot for everybody."""

    def take_slot(self) -> float:
        return 0.0


def context(engine: Engine, wechat: WeChat) -> LaneContext:
    return LaneContext(
        engine=engine,
        account=ledger.account(),
        gateway=wechat,
        pace=Ready(),
        counter=ledger.EveryClaimCounts(),
        heartbeat=Heartbeat(engine),
        tuning=Tuning(),
        owner="tests",
        stopping=Flag(),
    )


def test_work_that_comes_while_an_idle_slice_gives_the_lane_back_is_woken_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.broadcast(engine, size=20, batches=2)
    wechat = WeChat()
    here = context(engine, wechat)
    release = leases.release

    def meanwhile(*args: Any) -> None:
        # Its wake finds the lane busy.
        ledger.broadcast(engine, size=20, batches=2, key="second")
        release(*args)

    with monkeypatch.context() as late:
        late.setattr(leases, "release", meanwhile)
        assert lane.drive(here, seconds=5).again
    assert len(wechat.keys) == 2
    assert not lane.drive(here, seconds=5).again
    assert len(wechat.keys) == 4


def batches(engine: Engine) -> dict[str, bytes]:
    """The OpenIDs of each batch by its key, as the ledger has them."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Batch.clientmsgid, Batch.broadcast_id, Batch.list, Batch.start, Batch.size)
        ).all()
        return {
            row.clientmsgid: openid.unpack(
                recipients.packed(
                    connection, row.broadcast_id, row.list, start=row.start, size=row.size
                )
            )
            for row in rows
        }


def test_what_was_made_ready_is_sent_for_the_very_batch_that_it_was_made_of(
    engine: Engine,
) -> None:
    ledger.broadcast(engine, size=40, batches=4)
    wechat = WeChat()

    def something_more_urgent() -> None:
        wechat.meanwhile = lambda: None
        second = ledger.broadcast(engine, size=20, batches=2, key="second")
        with engine.begin() as connection:
            connection.execute(
                update(BroadcastRow).where(BroadcastRow.id == second).values(priority=9)
            )

    wechat.meanwhile = something_more_urgent
    lane.drive(context(engine, wechat), seconds=5)

    assert len(wechat.keys) == 6
    assert wechat.got == batches(engine)
    # The first broadcast's second batch was made ready for nothing, and again when its turn came.
    assert len(wechat.made) == 7


def test_a_broadcast_of_which_no_request_can_be_made_is_held_and_nothing_is_claimed(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, size=20, batches=2)
    wechat = WeChat()
    wechat.problem = "content: holds half a surrogate pair"
    lane.drive(context(engine, wechat), seconds=5)

    report = broadcast_reports.report(engine, broadcast_id)
    hold = report.gate(GateKind.HOLD)
    assert hold is not None
    assert (report.state, hold.reason) == (BroadcastState.HELD, Reason.REQUEST_NOT_MADE)
    assert hold.errmsg == wechat.problem
    assert (report.calls, len(wechat.keys)) == (1, 1)
    assert [batch.attempts for batch in ledger.batches(engine, broadcast_id)] == [1, 0]
    assert (report.recipients["waiting"], report.recipients["refused"]) == (10, 0)

    wechat.problem = None
    operator.resume(engine, broadcast_id, who="tests")
    lane.drive(context(engine, wechat), seconds=5)
    assert states(engine) == [BatchState.ACCEPTED] * 2


@pytest.mark.parametrize(
    "damage",
    [
        update(BroadcastRow).values(content="{bad"),
        update(BroadcastRow).values(content="[1]"),
        delete(ChunkRow),
        update(Batch).values(size=9),
        update(Batch).values(list=None),
    ],
    ids=["no JSON", "no object", "no chunks", "a wrong size", "no list"],
)
def test_a_broadcast_that_cannot_be_read_is_held_and_the_others_of_its_account_go_on(
    engine: Engine, damage: Delete | Update, caplog: pytest.LogCaptureFixture
) -> None:
    bad = ledger.broadcast(engine, size=4, batches=1)
    with engine.begin() as connection:
        connection.execute(damage)
    good = ledger.broadcast(engine, size=20, batches=2)
    wechat = WeChat()
    lane.drive(context(engine, wechat), seconds=5)

    hold = broadcast_reports.report(engine, bad).gate(GateKind.HOLD)
    assert hold is not None
    assert hold.reason is Reason.REQUEST_NOT_MADE
    assert str(hold.errmsg).startswith("its stored content or audience cannot be read: ")
    assert broadcast_reports.report(engine, bad).calls == 0
    assert broadcast_reports.report(engine, good).state is BroadcastState.COMPLETED
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_a_send_to_wechats_list_whose_audience_cannot_be_read_is_held(engine: Engine) -> None:
    bad = test_sendall.planned(engine)
    with engine.begin() as connection:
        connection.execute(update(BroadcastRow).values(audience_spec="[1]"))
    wechat = WeChat()
    lane.drive(context(engine, wechat), seconds=5)

    hold = broadcast_reports.report(engine, bad).gate(GateKind.HOLD)
    assert hold is not None
    assert hold.reason is Reason.REQUEST_NOT_MADE
    assert wechat.keys == []


def states(engine: Engine) -> list[BatchState]:
    with engine.connect() as connection:
        return list(connection.scalars(select(Batch.state).order_by(Batch.n)))


def away(*_: object, **__: object) -> NoReturn:
    raise DatabaseAwayError("error.database.away", cause="cut", where="")


def test_a_claim_whose_commit_got_no_answer_and_cannot_be_given_back_ends_the_slice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.broadcast(engine, size=30, batches=3)
    wechat = WeChat()
    whole = transaction.write

    def cut(*args: Any) -> NoReturn:
        whole(*args)
        away()

    with monkeypatch.context() as broken:
        broken.setattr(claims, "write", cut)
        broken.setattr(record_outcomes, "give_back", away)
        broken.setattr(lane, "AWAY_PAUSE_S", 0)
        done = lane.drive(context(engine, wechat), seconds=5)
    assert done.again
    assert wechat.keys == []
    assert states(engine) == [BatchState.CALLING, BatchState.PLANNED, BatchState.PLANNED]

    lane.drive(context(engine, wechat), seconds=5)
    # The orphan first, with its own key, then the others.
    assert len(wechat.keys) == 3
    assert states(engine) == [BatchState.ACCEPTED] * 3


@pytest.mark.parametrize("clock", range(len(waits.clocks())))
def test_a_claim_that_is_old_by_any_clock_is_given_back_uncalled(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, clock: int
) -> None:
    """A machine that is suspended between claim and call: its monotonic clock stands still."""
    ledger.broadcast(engine, size=20, batches=1)
    wechat = WeChat()
    real, claim = waits.clocks, claims.claim

    def slept() -> waits.Clocks:
        return tuple(at + 3_600 * (n == clock) for n, at in enumerate(real()))

    def claimed(*args: Any, **kwargs: Any) -> Any:
        made = claim(*args, **kwargs)
        monkeypatch.setattr(waits, "clocks", slept)
        return made

    with monkeypatch.context() as late:
        late.setattr(claims, "claim", claimed)
        late.setattr(lane, "AWAY_PAUSE_S", 60)
        lane.drive(context(engine, wechat), seconds=0.5)
    assert wechat.keys == []
    assert states(engine) == [BatchState.PLANNED]

    monkeypatch.setattr(waits, "clocks", real)
    lane.drive(context(engine, wechat), seconds=5)
    assert states(engine) == [BatchState.ACCEPTED]


def test_an_outcome_that_cannot_be_recorded_ends_the_slice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.broadcast(engine, size=30, batches=3)
    wechat = WeChat()
    with monkeypatch.context() as broken:
        broken.setattr(record_outcomes, "record", away)
        broken.setattr(lane, "RECORD_FOR_S", -1)
        broken.setattr(lane, "AWAY_PAUSE_S", 0)
        done = lane.drive(context(engine, wechat), seconds=5)
    assert done.again
    assert len(wechat.keys) == 1

    lane.drive(context(engine, wechat), seconds=5)
    # Asked again before the others; WeChat knew it.
    assert wechat.keys[1] == wechat.keys[0]
    assert len(wechat.keys) == 4
    assert states(engine) == [BatchState.ACCEPTED] * 3


@pytest.mark.timeout(60)
def test_an_outcome_that_cannot_be_recorded_holds_up_no_worker_that_is_to_end(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.broadcast(engine, size=10, batches=1)
    wechat, tries = WeChat(), []
    here = context(engine, wechat)

    def away_and_to_end(*_: object, **__: object) -> NoReturn:
        tries.append(1)
        here.stopping.set()
        away()

    with monkeypatch.context() as broken:
        broken.setattr(record_outcomes, "record", away_and_to_end)
        broken.setattr(lane, "RECORD_AT_END_S", 0.3)
        lane.drive(here, seconds=5)

    # It tries on for the little while that it has, and then leaves what to look for.
    assert len(tries) > 1
    assert "result accepted lost (errcode 0, msg_id 1)" in caplog.text
    lane.drive(context(engine, wechat), seconds=5)
    assert wechat.keys == wechat.keys[:1] * 2
    assert states(engine) == [BatchState.ACCEPTED]


def test_an_outcome_is_given_up_well_before_its_message_comes_back_and_its_worker_is_killed() -> (
    None
):
    options: dict[str, Any] = celeryconfig.broker_transport_options

    assert options["visibility_timeout"] >= 2 * lane.RECORD_FOR_S
    assert lane.RECORD_AT_END_S + BUSY_TIMEOUT_S < supervisor.STOP_WITHIN_S
