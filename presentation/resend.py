"""Sending a corrected content: to the whole list, or only to those who cannot have got the first.

Once WeChat has taken a part of a broadcast, the same list again would reach that part twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from broadcast import rest
from broadcast.call.outcomes import content_stays_refused
from broadcast.gates.kinds import GateKind
from broadcast.message import Message
from broadcast.reasons import Reason
from broadcast.reports import BatchLine, Report, total
from broadcast.states import BatchState, BroadcastState
from presentation.words import FollowerCount, Shortened, suffix

S = BroadcastState


def may_have_reached_some(report: Report) -> bool:
    """Tell whether anybody has got it, or may have, for all that WeChat or a person said."""
    sent = report.batches["accepted"] or report.batches["in_doubt"]
    return bool(sent or _maybe_sent(report) or said_not_sent(report))


def said_not_sent(report: Report) -> list[BatchLine]:
    """Return the batches that are refused by a person's word alone."""
    return [
        line for line in report.batch_list
        if line.state is BatchState.REFUSED and line.reason is Reason.SAID_NOT_SENT
    ]  # fmt: skip


def steps(report: Report) -> Iterator[Message]:
    """Yield how a corrected content is sent to the rest alone, where WeChat refused the first one.

    Nothing where nobody can have got it, and nothing where a resume or a retry sends the rest.
    """
    # Of a list that is WeChat's, nobody can say who the rest are.
    listed = report.audience["planned"] is not None
    if listed and _is_content_refused(report) and may_have_reached_some(report):
        yield Message("resend.rest", commands=" && ".join(_commands(report)))
        if report.recipients["in_doubt"] or _maybe_sent(report):
            yield Message("resend.without_doubts")
        yield from _by_word(report)
    elif report.state is S.CANCELLED:
        # A retry is refused, so a new broadcast is all that is left for them.
        yield from _by_word(report)


#: At rest: nothing more of it is called by itself.
_ENDED = frozenset({S.HELD, S.PARTIAL, S.FAILED, S.CANCELLED})
_MAYBE_SENT = frozenset({BatchState.CALLING, BatchState.UNKNOWN})


def _maybe_sent(report: Report) -> bool:
    return any(line.state in _MAYBE_SENT for line in report.batch_list)


def _is_content_refused(report: Report) -> bool:
    breaker = report.gate(GateKind.BREAKER)
    if breaker is not None:
        return content_stays_refused(breaker.reason, breaker.errcode)
    if report.state not in _ENDED or report.recipients["waiting"]:
        return False
    return any(
        line.state is BatchState.REFUSED
        and (
            line.reason is Reason.REVIEW_REFUSED or content_stays_refused(line.reason, line.errcode)
        )
        for line in report.batch_list
    )


def _commands(report: Report) -> Iterator[str]:
    """Yield the commands that list the rest and send to it; never to those in doubt."""
    yield from rest.listing(report.id, [name for name, count in report.recipients.items() if count])
    yield f"broadcast send --account {report.account} --openids {rest.FILE} --text TEXT"


def _by_word(report: Report) -> Iterator[Message]:
    lines = said_not_sent(report)
    if lines:
        yield Message(
            f"resend.said_not_sent{suffix(len(lines))}",
            numbers=Shortened([line.n for line in lines]),
            followers=FollowerCount(total(line.size for line in lines)),
        )
