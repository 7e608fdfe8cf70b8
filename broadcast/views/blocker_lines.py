"""Blockers in words: an account that is halted or stopped, a broadcast that waits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from broadcast import day
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.calls.outcomes import SendPath, content_stays_refused
from broadcast.rules.gates import blockers
from broadcast.rules.gates.blockers import Blocker, waits_for_a_person
from broadcast.rules.gates.gate import Cause, GateKind, traits_of
from broadcast.rules.gates.lateness import is_late
from broadcast.rules.reports import LaneView, Report
from broadcast.rules.states import Reason
from broadcast.views import content, errcode_words, resend
from broadcast.views.words import Meaning, Moment, Shortened, code_of, reason, speaker


@frozen
class Lanes:
    """The lanes of all accounts that were ever used, by the account's name, at one moment."""

    by_account: Mapping[str, LaneView]
    now: datetime

    def _lane(self, account: str) -> LaneView:
        """Return the lane of *account*; of one that was never used an empty one."""
        return self.by_account.get(account, LaneView(not_before=None, wait_reason=None))

    def stops(self, account: str, path: SendPath | None = None) -> Iterator[Message]:
        """Yield why *account* is off; nothing where it is not, or was never used.

        With *path* nothing that concerns sends by the other alone.
        """
        lane = self._lane(account)
        yield from of_account(account, _for(path, lane), self.now)
        if not _is_off(lane):
            yield from self._lane_wait(account, lane)

    def waits(self, account: str, path: SendPath | None = None) -> Iterator[Message]:
        """Yield until when *account* waits for another day's calls, or for WeChat.

        With *path* nothing that concerns sends by the other alone.
        """
        lane = _for(path, self._lane(account))
        by_time = [gate for gate in lane.gates if traits_of(gate.kind).by_time]
        yield from of_account(account, replace(lane, gates=by_time), self.now)
        yield from self._lane_wait(account, lane)

    def _lane_wait(self, account: str, lane: LaneView) -> Iterator[Message]:
        until = lane.not_before
        if until is not None and until > self.now:
            quota = lane.wait_reason is Reason.QUOTA_TODAY
            yield Message(
                "blocker.account_waits_for_day" if quota else "blocker.account_waits_itself",
                account=account,
                reason=reason(lane.wait_reason),
                at=Moment(until, self.now),
            )

    def is_off(self, account: str, path: SendPath = SendPath.MASS_SEND) -> bool:
        """Return whether *account* is halted, or stopped for sends by *path*."""
        return self._lane(account).is_off_for(path)

    def opened_by(self, account: str, path: SendPath) -> str | None:
        """Return the command that lets *account* send by *path*; None where nothing keeps it."""
        return self._lane(account).opened_by(account) if self.is_off(account, path) else None

    def is_stopped(self, account: str) -> bool:
        """Return whether *account* was stopped, by an answer of WeChat's or by too many doubts."""
        return _is_stopped(self._lane(account))

    def stops_beside(self, shown: Collection[str]) -> Iterator[Message]:
        """Yield why accounts that are not *shown* already are off."""
        for name in self.by_account:
            if name not in shown:
                yield from self.stops(name)


def of_account(account: str, lane: LaneView, now: datetime) -> Iterator[Message]:
    """Yield the blockers of *account*, since or until when, why, and the fix."""
    for one in blockers.of_account(account, lane, now):
        # At the end of a wait nothing goes on while the whole account is off.
        if one.until is None or not _is_off(lane):
            yield _of_account(one, account, now, stopped=_is_stopped(lane))


def _for(path: SendPath | None, lane: LaneView) -> LaneView:
    """Return *lane* with the gates alone that concern sends by *path*."""
    if path is None:
        return lane
    return replace(lane, gates=[gate for gate in lane.gates if gate.concerns(path)])


def _is_off(lane: LaneView) -> bool:
    return waits_for_a_person(gate for gate in lane.gates if gate.path is None)


def _is_stopped(lane: LaneView) -> bool:
    return lane.gate(GateKind.STOP, GateKind.BREAKER) is not None


def blocker_lines(report: Report, *, has_account: bool = True) -> Iterator[Message]:
    """Yield why a broadcast makes no call, until when, and the command that goes on.

    *has_account*: the settings have its account; else no start of a worker is offered, for it
    would send nothing.
    """
    for one in blockers.in_force(report):
        if has_account or one.command != blockers.START:
            yield line(one, report)


def line(one: Blocker, report: Report) -> Message:
    """Return one blocker of a broadcast in words."""
    match one.cause:
        case Cause.ACCOUNT_STOPPED | Cause.ACCOUNT_HALTED | Cause.DATABASE_RESTORED:
            stopped = _is_stopped(report.lane)
            return _of_account(one, report.account, report.now, stopped=stopped)
        case Cause.PAUSED:
            return _paused(one, report)
        case Cause.IN_DOUBT:
            single = "blocker.in_doubt_one" if one.count == 1 else "blocker.in_doubt"
            return Message(single, n=one.count, id=report.id)
        case Cause.UNKNOWN_FIRST | Cause.BEHIND:
            return _behind(one, report)
    at, due = one.until or one.since, report.scheduled_at or report.published_at
    return Message(
        _text(one, report),
        id=report.id,
        account=report.account,
        reason=reason(one.reason),
        code=code_of(one.errcode, one.errmsg),
        at=at and Moment(at, report.now),
        n=one.batch,
        left=at and at - report.now,
        due=due and Moment(due, report.now),
        late_by=report.late_by,
        changes=content.changed(report.draft),
    )


def _text(one: Blocker, report: Report) -> str:
    """Return the id of the text of a cause that has several."""
    if one.cause is Cause.ACCOUNT_WAITS:
        return _LANE_WAITS.get(one.reason, "blocker.account_waits")
    if one.cause is Cause.DRAFT:
        return _DRAFTS.get(one.reason, "blocker.held")
    if one.cause is Cause.MISSED_TIME and report.scheduled_at is None:
        waited = report.first_call is not None and report.first_call.was_handed_over
        return "blocker.missed_handed_over" if waited else "blocker.missed_at_once"
    if one.cause is Cause.SCHEDULED and waits_for_a_person(report.gates):
        is_paused = report.gate(GateKind.PAUSE)
        return "blocker.scheduled_paused" if is_paused else "blocker.scheduled_off"
    if one.cause in {Cause.OVERDUE, Cause.NO_WORKER} and will_be_held(report):
        return f"blocker.{one.cause}_late"
    return f"blocker.{one.cause}"


_LANE_WAITS: Mapping[Reason | None, str] = {
    Reason.QUOTA_TODAY: "blocker.account_waits_for_day",
    Reason.OPT_OUT_UNAPPLIED: "blocker.waits_for_opt_outs",
}
_DRAFTS: Mapping[Reason | None, str] = {
    Reason.DRAFT_EDITED: "blocker.draft_edited",
    Reason.DRAFT_GONE: "blocker.draft_gone",
    Reason.DRAFT_UNREAD: "blocker.draft_unread",
}


def _paused(one: Blocker, report: Report) -> Message:
    if one.reason is Reason.TOO_MANY_REFUSALS:
        return Message(
            "blocker.paused_for_refusals",
            n=one.count or "?",
            code=one.errcode,
            meaning=Meaning(one.errcode),
            id=report.id,
        )
    if one.who is not None:
        due, now = report.scheduled_at, report.now
        is_past = due is not None and due <= now and report.awaits_first_call
        return Message(
            "blocker.paused_past_due" if is_past else "blocker.paused_by",
            who=speaker(one.who, one.why),
            at=Moment(one.since or now, now),
            id=report.id,
            due=due and Moment(due, now),
        )
    return Message(
        _paused_for(one, report),
        reason=reason(one.reason),
        code=code_of(one.errcode, one.errmsg),
        id=report.id,
        **_turns(one, report.now),
    )


def _turns(one: Blocker, now: datetime) -> dict[str, Moment]:
    """Return when the day and the month turn in which messages were found used up."""
    since = one.since or now
    return {
        "tomorrow": Moment(day.turn(since), now),
        "month": Moment(day.month_turn(since), now),
    }


def _paused_for(one: Blocker, report: Report) -> str:
    if one.reason is Reason.QUOTA_MONTH:
        return "blocker.paused_for_month"
    if one.reason is not Reason.CONTENT_REFUSED:
        return "blocker.paused"
    if not content_stays_refused(one.reason, one.errcode):
        return "blocker.paused_for_a_while"
    if resend.may_have_reached_some(report):
        return "blocker.paused_for_content_in_part"
    return "blocker.paused_for_content"


def _of_account(one: Blocker, account: str, now: datetime, *, stopped: bool) -> Message:
    """Return why an account's gate is closed; *stopped*: it is stopped, beside any halt."""
    if one.cause is Cause.ACCOUNT_WAITS:
        return Message(
            "blocker.account_waits_for_day",
            account=account,
            reason=reason(one.reason),
            at=Moment(one.until or now, now),
        )
    if one.cause is Cause.NEWER_RELEASE:
        return Message("blocker.account_newer_release", account=account)
    at = Moment(one.since or now, now)
    if one.cause is Cause.DATABASE_RESTORED:
        return Message(
            "blocker.database_restored", account=account, at=at, reason=reason(one.reason)
        )
    if one.cause is Cause.ACCOUNT_HALTED:
        # One command lifts both, so the halt on top of a stop must not invite to lift it unfixed.
        return Message(
            "blocker.halted_as_well" if stopped else "blocker.halted",
            account=account,
            who=speaker(one.who or "?", one.why),
            at=at,
        )
    if one.reason is Reason.TOO_MANY_DOUBTS:
        return Message(
            "blocker.stopped_for_doubts",
            account=account,
            at=at,
            n=one.count or "?",
            ids=Shortened(one.broadcasts),
        )
    return Message(
        _STOPPED.get(one.path, "blocker.account_newer_release"),
        account=account,
        at=at,
        reason=_why_stopped(one),
        code=code_of(one.errcode, one.errmsg),
        fix=_fix(one, now),
    )


def _why_stopped(one: Blocker) -> Meaning | Reason:
    """Return the meaning of WeChat's errcode: the reason says no more than that it refuses."""
    refused = one.reason is Reason.ACCOUNT_STOPPED and one.errcode is not None
    return Meaning(one.errcode) if refused else reason(one.reason)


def _fix(one: Blocker, now: datetime) -> Message:
    if one.reason is Reason.QUOTA_MONTH:
        return Message("fix.account.messages", **_turns(one, now))
    return errcode_words.of_account(one.errcode)


#: By the one interface that is stopped; None: the whole account.
_STOPPED: Mapping[SendPath | None, str] = {
    None: "blocker.stopped",
    SendPath.MASS_SEND: "blocker.stopped_lists",
    SendPath.SENDALL: "blocker.stopped_sendall",
}


def _behind(one: Blocker, report: Report) -> Message:
    if one.cause is Cause.BEHIND:
        several = "blocker.behind" if len(one.broadcasts) > 1 else "blocker.behind_one"
        return Message(several, ids=Shortened(one.broadcasts), id=one.broadcasts[0])
    own = one.broadcasts[0] == report.id
    waits = one.until is not None and one.until > report.now
    at = Moment(one.until or report.now, report.now) if waits else Message("blocker.at_once")
    return Message(
        "blocker.unknown_first_own" if own else "blocker.unknown_first",
        n=one.batch,
        id=one.broadcasts[0],
        at=at,
    )


def will_be_held(report: Report) -> bool:
    """Return whether the worker that takes it up now holds it, by the rule of its first claim.

    *report* of one broadcast, with its batches.
    """
    return report.first_call is not None and is_late(report.first_call, report.now)
