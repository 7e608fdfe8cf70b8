"""WeChat asks the administrator before a call to everybody goes out: the wait, and how it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import NotSent, OperatorVerdict, Sent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.calls.waits import Tuning, Waits
from broadcast.rules.campaigns.campaign import Launch
from broadcast.rules.campaigns.launches import LaunchState
from broadcast.rules.gates.blockers import Blocker, blockers_of
from broadcast.rules.gates.gate import Cause
from broadcast.rules.plan.audience import Audience, Everyone, Tag
from broadcast.rules.states import BatchState, BroadcastState, NoticeState, Reason
from models.ledger.boxes import notices, unreported
from models.ledger.campaigns import campaign_edits, campaign_rows, launch_rows
from models.ledger.lane import leases
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.rows.transaction import write
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from tests.integration.models.campaign_world import plan, run_of
from tests.integration.models.tampering import found
from tests.integration.models.test_finishes import event, stands
from tests.integration.models.test_sendall import answered, planned
from tests.kit import ledger
from tests.kit.ledger import Driver

B = BatchState
WAITS = Waits()
PROTECTED = Tuning(protected=frozenset({"default"}))
HALF_AN_HOUR, MINUTE = timedelta(minutes=30), timedelta(minutes=1)
JOB = 71


def taken(
    engine: Engine,
    audience: Audience | None = None,
    *,
    tuning: Tuning = PROTECTED,
    key: str = "friday",
    msg_id: int = JOB,
) -> str:
    """Return a broadcast to everybody, or to another list of WeChat's, whose call WeChat took."""
    broadcast_id = planned(engine, audience, key)
    driver = Driver(engine, tuning=tuning)
    driver.call(answered(0, msg_id=msg_id))
    leases.release(engine, driver.lease)
    return broadcast_id


def waits(engine: Engine, broadcast_id: str) -> list[Blocker]:
    """Return why it waits: by its own report, and by that of the list, which say the same."""
    of_one = list(blockers_of(broadcast_reports.report(engine, broadcast_id)))
    [listed] = [one for one in broadcast_reports.reports(engine) if one.id == broadcast_id]
    assert list(blockers_of(listed)) == of_one
    return of_one


def ask(engine: Engine, status: str | None) -> None:
    """Ask mass/get for what is due, which answers so; something must be due."""
    due = recorded_ends.due_batches(engine, "default", 9)
    assert due
    for batch in due:
        recorded_ends.record_status(engine, batch, status, waits=WAITS)


def silent(engine: Engine) -> str:
    """Return a broadcast in doubt: no event came, and mass/get says nothing of use."""
    broadcast_id = taken(engine)
    ledger.pass_time(engine, HALF_AN_HOUR + 2 * MINUTE)
    ask(engine, "SENDING")
    assert stands(engine, broadcast_id) == (B.IN_DOUBT, Reason.ADMINISTRATOR_UNKNOWN)
    return broadcast_id


@pytest.mark.every_database
def test_a_call_to_everybody_waits_for_the_administrator_for_half_an_hour(engine: Engine) -> None:
    broadcast_id = taken(engine)

    [wait] = waits(engine, broadcast_id)
    assert (wait.cause, wait.command) == (Cause.ADMINISTRATOR, f"broadcast status {broadcast_id}")
    assert wait.since is not None
    assert wait.until is not None
    assert abs(wait.until - wait.since - HALF_AN_HOUR) < timedelta(seconds=5)
    assert stands(engine, broadcast_id) == (B.ACCEPTED, None)
    ledger.pass_time(engine, HALF_AN_HOUR)
    assert waits(engine, broadcast_id) == []
    assert not found(engine)


@pytest.mark.parametrize("audience", [Tag(tag_id=2), Everyone()])
def test_nothing_else_waits_for_the_administrator(engine: Engine, audience: Audience) -> None:
    tuning = PROTECTED if audience != Everyone() else Tuning(protected=frozenset({"other"}))

    broadcast_id = taken(engine, audience, tuning=tuning)

    assert waits(engine, broadcast_id) == []
    ledger.pass_time(engine, HALF_AN_HOUR + 2 * MINUTE)
    ask(engine, "SENDING")
    assert stands(engine, broadcast_id) == (B.ACCEPTED, None)


def test_the_wait_is_reported_once_to_who_hears_of_it(engine: Engine) -> None:
    unreported.register(engine, ["wecom:a:1"], alone=False)

    broadcast_id = taken(engine)

    [notice] = notices.newest(engine, [NoticeState.WAITING], 9)
    assert notice.message.id == "notice.administrator"
    assert broadcast_id in str(notice.message.facts)


def test_ends_that_wait_keep_none_behind_them_from_its_notice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreported, "_AT_ONCE", 1)
    unreported.register(engine, ["wecom:a:1"], alone=False)
    for number in (71, 72):
        taken(engine, key=f"all-{number}", msg_id=number)
    cancelled = planned(engine, Tag(tag_id=2), "tag")
    assert operator.cancel(engine, cancelled, who="ann")

    unreported.report(engine)

    newest = notices.newest(engine, [NoticeState.WAITING], 9)
    assert any(cancelled in str(one.message.facts) for one in newest)


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("send success", B.FINISHED, None),
        ("err(40001)", B.REFUSED, Reason.REVIEW_REFUSED),
        ("err(40002)", B.REFUSED, Reason.REVIEW_REFUSED),
    ],
)
@pytest.mark.every_database
def test_an_event_ends_the_wait(
    engine: Engine, status: str, state: BatchState, reason: Reason | None
) -> None:
    broadcast_id = taken(engine)

    recorded_ends.record_finish_event(engine, "default", event(JOB, status))

    assert stands(engine, broadcast_id) == (state, reason)
    assert waits(engine, broadcast_id) == []
    assert not found(engine)


def test_an_event_that_came_before_the_reply_leaves_no_wait(engine: Engine) -> None:
    broadcast_id = planned(engine)
    recorded_ends.record_finish_event(engine, "default", event(JOB, "err(40001)"))

    Driver(engine, tuning=PROTECTED).call(answered(0, msg_id=JOB))

    assert stands(engine, broadcast_id) == (B.REFUSED, Reason.REVIEW_REFUSED)
    assert waits(engine, broadcast_id) == []


@pytest.mark.parametrize(
    ("status", "state"), [("SEND_SUCCESS", B.FINISHED), ("SEND_FAIL", B.REFUSED)]
)
def test_mass_get_ends_the_wait_where_the_event_is_lost(
    engine: Engine, status: str, state: BatchState
) -> None:
    broadcast_id = taken(engine)
    ledger.pass_time(engine, 3 * MINUTE)

    ask(engine, status)

    assert stands(engine, broadcast_id)[0] is state
    assert waits(engine, broadcast_id) == []


@pytest.mark.every_database
def test_mass_get_is_asked_at_the_end_of_the_time_and_not_by_its_growing_pauses(
    engine: Engine,
) -> None:
    broadcast_id = taken(engine)
    for passed in (3 * MINUTE, 4 * MINUTE, 11 * MINUTE):
        ledger.pass_time(engine, passed)
        ask(engine, "SENDING")
    # By its pauses it would be asked 15 minutes later, and that is 3 minutes too late.
    ledger.pass_time(engine, 13.5 * MINUTE)
    ask(engine, None)

    assert stands(engine, broadcast_id) == (B.IN_DOUBT, Reason.ADMINISTRATOR_UNKNOWN)
    report = broadcast_reports.report(engine, broadcast_id)
    assert report.state is BroadcastState.HELD
    [doubt] = blockers_of(report)
    assert doubt.cause is Cause.IN_DOUBT
    assert doubt.command.startswith(f"broadcast resolve {broadcast_id} --batch ")
    assert recorded_ends.due_accounts(engine) == []
    assert not found(engine)


def test_a_question_that_wechat_refuses_at_the_end_of_the_time_is_no_answer(engine: Engine) -> None:
    broadcast_id = taken(engine)
    ledger.pass_time(engine, HALF_AN_HOUR + 2 * MINUTE)
    [due] = recorded_ends.due_batches(engine, "default", 9)

    refused = CallResult(outcome=Outcome.STOP_ACCOUNT, errcode=48001)
    recorded_ends.record_unanswered(engine, due, refused, waits=WAITS)

    assert stands(engine, broadcast_id) == (B.IN_DOUBT, Reason.ADMINISTRATOR_UNKNOWN)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.HELD


@pytest.mark.parametrize(
    ("status", "state"), [("send success", B.FINISHED), ("err(40002)", B.REFUSED)]
)
@pytest.mark.every_database
def test_an_event_that_comes_after_all_ends_the_doubt(
    engine: Engine, status: str, state: BatchState
) -> None:
    broadcast_id = silent(engine)

    recorded_ends.record_finish_event(engine, "default", event(JOB, status))

    assert stands(engine, broadcast_id)[0] is state
    assert broadcast_reports.report(engine, broadcast_id).state in {
        BroadcastState.COMPLETED,
        BroadcastState.FAILED,
    }
    assert not found(engine)


def settle(engine: Engine, broadcast_id: str, verdict: OperatorVerdict) -> None:
    resolves.resolve(engine, broadcast_id, 1, verdict=verdict, who="a person")


@pytest.mark.every_database
def test_a_person_settles_the_doubt_and_may_correct_it(engine: Engine) -> None:
    broadcast_id = silent(engine)

    settle(engine, broadcast_id, NotSent())
    assert stands(engine, broadcast_id) == (B.REFUSED, Reason.UNCONFIRMED)
    assert not found(engine)
    # WeChat took its call: its key stands for that job, and is not called again.
    assert not retries.retry(engine, broadcast_id, who="a person").groups_of(RetryVerdict.AGAIN)
    settle(engine, broadcast_id, NotSent())

    settle(engine, broadcast_id, Sent())
    assert stands(engine, broadcast_id) == (B.ACCEPTED, Reason.SAID_SENT)
    ledger.pass_time(engine, 3 * MINUTE)
    ask(engine, "SENDING")
    assert stands(engine, broadcast_id) == (B.ACCEPTED, Reason.SAID_SENT)
    assert not found(engine)


def test_silent_administrators_do_not_stop_an_account(engine: Engine) -> None:
    for n in range(4):
        taken(engine, key=f"key {n}", msg_id=JOB + n)
    ledger.pass_time(engine, HALF_AN_HOUR + 2 * MINUTE)
    ask(engine, None)
    driver = Driver(engine, tuning=PROTECTED)
    planned(engine, key="one more")
    driver.call(answered(45065))

    assert broadcast_reports.lanes(engine)[0]["default"].gates == ()


def run(engine: Engine) -> tuple[Launch, str]:
    """Return the launch of a campaign, and its broadcast to everybody, whose call WeChat took."""
    campaign = campaign_edits.add(engine, "weekly", plan("0 20 * * *"), who="a person")
    launch, _ = launch_rows.run_now(engine, campaign, run_of(campaign), key="now", who="a person")
    broadcast_id = taken(engine)
    write(engine, lambda c: launch_rows.mark_launched(c, launch.id, broadcast_id, size=None))
    return launch, broadcast_id


def let_go(engine: Engine, launch: Launch) -> None:
    """Release a run, as a person does."""
    campaign = campaign_rows.named(engine, "weekly")
    [row] = launch_rows.history(engine, launch.campaign_id, most=9)
    launch_rows.release(engine, campaign, row, who="a person")


def stands_launch(engine: Engine, launch: Launch) -> tuple[LaunchState, str | None, str | None]:
    [row] = launch_rows.history(engine, launch.campaign_id, most=9)
    return row.state, None if row.reason is None else row.reason.id, row.broadcast_id


@pytest.mark.parametrize("status", ["err(40001)", "err(40002)", "SEND_FAIL", "a person's word"])
@pytest.mark.every_database
def test_a_run_that_nobody_confirmed_is_held_and_a_person_may_let_it_go(
    engine: Engine, status: str
) -> None:
    launch, broadcast_id = run(engine)
    if status.startswith("err"):
        recorded_ends.record_finish_event(engine, "default", event(JOB, status))
    elif status == "SEND_FAIL":
        ledger.pass_time(engine, 3 * MINUTE)
        ask(engine, status)
    else:
        ledger.pass_time(engine, HALF_AN_HOUR + 2 * MINUTE)
        ask(engine, None)
        assert stands_launch(engine, launch)[0] is LaunchState.LAUNCHED
        settle(engine, broadcast_id, NotSent())

    held = (LaunchState.HELD, "launch.unconfirmed", broadcast_id)
    assert stands_launch(engine, launch) == held

    let_go(engine, launch)
    assert stands_launch(engine, launch) == (LaunchState.BEGUN, None, broadcast_id)


@pytest.mark.parametrize("released", [False, True])
def test_a_run_that_was_sent_after_all_is_launched_and_goes_to_nobody_twice(
    engine: Engine, released: bool
) -> None:
    launch, broadcast_id = run(engine)
    recorded_ends.record_finish_event(engine, "default", event(JOB, "err(40002)"))
    if released:
        let_go(engine, launch)

    recorded_ends.record_finish_event(engine, "default", event(JOB))

    assert stands_launch(engine, launch) == (LaunchState.LAUNCHED, None, broadcast_id)
    again = taken(engine, key="again", msg_id=JOB + 1)
    with pytest.raises(launch_rows.NotBegunError):
        write(engine, lambda c: launch_rows.mark_launched(c, launch.id, again, size=None))


def test_a_run_that_a_review_refused_for_its_content_is_not_held(engine: Engine) -> None:
    launch, broadcast_id = run(engine)

    recorded_ends.record_finish_event(engine, "default", event(JOB, "err(20001)"))

    assert stands_launch(engine, launch) == (LaunchState.LAUNCHED, None, broadcast_id)
