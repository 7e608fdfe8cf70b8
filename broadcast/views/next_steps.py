"""Next steps of an operator with a broadcast, and the actions so far: who, when, why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from broadcast.enums import is_recognised
from broadcast.message import Message
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.circumstances import Circumstances, Doubt
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.jobs import Job
from broadcast.rules.reports import (
    Did,
    InFlight,
    OperatorAction,
    Report,
    RetryGroup,
    total,
)
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.views import delivered, job_words, report_lines, resend
from broadcast.views.words import (
    MOST_NAMED,
    Between,
    Moment,
    follower_count,
    numbered,
    speaker,
)


def action_lines(report: Report) -> Iterator[Message]:
    """Yield the actions of operators, oldest first, beside those that stand above already.

    Nothing where nobody did anything else.
    """
    done = report.operator_actions
    if done is None:
        return
    in_force = list(_in_force(done.actions, report))
    others = [one for one in done.actions if one not in in_force]
    if not others:
        return
    yield Message("operator_action.title")
    if done.earlier:
        yield Message("operator_action.earlier", n=done.earlier)
    for one in others:
        yield Message(
            "operator_action.line",
            at=Moment(one.at, report.now),
            what=_what(one),
            who=speaker(one.who, one.why),
        )


#: What an action closes; while that is closed, a line of its own names who did it and why.
_CLOSES = {Did.PAUSE: GateKind.PAUSE, Did.CANCEL: GateKind.CANCEL, Did.HALT: GateKind.HALT}


def _in_force(actions: Sequence[OperatorAction], report: Report) -> Iterator[OperatorAction]:
    """Yield the last action of each kind that closed a gate, where that is closed now."""
    closed = {gate.kind for gate in report.gates}
    for did, kind in _CLOSES.items():
        each = [one for one in actions if one.did is did]
        if each and kind in closed:
            yield each[-1]


def _what(one: OperatorAction) -> Message:
    if not is_recognised(one.did):
        return Message("operator_action.newer", action=one.did)
    if one.did is Did.RECALL:
        return _recalled(one)
    if one.did is not Did.RESOLVE:
        return Message(f"operator_action.{one.did}", account=one.account, n=one.batches)
    if not one.sent:
        return Message("operator_action.resolve_not_sent", n=one.batch)
    if one.msg_id is None:
        return Message("operator_action.resolve_sent", n=one.batch)
    return Message("operator_action.resolve", n=one.batch, msg_id=one.msg_id)


def _recalled(one: OperatorAction) -> Message:
    article = "_article" if one.article else ""
    if one.maybe:
        return Message(f"operator_action.recall_maybe{article}", n=one.article)
    through = "_through" if one.through else ""
    return Message(f"operator_action.recall{article}{through}", n=one.article, id=one.through)


#: Most codes for which the command is written out.
MOST_EXPLAINED = 3


def lines(report: Report, beside: Circumstances) -> Iterator[Message]:
    """Yield the commands that a person can give, and verdicts that were given.

    *report* with its batches. Of what was pruned nothing is left that a command could act on.
    """
    if report.pruned_at is not None:
        yield Message("report.pruned", at=Moment(report.pruned_at, report.now))
        return
    yield from _cancelled(report)
    yield from _doubts(report, beside.doubts)
    # Before the command by which it could be sent twice.
    yield from _contradicted(report, beside.contradicted)
    if report.batches["refused"] and not report.gate(GateKind.CANCEL):
        yield from _retry(report, beside.left_over)
        yield from _forgotten(beside.forgotten)
    yield from _offered(report, beside.unnamed)
    yield from delivered.review_steps(report)
    for n, msg_id in list(beside.named_by_word.items())[:MOST_NAMED]:
        yield Message("next_step.named_by_word", id=report.id, n=n, msg_id=msg_id)
    again = list(resend.resend_steps(report, beside.newer))
    yield from again or delivered.listing(report)
    yield from explain(report)
    if beside.stays:
        yield from _completed(report)
    for one in beside.conflicts:
        yield Message(
            "next_step.conflict",
            n=one.n,
            at=Moment(one.at, report.now),
            word=one.word,
            msg_id=one.msg_id or "-",
        )


def _cancelled(report: Report) -> Iterator[Message]:
    """Yield who cancelled a broadcast, and what to do where nobody knows for whom it was."""
    gate = report.gate(GateKind.CANCEL)
    if gate is not None:
        yield Message(
            "next_step.cancelled_by",
            who=speaker(gate.closed_by, gate.why),
            at=Moment(gate.closed_at, report.now),
        )
        if report.audience["planned"] is None and report_lines.asked_for(report):
            yield Message("next_step.undecided")


def _doubts(report: Report, doubts: Sequence[Doubt]) -> Iterator[Message]:
    if any(doubt.first for doubt in doubts):
        yield Message("next_step.doubts")
    for doubt in doubts[:MOST_NAMED]:
        yield _doubt(report, doubt)
        yield from job_words.offers(doubt.jobs, report.id, doubt.n, now=report.now)
    if len(doubts) > MOST_NAMED:
        yield Message("next_step.more_doubts", n=len(doubts) - MOST_NAMED, id=report.id)


def _doubt(report: Report, doubt: Doubt) -> Message:
    facts: dict[str, object] = {"n": doubt.n, "size": follower_count(doubt.size), "id": report.id}
    if doubt.first is None or doubt.last is None:
        # Replies that came late refused every call of it.
        return Message("next_step.doubt_refused", **facts)
    facts["at"] = Between(first=doubt.first, last=doubt.last, now=report.now)
    if doubt.msg_ids:
        # "Sent" alone takes the only one.
        name = "next_step.doubt_several" if len(doubt.msg_ids) > 1 else "next_step.doubt_named"
        return Message(name, msg_ids=list(doubt.msg_ids), **facts)
    return Message("next_step.doubt", **facts)


def _retry(report: Report, left_over: Sequence[RetryGroup]) -> Iterator[Message]:
    again = [group for group in left_over if group.verdict is RetryVerdict.AGAIN]
    denied = [group for group in again if group.reason is Reason.SAID_NOT_SENT]
    passing = [group for group in again if group not in denied]
    if passing:
        yield of_groups("next_step.retry", passing, id=report.id)
    if denied:
        yield of_groups("next_step.retry_verdict", denied, id=report.id)
    left = [group for group in left_over if group.verdict is RetryVerdict.SUPPRESSED]
    if left:
        yield of_groups("next_step.suppressed", left, id=report.id, account=report.account)


def _forgotten(forgotten: Mapping[int, timedelta]) -> Iterator[Message]:
    """Warn before the retry, not after it."""
    if forgotten:
        age = min(forgotten.values())
        yield numbered("next_step.forgotten", sorted(forgotten), age=age)


def _contradicted(report: Report, jobs: Mapping[int, Sequence[Job]]) -> Iterator[Message]:
    """Name the jobs that speak against an operator's "not sent"."""
    for n, candidates in list(jobs.items())[:MOST_NAMED]:
        yield Message("next_step.contradicted", n=n)
        yield from _offered(report, {n: candidates})


def _offered(report: Report, jobs: Mapping[int, Sequence[Job]]) -> Iterator[Message]:
    """Offer, by the number of a batch, the jobs that can be it."""
    for n, candidates in list(jobs.items())[:MOST_NAMED]:
        yield from job_words.offers(candidates, report.id, n, now=report.now)


def explain(report: Report) -> Iterator[Message]:
    """Name the command that explains WeChat's codes, where nothing or not all went out."""
    if report.state not in {BroadcastState.FAILED, BroadcastState.PARTIAL}:
        return
    refused = [line.errcode for line in report.batch_list if line.state is BatchState.REFUSED]
    for code in sorted({code for code in refused if code is not None})[:MOST_EXPLAINED]:
        yield Message("next_step.explain", code=code)


def _completed(report: Report) -> Iterator[Message]:
    """Name what is left where every batch was accepted: who it was, and WeChat's own report."""
    if report.state is not BroadcastState.COMPLETED:
        return
    # Of a list that is WeChat's, nobody here knows who they are.
    if report.audience["planned"] is not None:
        yield Message("next_step.completed", id=report.id)
    if report.results_due:
        yield Message("next_step.results", id=report.id)


def of_groups(name: str, groups: Sequence[RetryGroup], **facts: object) -> Message:
    """Return a message about all batches in *groups*: their numbers, and how many followers."""
    numbers = sorted(n for group in groups for n in group.numbers)
    followers = follower_count(total(group.followers for group in groups))
    return numbered(name, numbers, followers=followers, **facts)


def in_flight(calls: Iterable[InFlight], now: datetime) -> Iterator[Message]:
    """Yield the calls that no word stops any more, and those whose worker is gone."""
    for call in calls:
        yield Message(
            "next_step.in_flight" if call.driven else "next_step.left_behind",
            id=call.broadcast_id,
            n=call.n,
            size=follower_count(call.size),
            at=Moment(call.since, now),
        )
