"""Next steps: who stopped a broadcast and why, and for each doubt and refusal the one command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from broadcast.call.retry import RetryVerdict
from broadcast.gates.kinds import GateKind
from broadcast.message import Message
from broadcast.reports import Conflict, InFlight, Report, RetryGroup, total
from broadcast.states import BatchState, BroadcastState
from presentation import resend
from presentation.words import (
    MOST_NAMED,
    Between,
    FollowerCount,
    Moment,
    Shortened,
    Speaker,
    suffix,
)

#: Most codes for which the command is written out.
MOST_EXPLAINED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A batch in doubt, and where a person looks for it."""

    n: int
    size: int | None
    #: Between which calls it may have been sent; None: each was refused in the end.
    first: datetime | None
    last: datetime | None
    #: The msg_ids that replies of WeChat's named.
    msg_ids: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of a broadcast beside its report."""

    doubts: Sequence[Doubt] = ()
    left_over: Sequence[RetryGroup] = ()
    conflicts: Sequence[Conflict] = ()


def lines(report: Report, beside: Circumstances) -> Iterator[Message]:
    """Yield what a person can do about a broadcast, and what a person has said of it.

    *report* with its batches.
    """
    yield from _last_word(report)
    yield from _doubts(report, beside.doubts)
    if report.batches["refused"] and not report.gate(GateKind.CANCEL):
        yield from _retry(report, beside.left_over)
    yield from resend.steps(report)
    yield from explain(report)
    for one in beside.conflicts:
        yield Message(
            "next_step.conflict", n=one.n, at=Moment(one.at, report.now), word=one.word,
            msg_id=one.msg_id or "-",
        )  # fmt: skip


def _last_word(report: Report) -> Iterator[Message]:
    """Yield who cancelled a broadcast, or whose pause stands."""
    paused = report.state is BroadcastState.PAUSED
    gate = report.gate(GateKind.CANCEL) or (report.gate(GateKind.PAUSE) if paused else None)
    if gate is not None:
        cancelled = gate.kind is GateKind.CANCEL
        yield Message(
            "next_step.cancelled_by" if cancelled else "next_step.paused_by",
            who=Speaker(gate.closed_by, gate.why), at=Moment(gate.closed_at, report.now),
        )  # fmt: skip


def _doubts(report: Report, doubts: Sequence[Doubt]) -> Iterator[Message]:
    for doubt in doubts[:MOST_NAMED]:
        yield _doubt(report, doubt)
    if len(doubts) > MOST_NAMED:
        yield Message("next_step.more_doubts", n=len(doubts) - MOST_NAMED, id=report.id)


def _doubt(report: Report, doubt: Doubt) -> Message:
    facts: dict[str, object] = {"n": doubt.n, "size": FollowerCount(doubt.size), "id": report.id}
    if doubt.first is None or doubt.last is None:
        # Replies that came late refused every call of it.
        return Message("next_step.doubt_refused", **facts)
    facts["at"] = Between(first=doubt.first, last=doubt.last, now=report.now)
    if doubt.msg_ids:
        return Message("next_step.doubt_named", msg_ids=list(doubt.msg_ids), **facts)
    return Message("next_step.doubt", **facts)


def _retry(report: Report, left_over: Iterable[RetryGroup]) -> Iterator[Message]:
    again = [group for group in left_over if group.verdict is RetryVerdict.AGAIN]
    if again:
        yield Message(f"next_step.retry{several(again)}", id=report.id, **together(again))


def explain(report: Report) -> Iterator[Message]:
    """Name the command that tells what WeChat's codes mean, where nothing or not all went out."""
    if report.state not in {BroadcastState.FAILED, BroadcastState.PARTIAL}:
        return
    refused = [line.errcode for line in report.batch_list if line.state is BatchState.REFUSED]
    for code in sorted({code for code in refused if code is not None})[:MOST_EXPLAINED]:
        yield Message("next_step.explain", code=code)


def together(groups: Sequence[RetryGroup]) -> dict[str, object]:
    """Return the facts of all batches in *groups*: the first numbers, and how many follow."""
    numbers = sorted(n for group in groups for n in group.numbers)
    followers = FollowerCount(total(group.followers for group in groups))
    return {"numbers": Shortened(numbers), "followers": followers}


def several(groups: Sequence[RetryGroup]) -> str:
    """Return how the id of a text about *groups* ends."""
    return suffix(sum(len(group.numbers) for group in groups))


def in_flight(calls: Iterable[InFlight], now: datetime) -> Iterator[Message]:
    """Yield the calls that no word stops any more, and those whose worker is gone."""
    for call in calls:
        yield Message(
            "next_step.in_flight" if call.driven else "next_step.left_behind",
            id=call.broadcast_id, n=call.n, size=FollowerCount(call.size),
            at=Moment(call.since, now),
        )  # fmt: skip
