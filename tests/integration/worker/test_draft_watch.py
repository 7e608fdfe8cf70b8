"""The draft of a broadcast: looked at in time, held where it is another, and never in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from broadcast.errors import InputError
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.calls.waits import MOST_TRIES, Tuning
from broadcast.rules.drafts import FRESH, Gone, Look, Mark, Marks
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause, GateKind
from broadcast.rules.reports import Report
from broadcast.rules.states import BroadcastState, Reason
from models.every_table import Batch, GateRow
from models.ledger.gates import drafts
from models.ledger.lane import leases
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from tests.integration.worker import test_slices
from tests.integration.worker.test_slices import context
from tests.kit import ledger
from worker.delivery import lane, watches

BEFORE: Marks = (Mark(title="周报", content="ab"),)
EDITED: Marks = (Mark(title="月报", content="ab"),)
DAY = timedelta(days=1)
AWAY = NoAnswer(outcome=Outcome.WAIT, scope=Scope.PATH, errcode=-1, errmsg="system error")
OFFLINE = NoAnswer(outcome=Outcome.WAIT, scope=Scope.ACCOUNT, errmsg="no way to WeChat")


class WeChat(test_slices.WeChat):
    """Has one draft, and counts the looks at it."""

    def __init__(self, draft: Look = BEFORE) -> None:
        super().__init__()
        self.says = draft
        self.looks: list[str] = []

    def draft(self, media_id: str) -> Look:  # type: ignore[override]
        self.looks.append(media_id)
        return self.says


def articles(engine: Engine, *, seen: Marks | None = BEFORE, batches: int = 2) -> str:
    """Submit and plan a broadcast of a draft that said *seen* then."""
    said = ledger.of_draft(ledger.body(), seen)
    broadcast_id = ledger.published(engine, said, batches=batches)
    ledger.planned(engine, broadcast_id)
    return broadcast_id


def driven(engine: Engine, wechat: WeChat, broadcast_id: str, *, after: timedelta = DAY) -> Report:
    """Let time pass, drive the lane to its end, and return the report."""
    ledger.pass_time(engine, after)
    lane.drive(context(engine, wechat), seconds=2)
    return broadcast_reports.report(engine, broadcast_id)


def spread(engine: Engine, wechat: WeChat, broadcast_id: str) -> None:
    """Have the first batch called, and the others wait for their day."""

    def pause() -> None:
        operator.pause(engine, broadcast_id, who="tests")

    wechat.meanwhile = pause
    driven(engine, wechat, broadcast_id)
    wechat.meanwhile = lambda: None
    assert len(wechat.keys) == 1


def reason_of(report: Report) -> Reason | None:
    gate = report.gate(GateKind.DRAFT)
    return None if gate is None else gate.reason


def test_a_draft_is_looked_at_once_however_many_batches_follow_each_other(engine: Engine) -> None:
    wechat, which = WeChat(), articles(engine, batches=5)

    told = driven(engine, wechat, which)

    assert told.state is BroadcastState.COMPLETED
    assert (len(wechat.keys), wechat.looks) == (5, ["D1"])


def test_what_was_read_at_the_submit_is_not_read_again_within_seconds(engine: Engine) -> None:
    wechat, which = WeChat(EDITED), articles(engine)

    told = driven(engine, wechat, which, after=timedelta(0))

    assert (told.state, wechat.looks) == (BroadcastState.COMPLETED, [])


def test_an_edited_draft_is_held_before_its_first_call_with_what_changed(engine: Engine) -> None:
    wechat, which = WeChat(EDITED), articles(engine)

    told = driven(engine, wechat, which)

    assert wechat.keys == []
    assert (told.state, reason_of(told)) == (BroadcastState.HELD, Reason.DRAFT_EDITED)
    (blocker,) = blockers.blockers_of(told)
    assert (blocker.cause, blocker.command) == (Cause.DRAFT, f"broadcast resume {which}")
    assert told.draft is not None
    assert (told.draft.approved, told.draft.seen) == (BEFORE, EDITED)


def test_a_resume_lets_out_what_was_seen_and_nothing_newer(engine: Engine) -> None:
    wechat, which = WeChat(EDITED), articles(engine)
    driven(engine, wechat, which)
    newer = (Mark(title="年报"),)

    wechat.says = newer
    operator.resume(engine, which, who="tests")
    held_again = driven(engine, wechat, which, after=timedelta(0))
    operator.resume(engine, which, who="tests")
    sent = driven(engine, wechat, which, after=timedelta(0))

    assert reason_of(held_again) is Reason.DRAFT_EDITED
    assert (sent.state, len(wechat.keys)) == (BroadcastState.COMPLETED, 2)


def test_a_yes_lets_out_what_its_giver_was_shown_and_not_what_somebody_else_saw_meanwhile(
    engine: Engine,
) -> None:
    wechat, which = WeChat(EDITED), articles(engine)
    told = driven(engine, wechat, which)
    shown = operator.ShownFacts(gates=[gate.id for gate in told.gates], draft=EDITED)

    wechat.says = (Mark(title="绝密"),)
    drafts.seen_by_person(engine, which, wechat.says)
    operator.resume(engine, which, who="tests", shown=shown)
    held_again = driven(engine, wechat, which, after=timedelta(0))

    assert (reason_of(held_again), wechat.keys) == (Reason.DRAFT_EDITED, [])
    wechat.says = EDITED
    shown = operator.ShownFacts(gates=[gate.id for gate in held_again.gates], draft=EDITED)
    operator.resume(engine, which, who="tests", shown=shown)
    sent = driven(engine, wechat, which, after=timedelta(0))
    assert (sent.state, len(wechat.keys)) == (BroadcastState.COMPLETED, 2)


def test_a_yes_does_not_lift_a_pause_that_came_while_it_was_asked_for(engine: Engine) -> None:
    wechat, which = WeChat(EDITED), articles(engine)
    told = driven(engine, wechat, which)
    shown = operator.ShownFacts(gates=[gate.id for gate in told.gates], draft=EDITED)
    operator.pause(engine, which, who="somebody else", why="wrong price")

    with pytest.raises(InputError) as refused:
        operator.resume(engine, which, who="tests", shown=shown)

    assert refused.value.message_id == "error.resume.stopped_meanwhile"
    kept = driven(engine, wechat, which, after=timedelta(0))
    kinds = {gate.kind for gate in kept.gates}
    assert {GateKind.DRAFT, GateKind.PAUSE} <= kinds
    assert wechat.keys == []


def test_a_pause_does_not_hide_an_edit(engine: Engine) -> None:
    wechat, which = WeChat(), articles(engine)
    spread(engine, wechat, which)

    wechat.says = EDITED
    operator.resume(engine, which, who="tests")
    told = driven(engine, wechat, which, after=timedelta(0))

    assert (len(wechat.keys), reason_of(told)) == (1, Reason.DRAFT_EDITED)


@pytest.mark.parametrize("called", [0, 1])
def test_a_halt_of_the_account_does_not_hide_an_edit(engine: Engine, called: int) -> None:
    wechat, which = WeChat(), articles(engine)
    owner = ledger.account().name

    def halt() -> None:
        operator.halt(engine, owner, who="tests")

    if called:
        wechat.meanwhile = halt
        driven(engine, wechat, which, after=timedelta(0))
        wechat.meanwhile = lambda: None
    else:
        halt()
    assert len(wechat.keys) == called

    wechat.says = EDITED
    operator.unhalt(engine, owner, who="tests")
    told = driven(engine, wechat, which, after=timedelta(0))

    assert (len(wechat.keys), reason_of(told)) == (called, Reason.DRAFT_EDITED)


def test_an_edit_right_after_the_submit_is_seen_seconds_later(engine: Engine) -> None:
    wechat, which = WeChat(EDITED), articles(engine)

    told = driven(engine, wechat, which, after=FRESH * 2)

    assert (wechat.keys, reason_of(told)) == ([], Reason.DRAFT_EDITED)


def test_a_wait_that_is_no_gate_does_not_hide_an_edit(engine: Engine) -> None:
    wechat, which = WeChat(), articles(engine)

    def wait() -> None:
        until = datetime.now(UTC) + timedelta(minutes=30)
        with engine.begin() as connection:
            connection.execute(update(Batch).where(Batch.n == 2).values(not_before=until))

    wechat.meanwhile = wait
    driven(engine, wechat, which)
    wechat.meanwhile = lambda: None
    assert len(wechat.keys) == 1

    wechat.says = EDITED
    told = driven(engine, wechat, which, after=timedelta(minutes=31))

    assert (len(wechat.keys), reason_of(told)) == (1, Reason.DRAFT_EDITED)


def test_a_draft_that_was_edited_between_two_days_is_held_on_the_second(engine: Engine) -> None:
    wechat, which = WeChat(), articles(engine)
    spread(engine, wechat, which)
    operator.resume(engine, which, who="tests")
    with engine.begin() as connection:
        # Nobody resumed it: it is the day that is new.
        connection.execute(update(GateRow).values(kind=GateKind.QUOTA))

    wechat.says = EDITED
    told = driven(engine, wechat, which)

    assert (len(wechat.keys), reason_of(told)) == (1, Reason.DRAFT_EDITED)
    assert ledger.counted(told)["accepted"] == 10


def test_a_draft_that_left_the_box_with_its_first_batch_goes_on(engine: Engine) -> None:
    wechat, which = WeChat(), articles(engine)
    spread(engine, wechat, which)

    wechat.says = Gone()
    operator.resume(engine, which, who="tests")
    told = driven(engine, wechat, which)

    assert (told.state, len(wechat.keys)) == (BroadcastState.COMPLETED, 2)


def test_a_draft_that_is_gone_before_the_first_call_is_held_and_to_be_cancelled(
    engine: Engine,
) -> None:
    wechat, which = WeChat(Gone()), articles(engine)

    told = driven(engine, wechat, which)

    assert (wechat.keys, reason_of(told)) == ([], Reason.DRAFT_GONE)
    assert [one.command for one in blockers.blockers_of(told)] == [f"broadcast cancel {which}"]


def test_a_person_may_send_what_is_gone_as_an_older_material(engine: Engine) -> None:
    wechat, which = WeChat(Gone()), articles(engine)
    driven(engine, wechat, which)

    operator.resume(engine, which, who="tests")
    told = driven(engine, wechat, which, after=timedelta(0))

    assert told.state is BroadcastState.COMPLETED


@pytest.mark.parametrize("look", [Gone(), replace(AWAY, outcome=Outcome.STOP_ACCOUNT)])
def test_what_never_was_a_draft_to_us_is_sent_without_a_look(engine: Engine, look: Look) -> None:
    wechat, which = WeChat(look), articles(engine, seen=None)
    assert driven(engine, wechat, which).state is BroadcastState.COMPLETED


def test_without_an_answer_one_broadcast_waits_and_its_account_goes_on(engine: Engine) -> None:
    wechat, which = WeChat(AWAY), articles(engine)
    other = ledger.broadcast(engine)

    told = driven(engine, wechat, which)

    assert broadcast_reports.report(engine, other).state is BroadcastState.COMPLETED
    assert (told.state, len(wechat.keys), len(wechat.looks)) == (BroadcastState.WAITING, 2, 1)
    (blocker,) = blockers.blockers_of(told)
    assert (blocker.cause, blocker.reason) == (Cause.ACCOUNT_WAITS, Reason.DRAFT_UNREAD)
    assert blocker.until is not None


def test_after_ten_looks_without_an_answer_a_person_decides(engine: Engine) -> None:
    wechat, which = WeChat(AWAY), articles(engine)
    for _ in range(MOST_TRIES):
        told = driven(engine, wechat, which, after=timedelta(minutes=2))

    assert (len(wechat.looks), reason_of(told)) == (MOST_TRIES, Reason.DRAFT_UNREAD)
    assert wechat.keys == []

    operator.resume(engine, which, who="tests")
    assert driven(engine, wechat, which, after=timedelta(0)).state is BroadcastState.COMPLETED


def test_an_answer_after_some_silence_goes_on(engine: Engine) -> None:
    wechat, which = WeChat(AWAY), articles(engine)
    driven(engine, wechat, which)

    wechat.says = BEFORE
    told = driven(engine, wechat, which, after=timedelta(minutes=2))

    assert told.state is BroadcastState.COMPLETED


def test_without_a_way_to_wechat_the_lane_waits_as_for_every_question(engine: Engine) -> None:
    wechat, which = WeChat(OFFLINE), articles(engine)

    told = driven(engine, wechat, which)

    assert told.lane.wait_reason is Reason.WECHAT_NOT_READY
    assert (wechat.keys, reason_of(told)) == ([], None)


def test_what_may_have_been_sent_is_repeated_before_any_look(engine: Engine) -> None:
    wechat, which = WeChat(), articles(engine, batches=1)
    driver = ledger.Driver(engine)
    driver.call(ledger.LOST)
    drafts_looked = list(wechat.looks)
    leases.release(engine, driver.lease)

    wechat.says = EDITED
    told = driven(engine, wechat, which, after=timedelta(minutes=1))

    assert (drafts_looked, wechat.looks) == ([], [])
    assert told.state is BroadcastState.COMPLETED


def test_a_retry_does_not_open_what_an_edit_holds(engine: Engine) -> None:
    wechat, which = WeChat(EDITED), articles(engine)
    driven(engine, wechat, which)

    retries.retry(engine, which, who="tests")

    assert reason_of(broadcast_reports.report(engine, which)) is Reason.DRAFT_EDITED


def test_what_nobody_read_at_the_submit_is_read_long_before_its_time(engine: Engine) -> None:
    wechat, which = WeChat(), articles(engine, seen=None)
    here = context(engine, wechat)
    assert drafts.unread_accounts(engine, waits=here.tuning.waits) == ["default"]

    wechat.says = AWAY
    assert watches.read_first(here) == 1
    assert watches.read_first(here) == 0
    ledger.pass_time(engine, timedelta(minutes=2))
    wechat.says = BEFORE
    assert watches.read_first(here) == 1
    assert drafts.unread_accounts(engine, waits=here.tuning.waits) == []
    wechat.says = EDITED
    told = driven(engine, wechat, which)

    assert reason_of(told) is Reason.DRAFT_EDITED


def test_a_person_who_looks_again_approves_what_it_says_by_then(engine: Engine) -> None:
    wechat, which = WeChat(EDITED), articles(engine)
    driven(engine, wechat, which)

    wechat.says = BEFORE
    drafts.seen_by_person(engine, which, BEFORE)
    operator.resume(engine, which, who="tests")
    told = driven(engine, wechat, which, after=timedelta(0))

    assert told.state is BroadcastState.COMPLETED


def test_nobody_looks_where_the_settings_say_so(engine: Engine) -> None:
    wechat, which = WeChat(EDITED), articles(engine)
    ledger.pass_time(engine, DAY)
    here = replace(context(engine, wechat), tuning=Tuning(watch_drafts=False))

    lane.drive(here, seconds=2)

    assert broadcast_reports.report(engine, which).state is BroadcastState.COMPLETED
    assert wechat.looks == []
