"""A broadcast's report: what became of everybody, what waits, why, and what goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from broadcast.call.path import SendPath
from broadcast.gates.blockers import is_driven
from broadcast.gates.kinds import GateKind
from broadcast.message import Message
from broadcast.reasons import Reason
from broadcast.reports import SETS, SKIPS, BatchLine, Repeat, Report
from broadcast.states import BatchState, BroadcastState, Phase
from presentation import blockers, content, operator_actions
from presentation.words import MOST_NAMED, Code, Joined, Moment, reason, sizes

#: Line numbers that are named of one reason; `recipients --set skipped` has the others.
MOST_LINES = 3

Skipped = Mapping[str, Sequence[tuple[int, str]]]


def lines(
    report: Report,
    repeats: Sequence[Repeat],
    skipped: Skipped,
    *,
    next_steps: Iterable[Message] = (),
) -> Iterator[Message]:
    """Yield the report line by line; *next_steps* are what a person can do about it."""
    yield Message("report.title", id=report.id, account=report.account)
    yield content.line(report)
    yield Message("report.state", state=report.state)
    if report.priority:
        yield Message("report.priority", n=report.priority)
    yield from blockers.lines(report)
    yield from next_steps
    if report.phase is not Phase.UPLOADING:
        yield _audience(report, skipped)
    yield _batches(report)
    yield recipients(report)
    yield from _repeats(repeats)
    yield from _troubled(report, report.batch_list)
    yield _times(report)
    if report.created_by:
        yield Message("report.created_by", who=report.created_by)
    if report.operator_actions is not None:
        yield from operator_actions.lines(report.operator_actions, report.now)


def headline(report: Report) -> Iterator[Message]:
    """Yield a report in short: which broadcast, its state, what keeps it waiting, who has it."""
    yield Message("report.title", id=report.id, account=report.account)
    yield content.line(report)
    yield Message("report.state", state=report.state)
    yield from blockers.lines(report)
    yield recipients(report)


def _times(report: Report) -> Message:
    created = Moment(report.created_at, report.now)
    scheduled = report.scheduled_at if report.started_at is None else None
    if scheduled is not None and report.gate(GateKind.PAUSE):
        at = Moment(scheduled, report.now)
        return Message("report.times_scheduled", created=created, at=at)
    # What is held has not ended: a person settles it, and may let it go on.
    if report.finished_at is None or report.state is BroadcastState.HELD:
        return Message("report.times", created=created)
    ended = Moment(report.finished_at, report.now)
    return Message("report.times_ended", created=created, ended=ended)


def _audience(report: Report, skipped: Skipped) -> Message:
    figures = [Message("report.read", n=report.audience["read"])]
    for name in SKIPS:
        count = report.audience[name]
        if count or name in {"malformed", "duplicate"}:
            figure = Message(f"skip.{name}", n=count)
            figures.append(_with(figure, _where(skipped.get(name, ()), count or 0)))
    if report.audience["planned"] is not None:
        figures.append(Message("report.planned", n=report.audience["planned"]))
    return Message("report.audience", figures=Joined(figures, "separator"))


def _where(sample: Sequence[tuple[int, str]], count: int) -> Message | None:
    """Name the first lines."""
    if not sample:
        return None
    numbers = [line for line, _ in sample[:MOST_LINES]]
    if count == 1:
        return Message("report.line", numbers=numbers)
    return Message("report.lines_more" if count > MOST_LINES else "report.lines", numbers=numbers)


def _with(line: Message, rest: Message | None) -> Message:
    """Return *line* with *rest* behind it."""
    return line if rest is None else Message("together", parts=Joined([line, rest]))


def _batches(report: Report) -> Message:
    total = report.batches["total"]
    if not total:
        return Message("report.not_cut")
    each = [
        line.size
        for line in report.batch_list
        if line.state is not BatchState.SPLIT and line.size is not None
    ]
    if not each:
        return Message("report.batches_bare", total=total, calls=report.calls)
    return Message("report.batches", total=total, sizes=sizes(each), calls=report.calls)


def recipients(report: Report) -> Message:
    """Tell in which sets the recipients are, or why nobody can count them."""
    if report.audience["planned"] is None:
        return Message(f"report.recipients_{_uncounted(report)}")
    figures = [
        Message(f"set.{name}", n=report.recipients[name])
        for name in SETS
        if report.recipients[name] or name == "accepted"
    ]
    return Message("report.recipients", figures=Joined(figures, "separator"))


def _uncounted(report: Report) -> str:
    """Return why it is not known how many there are; a list that is WeChat's is so in any phase."""
    if report.path is SendPath.SENDALL:
        return "unknown"
    if report.phase is Phase.UPLOADING:
        return "uploading"
    return "never_planned" if report.phase is Phase.ENDED else "unplanned"


def _repeats(repeats: Sequence[Repeat]) -> Iterator[Message]:
    for repeat in repeats[:MOST_NAMED]:
        why: Code | Message = Code(repeat.errcode)
        if repeat.transport:
            why = Message("report.why", why=Message(f"transport.{repeat.transport}"))
        yield Message(
            "report.repeat", n=repeat.n, number=repeat.number,
            outcome=repeat.outcome or Message("outcome.unknown"), why=why,
        )  # fmt: skip
    if len(repeats) > MOST_NAMED:
        yield Message("report.more_repeats", n=len(repeats) - MOST_NAMED)


def maybe_sent(report: Report) -> Iterator[Message]:
    """Name the batches of which it is not known whether WeChat took them, and when it is asked."""
    doubtful = [line for line in report.batch_list if line.state is BatchState.UNKNOWN]
    yield from _troubled(report, doubtful)


def _troubled(report: Report, batches: Iterable[BatchLine]) -> Iterator[Message]:
    """Name the batches that were refused, cancelled, are in doubt, or asked again, by cause."""
    odd = [line for line in batches if line.state in _NAMED or line.not_before is not None]
    driven = is_driven(report)
    for _, group in groupby(sorted(odd, key=_cause), key=_cause):
        there = list(group)
        first, several = there[0], "report.troubled_more"
        if len(there) <= MOST_NAMED:
            several = "report.troubled" if len(there) > 1 else "report.troubled_one"
        line = Message(
            several, numbers=[line.n for line in there[:MOST_NAMED]], count=len(there),
            state=_state(first), reason=_why(first, driven=driven),
            code=Code(first.errcode, first.errmsg),
        )  # fmt: skip
        yield _with(line, _next(there, report) if driven else None)


_NAMED = frozenset({BatchState.REFUSED, BatchState.CANCELLED, BatchState.IN_DOUBT})


def _cause(line: BatchLine) -> tuple[object, ...]:
    code = (line.errcode is not None, line.errcode or 0, line.errmsg or "")
    called_before = line.state is BatchState.PLANNED and line.attempts > 0
    return (line.state.value, reason(line.reason).value, called_before, *code)


def _state(line: BatchLine) -> BatchState | Message:
    """Return where a batch stands; one that waits after a refused call is not "not called yet"."""
    if line.state is BatchState.PLANNED and line.attempts:
        return Message("state.batch.called_before")
    return line.state


def _why(line: BatchLine, *, driven: bool) -> Reason | Message:
    """Return why a batch stands so; no batch is asked again while its broadcast stands still."""
    if line.reason is not Reason.REPEAT_UNKNOWN:
        return reason(line.reason)
    answered = "reason.repeat_unknown" if line.errcode is None else "reason.repeat_answered"
    return Message(answered if driven else f"{answered}_later")


def _next(batches: Sequence[BatchLine], report: Report) -> Message | None:
    """Tell when the first of them is called again; nothing where none waits for its time."""
    each = [line.not_before for line in batches if line.not_before is not None]
    waits = [at for at in each if at > report.now]
    return Message("report.troubled_next", at=Moment(min(waits), report.now)) if waits else None
