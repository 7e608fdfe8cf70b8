"""Notices in words: what happened, and the lines of the report that ``status`` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from broadcast.message import Message
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.circumstances import Circumstances
from broadcast.rules.gates.gate import Gate, GateKind
from broadcast.rules.notices import REPORTED, Notice
from broadcast.rules.reports import LaneView, Report
from broadcast.rules.states import Phase, Reason
from broadcast.views import blocker_lines, content, delivered, next_steps, report_lines
from broadcast.views.texts import Texts
from broadcast.views.words import MOST_NAMED, Moment


def of_broadcast(notice: Message, report: Report, beside: Circumstances) -> Iterator[Message]:
    """Yield what happened to a broadcast, where it stands, and the commands that go on."""
    yield Message(f"{notice.id}_named", **notice.facts, name=content.name(report))
    yield from map(_exact, report_lines.in_short(report))
    if report.phase is Phase.ENDED and report.path is SendPath.SENDALL:
        # Of a list that is WeChat's there are no other sums.
        yield from delivered.counted(report)
        if report.results_due and not report.delivered.jobs:
            yield Message("notice.uncounted", id=report.id)
    for line in next_steps.lines(report, beside):
        if line.id not in _NO_STEPS:
            yield line


#: Nobody has to do anything more: whoever wants to know looks at the status.
_NO_STEPS: Final = frozenset({"next_step.completed", "next_step.results"})


def of_account(
    notice: Message, lane: LaneView, now: datetime, *, waiting: Iterable[Report]
) -> Iterator[Message]:
    """Yield that an account was stopped, why, and the commands that go on; nothing if it is not.

    *waiting*: its broadcasts that go on when it does.
    """
    if lane.gate(*REPORTED) is None:
        return
    yield notice
    for gate in lane.gates:
        for broadcast_id in gate.broadcasts[:MOST_NAMED]:
            yield Message("notice.look", id=broadcast_id)
    for report in waiting:
        # Whoever goes on before WeChat gives new messages has it stopped again at once.
        if any(_is_used_up(gate) and gate.concerns(report.path) for gate in lane.gates):
            yield Message("notice.used_up", id=report.id)
    yield from map(_exact, blocker_lines.of_account(str(notice.facts["account"]), lane, now))


def _is_used_up(gate: Gate) -> bool:
    return gate.kind is GateKind.STOP and gate.reason is Reason.QUOTA_MONTH


def _exact(line: Message) -> Message:
    """Return a line without commands that are to be completed: a chat's are copied as they are."""
    if line.id == "blocker.stopped_for_doubts":
        return Message("notice.stopped_for_doubts", **line.facts)
    return line


def in_a_list(one: Notice, texts: Texts, *, now: datetime) -> Message:
    """Return the first line of a notice, to whom it goes, and how far it is on its way."""
    at = one.due_at and Moment(one.due_at, now)
    state = "again" if one.was_posted else one.state
    return Message(
        "notices.line",
        at=Moment(one.since, now),
        name=one.receiver,
        what=texts(one.message).partition("\n")[0],
        state=Message(f"notices.state.{state}", at=at, problem=one.problem or ""),
    )
