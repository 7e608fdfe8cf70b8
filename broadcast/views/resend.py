"""Sending a corrected content: to the whole list, or only to those who cannot have got the first.

Once WeChat has taken a part of a broadcast, the same list again would reach that part twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from broadcast.message import Message
from broadcast.rules import reports
from broadcast.rules.calls.outcomes import content_stays_refused
from broadcast.rules.circumstances import is_content_refused
from broadcast.rules.content import PLACEHOLDER
from broadcast.rules.media import NO_SUCH_MEDIA
from broadcast.rules.reports import BatchLine, Report, total
from broadcast.rules.states import STOPPED_JOB, BatchState, BroadcastState, Reason
from broadcast.views import delivered
from broadcast.views.words import Shortened, follower_count, numbered

if TYPE_CHECKING:
    from broadcast.rules.overlap import Newer

S = BroadcastState


def may_have_reached_some(report: Report) -> bool:
    """Return whether anybody has got it, or may have, for all that WeChat or an operator said."""
    sent = report.batches["accepted"] or report.batches["in_doubt"]
    return bool(sent or _maybe_sent(report) or said_not_sent(report))


def said_not_sent(report: Report) -> list[BatchLine]:
    """Return the batches that are refused by an operator's verdict alone."""
    return [
        line
        for line in report.batch_list
        if line.state is BatchState.REFUSED and line.reason is Reason.SAID_NOT_SENT
    ]


def resend_steps(report: Report, newer: Newer | None = None) -> Iterator[Message]:
    """Yield the commands that send a corrected content to the rest, where WeChat refused the first.

    Nothing where nobody can have got it, and nothing where a resume or a retry sends the rest.
    *newer*: who of the rest got a newer broadcast.
    """
    if newer is not None and newer.followers:
        yield Message("resend.reached", count=newer.followers, ids=Shortened(newer.ids))
        if newer.followers >= sum(report.recipients[name] or 0 for name in _REST):
            if report.state is not S.CANCELLED and report.recipients["waiting"]:
                yield Message("resend.close", id=report.id)
            yield from _by_verdict(report)
            return
    # Of a list that is WeChat's, nobody can say who the rest are.
    listed = report.audience["planned"] is not None
    if listed and is_content_refused(report) and may_have_reached_some(report):
        if newer is not None and newer.followers:
            # The list has to lose them first.
            commands = reports.rest_listing(report.id, _filled(report))
            yield Message("resend.list", commands=reports.rest_lines(commands))
        else:
            blamed = "resend.rest" if _is_content_blamed(report) else "resend.rest_same"
            yield Message(blamed, commands=reports.rest_lines(_commands(report)))
        if _is_media_gone(report):
            yield Message("resend.media_gone")
        if report.recipients["in_doubt"] or _maybe_sent(report):
            yield Message("resend.without_doubts")
        yield from _by_verdict(report)
    elif report.state is S.CANCELLED:
        # A retry is refused, so a new broadcast is all that is left for them.
        commands = reports.rest_listing(report.id, _filled(report))
        if listed and commands:
            yield Message("resend.list", commands=reports.rest_lines(commands))
        yield from _by_verdict(report)


#: The sets of those who were not sent it.
_REST = ("cancelled", "refused", "waiting")


MAYBE_SENT = frozenset({BatchState.CALLING, BatchState.UNKNOWN})


def _maybe_sent(report: Report) -> bool:
    return any(line.state in MAYBE_SENT for line in report.batch_list)


def _is_content_blamed(report: Report) -> bool:
    """Return whether anything but a review refused it, or a review because of the content."""
    reviewed = [line for line in report.batch_list if line.reason in STOPPED_JOB]
    others = [
        line
        for line in report.batch_list
        if line not in reviewed and content_stays_refused(line.reason, line.errcode)
    ]
    return not reviewed or bool(others) or any(map(delivered.blames_content, reviewed))


def _filled(report: Report) -> list[str]:
    return [name for name, count in report.recipients.items() if count]


def _commands(report: Report) -> Iterator[str]:
    """Yield the commands that list the rest and send to it; never to those in doubt."""
    yield from reports.rest_listing(report.id, _filled(report))
    option = _CONTENTS.get(report.msgtype, "--content FILE.json")
    yield f"broadcast send --account {report.account} --openids {reports.REST_FILE} {option}"


#: How another content of the same kind is given, with a placeholder that is refused where pasted.
_CONTENTS = {
    "text": f"--text {PLACEHOLDER}",
    "image": "--image FILE",
    "voice": "--voice FILE",
    "mpvideo": "--video FILE",
    "mpnews": "--draft TITLE",
}
_FILES = frozenset({"image", "voice", "mpvideo"})


def _is_media_gone(report: Report) -> bool:
    if report.msgtype not in _FILES:
        return False
    return any(line.errcode == NO_SUCH_MEDIA for line in report.batch_list)


def _by_verdict(report: Report) -> Iterator[Message]:
    lines = said_not_sent(report)
    if lines:
        yield numbered(
            "resend.said_not_sent",
            [line.n for line in lines],
            id=report.id,
            followers=follower_count(total(line.size for line in lines)),
        )
