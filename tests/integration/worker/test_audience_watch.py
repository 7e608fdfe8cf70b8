"""Who is suppressed after the plan gets nothing that was not called yet, whatever held it up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, update

from broadcast.errors import InputError
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.calls.waits import DEFAULT_TUNING, Tuning, Waits
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause
from broadcast.rules.plan.audience import Everyone
from broadcast.rules.pushes import SUBSCRIBE, UNSUBSCRIBE, Action, Push
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.rules.suppressions import ALL_ACCOUNTS, SuppressionKind, SuppressionSource
from models.every_table import BroadcastRow
from models.ledger.audit import audit_run
from models.ledger.boxes import pushes
from models.ledger.lane import leases
from models.ledger.lists import suppressions
from models.ledger.outcomes import resolves
from models.ledger.plan import late_opt_outs
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from producer.pushes import handle
from tests.integration.models import test_sendall
from tests.integration.models.stories import lost_then
from tests.integration.models.test_late_opt_outs import planned
from tests.integration.models.test_take_out import PEOPLE
from tests.integration.worker.test_slices import WeChat, context
from tests.kit import follows, ledger
from worker.delivery import lane, watches

WORD = SuppressionSource(kind=SuppressionKind.PERSON, who="tests")


NOT_CALLED = CallResult(outcome=Outcome.NOT_CALLED)
UNREACHABLE = CallResult(outcome=Outcome.WAIT, transport="dns")
#: Of `planned`.
BATCHES = 4
SLICE_S = 10.0
TWENTY = ledger.openids(20)


def got(wechat: WeChat) -> list[str]:
    """Everybody who got a call, sorted."""
    packed = b"".join(wechat.got.values()).decode()
    return sorted(packed[at : at + 28] for at in range(0, len(packed), 28))


@pytest.mark.parametrize("account", ["default", ALL_ACCOUNTS])
def test_an_unhalt_sends_nothing_to_who_was_suppressed_during_the_halt(
    engine: Engine, account: str
) -> None:
    broadcast_id = planned(engine)
    operator.halt(engine, "default", who="tests")
    suppressions.suppress(engine, [PEOPLE[3], PEOPLE[25]], WORD, account=account)
    operator.unhalt(engine, "default", who="tests")
    wechat = WeChat()

    lane.drive(context(engine, wechat), seconds=5)

    assert got(wechat) == [one for one in PEOPLE if one not in {PEOPLE[3], PEOPLE[25]}]
    assert broadcast_reports.report(engine, broadcast_id).audience["suppressed"] == 2


def test_who_is_suppressed_while_a_broadcast_runs_gets_nothing_of_what_is_left(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "LOOK_EVERY_S", 0.0)
    broadcast_id = planned(engine)
    wechat = WeChat()

    def asks_out() -> None:
        suppressions.suppress(engine, PEOPLE[8:12], WORD, account="default")
        wechat.meanwhile = lambda: None

    wechat.meanwhile = asks_out
    lane.drive(context(engine, wechat), seconds=5)

    # The first batch was under way.
    assert got(wechat) == [*PEOPLE[:10], *PEOPLE[12:]]
    assert broadcast_reports.report(engine, broadcast_id).audience["suppressed"] == 2


@pytest.mark.parametrize("ignored", [False, True])
def test_a_send_to_everybody_is_held_where_somebody_was_suppressed_after_its_plan(
    engine: Engine, *, ignored: bool
) -> None:
    broadcast_id = test_sendall.planned(engine, Everyone())
    if ignored:
        with engine.begin() as connection:
            mine = update(BroadcastRow).where(BroadcastRow.id == broadcast_id)
            connection.execute(mine.values(selection='{"ignore_suppression":true}'))
    suppressions.suppress(engine, PEOPLE[:1], WORD, account="default")
    wechat = WeChat()

    lane.drive(context(engine, wechat), seconds=5)

    if ignored:
        assert len(wechat.keys) == 1
        return
    assert not wechat.keys
    report = broadcast_reports.report(engine, broadcast_id)
    [gate] = report.gates
    assert (report.state, gate.reason) == (BroadcastState.HELD, Reason.SUPPRESSION_LIST)
    [one] = blockers.blockers_of(report)
    assert (one.cause, one.command) == (Cause.SUPPRESSION, f"broadcast cancel {broadcast_id}")
    # A resume is refused; where nobody is suppressed any more it goes out.
    with pytest.raises(InputError):
        operator.resume(engine, broadcast_id, who="tests", quota=ledger.PLENTY)
    lane.drive(context(engine, wechat), seconds=5)
    assert not wechat.keys
    suppressions.lift(engine, PEOPLE[:1], who="tests", account="default")
    operator.resume(engine, broadcast_id, who="tests", quota=ledger.PLENTY)
    lane.drive(context(engine, wechat), seconds=5)
    assert len(wechat.keys) == 1


@pytest.mark.parametrize("fact", [NOT_CALLED, UNREACHABLE, ledger.said(45009)])
def test_who_is_suppressed_before_any_call_left_gets_nothing_whatever_was_claimed(
    engine: Engine, fact: CallResult
) -> None:
    broadcast_id = planned(engine)
    driver = ledger.Driver(engine)
    driver.call(fact)
    leases.release(engine, driver.lease)
    operator.pause(engine, broadcast_id, who="tests")
    suppressions.suppress(engine, PEOPLE[:5], WORD, account="default")
    operator.unhalt(engine, None, who="tests")
    ledger.pass_time(engine, timedelta(hours=25))
    operator.resume(engine, broadcast_id, who="tests")
    wechat = WeChat()

    lane.drive(context(engine, wechat), seconds=5)

    # What WeChat refused may be known to it all the same: that goes out as it was.
    left = fact not in {NOT_CALLED, UNREACHABLE}
    assert got(wechat) == (PEOPLE if left else PEOPLE[5:])
    assert broadcast_reports.report(engine, broadcast_id).audience["suppressed"] == (
        0 if left else 5
    )


def asks_out(engine: Engine, one: str) -> None:
    """Write the keyword, which no worker handles yet."""
    wrote = Push(
        account="default",
        kind="message.text",
        dedup=one,
        openid=one,
        msg_id=None,
        happened_at=None,
        action=Action.UNSUBSCRIBE,
    )
    assert pushes.store(engine, wrote)


def test_a_keyword_that_no_worker_has_handled_yet_is_heeded_before_the_next_call(
    engine: Engine,
) -> None:
    broadcast_id = planned(engine)
    for one in [PEOPLE[3], PEOPLE[25]]:
        asks_out(engine, one)
    # A worker took one of them, and is not done with it.
    assert len(pushes.reserve_due(engine, most=1)) == 1
    wechat = WeChat()

    lane.drive(context(engine, wechat), seconds=5)

    assert got(wechat) == [one for one in PEOPLE if one not in {PEOPLE[3], PEOPLE[25]}]
    assert broadcast_reports.report(engine, broadcast_id).audience["suppressed"] == 2
    assert not pushes.any_due(engine)


def test_calls_wait_while_an_opt_out_cannot_be_applied_and_for_an_hour_at_most(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast_id = planned(engine)
    asks_out(engine, PEOPLE[3])
    apply = suppressions.apply_opt_outs

    def no_apply(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(suppressions, "apply_opt_outs", no_apply)
    wechat = WeChat()
    lane.drive(context(engine, wechat), seconds=5)

    report = broadcast_reports.report(engine, broadcast_id)
    [wait] = blockers.blockers_of(report)
    assert not wechat.keys
    assert (wait.reason, wait.command) == (Reason.OPT_OUT_UNAPPLIED, "broadcast accounts")
    assert pushes.push_counts(engine, ["default"])["default"].unapplied == [PEOPLE[3]]

    for _ in range(pushes.MOST_TRIES_AWAITED - 1):
        ledger.pass_time(engine, timedelta(minutes=1))
        assert pushes.any_due(engine)
        handle(engine, tuning=DEFAULT_TUNING, goes_on=lambda: True)
    lane.drive(context(engine, wechat), seconds=5)
    assert PEOPLE[3] in got(wechat)

    # It is still tried, and applied one day.
    monkeypatch.setattr(suppressions, "apply_opt_outs", apply)
    ledger.pass_time(engine, timedelta(hours=1))
    assert handle(engine, tuning=DEFAULT_TUNING, goes_on=lambda: True) == 1
    assert suppressions.of_openid(engine, "default", PEOPLE[3])


def test_calls_go_on_without_a_person_whose_opt_out_an_operator_applied(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(engine)
    asks_out(engine, PEOPLE[3])

    def no_apply(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(suppressions, "apply_opt_outs", no_apply)
    wechat = WeChat()
    lane.drive(context(engine, wechat), seconds=5)
    suppressions.suppress(engine, [PEOPLE[3]], WORD, account="default")
    ledger.pass_time(engine, timedelta(minutes=1))
    lane.drive(context(engine, wechat), seconds=5)

    assert got(wechat) == [one for one in PEOPLE if one != PEOPLE[3]]


@pytest.mark.every_database
def test_who_left_while_no_worker_handled_pushes_gets_nothing_that_was_not_called(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who came back does; also where that comes to light while the broadcast runs."""
    monkeypatch.setattr(watches, "LOOK_EVERY_S", 0.0)
    broadcast_id = planned(engine)
    moment = datetime.now(UTC) + timedelta(seconds=5)
    wechat = WeChat()

    def push(kind: str, one: str, seconds: int) -> None:
        said = Push(
            account="default",
            kind=kind,
            dedup=f"{kind}{one}",
            openid=one,
            msg_id=None,
            happened_at=moment + timedelta(seconds=seconds),
        )
        assert pushes.store(engine, said)

    def leaves() -> None:
        push(UNSUBSCRIBE, PEOPLE[33], 0)
        wechat.meanwhile = lambda: None

    push(UNSUBSCRIBE, PEOPLE[3], 0)
    push(UNSUBSCRIBE, PEOPLE[25], 0)
    push(SUBSCRIBE, PEOPLE[25], 1)
    wechat.meanwhile = leaves

    lane.drive(context(engine, wechat), seconds=5)

    assert got(wechat) == [one for one in PEOPLE if one not in {PEOPLE[3], PEOPLE[33]}]
    assert broadcast_reports.report(engine, broadcast_id).audience["unsubscribed"] == 2


def test_a_finished_pass_over_the_followers_lets_a_broadcast_be_looked_at_again(
    engine: Engine,
) -> None:
    broadcast_id = planned(engine)
    before = late_opt_outs.due_opt_outs(engine, broadcast_id)

    follows.listed(engine, "default", PEOPLE)

    assert before is None
    assert late_opt_outs.due_opt_outs(engine, broadcast_id) is not None


@pytest.mark.parametrize("few", [late_opt_outs.FEW, 0])
def test_calls_go_on_while_the_lists_change_during_every_look(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """And every look takes longer than it counts for."""
    monkeypatch.setattr(watches, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(late_opt_outs, "FEW", few)
    broadcast_id = planned(engine)
    strangers = iter(ledger.openids(1_000)[40:])

    def suppress() -> None:
        suppressions.suppress(engine, [next(strangers)], WORD, account="default")

    mark = late_opt_outs.mark_opt_outs_applied

    def settled(engine: Engine, broadcast_id: str, wanted: str) -> None:
        mark(engine, broadcast_id, wanted)
        suppress()

    monkeypatch.setattr(late_opt_outs, "mark_opt_outs_applied", settled)
    suppress()
    wechat = WeChat()

    lane.drive(context(engine, wechat), seconds=20)

    assert got(wechat) == PEOPLE
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.COMPLETED


def test_a_look_that_outlasts_its_slice_is_followed_by_its_call(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the slices moves in looks alone, however slow the machine is."""
    clock = [0.0]
    for module in (lane, watches):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(watches, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(lane, "CALL_WITHIN_S", 60.0)
    planned(engine)
    strangers = iter(ledger.openids(1_000)[40:])
    mark, wechat, slices = late_opt_outs.mark_opt_outs_applied, WeChat(), 0

    def settled(engine: Engine, broadcast_id: str, wanted: str) -> None:
        mark(engine, broadcast_id, wanted)
        suppressions.suppress(engine, [next(strangers)], WORD, account="default")
        clock[0] += SLICE_S + 1

    monkeypatch.setattr(late_opt_outs, "mark_opt_outs_applied", settled)
    suppressions.suppress(engine, [next(strangers)], WORD, account="default")
    while len(wechat.keys) < BATCHES:
        lane.drive(context(engine, wechat), seconds=SLICE_S)
        slices += 1

        assert len(wechat.keys) == slices


def refused(engine: Engine) -> str:
    """Plan a broadcast to twenty in two batches, of which WeChat refuses the first."""
    broadcast_id = ledger.broadcast(engine, size=20, batches=2)
    refuse(engine, ledger.said(48008))
    return broadcast_id


def refuse(engine: Engine, answer: CallResult) -> None:
    driver = ledger.Driver(engine)
    driver.call(answer)
    leases.release(engine, driver.lease)


@pytest.mark.every_database
@pytest.mark.parametrize("by_keyword", [True, False])
def test_who_asks_out_between_a_retry_and_its_call_gets_nothing(
    engine: Engine, *, by_keyword: bool
) -> None:
    broadcast_id = refused(engine)
    operator.pause(engine, broadcast_id, who="tests")
    done = retries.retry(engine, broadcast_id, who="tests")
    assert [list(one.numbers) for one in done.groups_of(RetryVerdict.AGAIN)] == [[1]]
    if by_keyword:
        asks_out(engine, TWENTY[0])
    else:
        suppressions.suppress(engine, [TWENTY[0]], WORD, account="default")
    operator.resume(engine, broadcast_id, who="tests", quota=ledger.PLENTY)
    wechat = WeChat()

    lane.drive(context(engine, wechat), seconds=5)

    assert got(wechat) == TWENTY[10:]
    first = ledger.batch(engine, broadcast_id)
    assert (first.state, first.reason) == (BatchState.REFUSED, Reason.SUPPRESSED_SINCE)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PARTIAL
    assert audit_run.audit_all(engine, waits=Waits()).findings == []
    # Taken off the list, it is called with its key.
    [left] = retries.retry_verdicts(engine, broadcast_id)
    assert (left.verdict, list(left.numbers)) == (RetryVerdict.SUPPRESSED, [1])
    suppressions.lift(engine, [TWENTY[0]], who="tests", account="default")
    retries.retry(engine, broadcast_id, who="tests")
    lane.drive(context(engine, wechat), seconds=5)
    assert got(wechat) == TWENTY
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.COMPLETED


def test_what_an_operator_called_not_sent_is_left_by_that_word_where_somebody_asked_out(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, size=20, batches=2)
    driver = ledger.Driver(engine)
    lost_then(driver, ledger.said(40130))
    driver.call(ledger.said(0, msg_id=2))
    leases.release(engine, driver.lease)
    resolves.resolve(
        engine, broadcast_id, 1, verdict=NotSent(), who="tests", why=None, tuning=Tuning()
    )
    retries.retry(engine, broadcast_id, who="tests")
    suppressions.suppress(engine, [TWENTY[0]], WORD, account="default")
    wechat = WeChat()

    lane.drive(context(engine, wechat), seconds=5)

    assert not wechat.keys
    first = ledger.batch(engine, broadcast_id)
    assert (first.state, first.reason) == (BatchState.REFUSED, Reason.SAID_NOT_SENT)
    assert audit_run.audit_all(engine, waits=Waits()).findings == []


def test_a_batch_that_may_have_been_sent_is_repeated_whoever_asked_out(engine: Engine) -> None:
    ledger.broadcast(engine, size=20, batches=1)
    refuse(engine, ledger.LOST)
    suppressions.suppress(engine, [TWENTY[0]], WORD, account="default")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_batches SET not_before = NULL")
    wechat = WeChat()

    lane.drive(context(engine, wechat), seconds=5)

    assert got(wechat) == TWENTY


def test_a_retried_send_to_everybody_is_held_where_somebody_was_suppressed(engine: Engine) -> None:
    broadcast_id = test_sendall.planned(engine, Everyone())
    refuse(engine, test_sendall.answered(48008))
    suppressions.suppress(engine, TWENTY[:1], WORD, account="default")
    retries.retry(engine, broadcast_id, who="tests")
    wechat = WeChat()

    lane.drive(context(engine, wechat), seconds=5)

    assert not wechat.keys
    report = broadcast_reports.report(engine, broadcast_id)
    [gate] = report.gates
    assert (report.state, gate.reason) == (BroadcastState.HELD, Reason.SUPPRESSION_LIST)
    suppressions.lift(engine, TWENTY[:1], who="tests", account="default")
    operator.resume(engine, broadcast_id, who="tests", quota=ledger.PLENTY)
    lane.drive(context(engine, wechat), seconds=5)
    assert len(wechat.keys) == 1
