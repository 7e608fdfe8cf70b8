"""A broadcast's report: the state of everybody, what waits, why, and what goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import filterfalse, groupby

from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates import blockers
from broadcast.rules.gates.blockers import is_driven
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan.audience import Followers
from broadcast.rules.plan.selection import Excluded
from broadcast.rules.reports import SETS, SKIPS, BatchLine, Repeat, Report
from broadcast.rules.states import STOPPED_JOB, BatchState, BroadcastState, Phase, Reason
from broadcast.views import audience_words, blocker_lines, content, delivered, resend, words
from broadcast.views import next_steps as next_steps_module
from broadcast.views.texts import Texts
from broadcast.views.words import (
    MOST_NAMED,
    Joined,
    Meaning,
    Moment,
    ShortMoment,
    code_of,
    numbered,
    reason,
    sizes,
)

#: Line numbers that are named of one reason; `recipients --set skipped` has the others.
MOST_LINES = 3

Skipped = Mapping[str, Sequence[tuple[int, str]]]


def report_lines(
    report: Report,
    repeats: Sequence[Repeat],
    skipped: Skipped,
    *,
    absent: Message | None = None,
    next_steps: Iterable[Message] = (),
) -> Iterator[Message]:
    """Yield the report line by line; *next_steps* are what an operator can do about it.

    *absent*: that the settings lack its account.
    """
    yield from in_short(report, absent)
    yield from _troubled(report, filter(delivered.is_stopped, report.batch_list))
    yield from next_steps
    yield from _list(report, skipped)
    yield from delivered.lines(report)
    yield from _repeats(repeats)
    yield from _troubled(report, filterfalse(delivered.is_stopped, report.batch_list))
    if report.priority:
        yield Message("report.priority", n=report.priority)
    yield _times(report)
    if report.operator_actions is not None:
        yield from next_steps_module.action_lines(report)


def in_short(report: Report, absent: Message | None = None) -> Iterator[Message]:
    """Yield the short report of a broadcast: its identity, its state, and its blockers.

    *absent*: that the settings lack its account.
    """
    yield headline(report)
    yield content.line(report)
    if report.state in _TAKEN:
        yield Message("report.accepted_means")
    if absent is not None:
        yield absent
    yield from blocker_lines.blocker_lines(report, has_account=absent is None)


#: Of these the operator reads how many WeChat accepted, and may take it for delivered.
_TAKEN = frozenset({BroadcastState.COMPLETED, BroadcastState.PARTIAL})


def _times(report: Report) -> Message:
    facts: dict[str, object] = {
        "created": Moment(report.created_at, report.now),
        "who": report.created_by or "?",
    }
    scheduled = report.scheduled_at if report.awaits_first_call else None
    if scheduled is not None and report.gate(GateKind.PAUSE):
        at = Moment(scheduled, report.now)
        return Message("report.times_scheduled", **facts, at=at)
    # What is held has not ended: an operator settles it, and may let it go on.
    if report.finished_at is None or report.state is BroadcastState.HELD:
        return Message("report.times", **facts)
    return Message("report.times_ended", **facts, ended=Moment(report.finished_at, report.now))


def _list(report: Report, skipped: Skipped) -> Iterator[Message]:
    """Yield the lines read of its list, and the batches that were made of it."""
    if report.is_unlisted:
        yield Message("report.no_list")
        return
    if report.phase is not Phase.UPLOADING:
        yield _audience(report, skipped)
    yield _batches(report)


def _audience(report: Report, skipped: Skipped) -> Message:
    if report.path is SendPath.SENDALL:
        return Message(
            "report.audience",
            figures=Joined(
                [audience_words.to_all(report), *_ignored_suppression(report)], "separator"
            ),
        )
    listed, lines = report.audience_kind != Followers.kind, report.audience["read"]
    read = Message("report.read", n=lines)
    figures = [read if listed else audience_words.followers(report)]
    for name in SKIPS:
        count = report.audience[name]
        if count or (listed and name in {"malformed", "duplicate"}):
            figure = Message(f"skip.{name}", n=count)
            figures.append(_with(figure, _where(skipped.get(name, ()), count or 0)))
    if report.audience["planned"] is not None:
        planned = report.audience["planned"]
        figures.append(Message("report.planned", n=planned))
    figures += _ignored_suppression(report)
    return Message("report.audience", figures=Joined(figures, "separator"))


def _ignored_suppression(report: Report) -> list[Message]:
    """Return that people get it who get nothing else, and who said so."""
    if not json.loads(report.selection or "{}").get("ignore_suppression"):
        return []
    return [Message("report.ignores_suppression", who=report.created_by or "?")]


def _where(sample: Sequence[tuple[int, str]], count: int) -> Message | None:
    """Name the first lines."""
    # Who was left out by the plan stands on no line.
    numbers = [line for line, _ in sample[:MOST_LINES] if line]
    if not numbers:
        return None
    if count == 1:
        return Message("report.line", numbers=numbers)
    return Message("report.lines_more" if count > MOST_LINES else "report.lines", numbers=numbers)


def _with(line: Message, rest: Message | None) -> Message:
    """Return *line* with *rest* behind it."""
    return line if rest is None else Message("together", parts=Joined([line, rest]))


def _batches(report: Report) -> Message:
    total = report.batches["total"]
    if not total:
        nobody = report.phase is Phase.ENDED and report.audience["planned"] == 0
        return Message("report.nobody_left" if nobody else "report.not_cut")
    each = [
        line.size
        for line in report.batch_list
        if line.state is not BatchState.SPLIT and line.size is not None
    ]
    if not each:
        return Message("report.batches_bare", total=total, calls=report.calls)
    return Message("report.batches", total=total, sizes=sizes(each), calls=report.calls)


def _repeats(repeats: Sequence[Repeat]) -> Iterator[Message]:
    """Name the batches that were called again, by the outcome of the call before."""
    for _, group in groupby(sorted(repeats, key=_outcome_key), key=_outcome_key):
        calls = list(group)
        first, numbers = calls[0], sorted({repeat.n for repeat in calls})
        why: Message | str = code_of(first.errcode)
        if first.transport:
            why = Message("report.why", why=Message(f"transport.{first.transport}"))
        yield numbered(
            "report.repeat",
            numbers,
            calls=len(calls),
            outcome=first.outcome or Message("outcome.unknown"),
            why=why,
        )


def _outcome_key(repeat: Repeat) -> tuple[str, int, str]:
    outcome = repeat.outcome.value if repeat.outcome else ""
    return (outcome, repeat.errcode or 0, repeat.transport or "")


def maybe_sent(report: Report) -> Iterator[Message]:
    """Name the batches of which it is not known whether WeChat took them, and when it is asked."""
    doubtful = [line for line in report.batch_list if line.state is BatchState.UNKNOWN]
    yield from _troubled(report, doubtful)


def _troubled(report: Report, batches: Iterable[BatchLine]) -> Iterator[Message]:
    """Name the batches that were refused, cancelled, are in doubt, or called again, by cause."""
    odd = [
        line
        for line in batches
        if (line.state in _NAMED or line.not_before is not None) and not _said_above(line)
    ]
    driven = is_driven(report)
    for _, group in groupby(sorted(odd, key=_cause), key=_cause):
        lines = list(group)
        first, several = lines[0], "report.troubled_more"
        if len(lines) <= MOST_NAMED:
            several = "report.troubled" if len(lines) > 1 else "report.troubled_one"
        line = Message(
            several,
            numbers=[line.n for line in lines[:MOST_NAMED]],
            count=len(lines),
            state=_state(first),
            reason=_why(first, driven=driven),
            code=_code(first),
        )
        yield _with(line, _next(lines, report) if driven else None)


def _said_above(line: BatchLine) -> bool:
    """Return whether a batch is cancelled because the broadcast was."""
    return line.state is BatchState.CANCELLED and line.reason is Reason.BY_HAND


_NAMED = frozenset({BatchState.REFUSED, BatchState.CANCELLED, BatchState.IN_DOUBT})


def _cause(line: BatchLine) -> tuple[object, ...]:
    code = (line.errcode is not None, line.errcode or 0, line.errmsg or "")
    ended = line.finish.status if line.finish else ""
    return (line.state.value, reason(line.reason).value, line.is_fixed, ended, *code)


def _code(line: BatchLine) -> Message | str:
    """Return WeChat's own word: of the review that refused a job, or of the last call."""
    if line.reason in STOPPED_JOB and line.finish is not None:
        return Message("report.review", why=delivered.status(line.finish))
    return code_of(line.errcode, line.errmsg)


def _state(line: BatchLine) -> BatchState | Message:
    """Return the state of a batch; one that waits after a refused call is not "not called yet"."""
    if line.is_fixed:
        return Message("state.batch.called_before")
    return line.state


def _why(line: BatchLine, *, driven: bool) -> Reason | Message | Meaning:
    """Return why a batch stands so; no batch is called again while its broadcast is blocked."""
    if delivered.is_unconfirmed(line):
        return Reason.UNCONFIRMED
    if line.reason is None and line.errcode is not None:
        return Meaning(line.errcode)
    if line.reason is not Reason.REPEAT_UNKNOWN:
        return reason(line.reason)
    answered = "reason.repeat_unknown" if line.errcode is None else "reason.repeat_answered"
    return Message(answered if driven else f"{answered}_later")


def _next(batches: Sequence[BatchLine], report: Report) -> Message | None:
    """Return when the first of them is called again; nothing where none waits for its time."""
    each = [line.not_before for line in batches if line.not_before is not None]
    waits = [at for at in each if at > report.now]
    return Message("report.troubled_next", at=Moment(min(waits), report.now)) if waits else None


@frozen
class StateNow:
    """A state in a word or two, until when it lasts, and what an operator must not overlook."""

    state: BroadcastState
    #: When it continues automatically; None: an operator must act, or nothing keeps it back.
    until: datetime | None
    in_doubt: bool
    #: Its account is halted or stopped, so nothing of it is sent.
    account_off: bool
    #: It is held itself as well, and needs a resume of its own.
    held_itself: bool
    now: datetime


_WAITS = {
    BroadcastState.SCHEDULED: "list.state_scheduled",
    # WeChat has it, and asks first.
    BroadcastState.COMPLETED: "list.state_administrator",
}


@words.fact_words.register(StateNow)
def _(fact: StateNow, texts: Texts) -> str:
    shown = words.short(fact.state, texts)
    if fact.until is not None:
        when = ShortMoment(fact.until, fact.now)
        shown = texts(_WAITS.get(fact.state, "list.state_until"), state=shown, when=when)
    only_account = not (fact.held_itself or fact.in_doubt)
    if fact.account_off and fact.state is BroadcastState.HELD and only_account:
        # For its account alone: resume would be the wrong command.
        shown = texts("list.state_account_off")
    elif fact.account_off:
        shown = texts("list.state_account_still", state=shown)
    if fact.in_doubt and fact.state is not BroadcastState.HELD:
        shown = texts("list.state_in_doubt", state=shown)
    return shown


def state(report: Report) -> StateNow:
    """Return the state of a broadcast."""
    each = [one.until for one in blockers.blockers_of(report)]
    moments = [until for until in each if until is not None]
    return StateNow(
        state=report.state,
        until=max(moments) if moments and None not in each else None,
        in_doubt=bool(report.batches["in_doubt"]),
        account_off=report.phase is not Phase.ENDED and report.lane.is_off_for(report.path),
        held_itself=report.gate(GateKind.HOLD) is not None,
        now=report.now,
    )


def headline(report: Report) -> Message:
    """Return the first line of a report."""
    return Message("report.headline", id=report.id, state=state(report), sets=sets(report))


def sets(report: Report) -> Message:
    """Return in which sets the followers are, or why nobody can count them."""
    planned = report.audience["planned"]
    if report.is_unlisted:
        return Message("report.sets_no_list")
    if planned is None:
        why, narrowing = Message(f"report.sets_{_uncounted(report)}"), asked_for(report)
        if not narrowing:
            return why
        return Message("report.sets_asked", why=why, asked=Joined(narrowing, "separator"))
    counts = report.recipients
    figures = [Message("report.accepted_of", n=counts["accepted"], planned=planned)]
    possibly = possibly_sent(report)
    if possibly or counts["waiting"] != planned:
        others = [name for name in SETS if name != "accepted" and counts[name]]
        figures += [_set(name, counts[name] or 0, possibly) for name in others]
    return Message("report.sets", figures=Joined(figures, "separator"))


def asked_for(report: Report) -> list[Message]:
    """Return the exclusions of its list, as they were asked for."""
    selection = json.loads(report.selection or "{}")
    exclusions = [one.partition(":") for one in selection.get("exclude", ())]
    files = sum(kind == Excluded.FILE for kind, _, _ in exclusions)
    found = [Message("asked.file", n=files)] if files else []
    found += [
        Message(f"asked.{kind}", value=value)
        for kind, _, value in exclusions
        if kind != Excluded.FILE
    ]
    if selection.get("only_current"):
        found.append(Message("asked.only_current"))
    if "sample" in selection:
        found.append(Message("asked.sample", size=selection["sample"]["size"]))
    return found


def _set(name: str, n: int, possibly: int) -> Message:
    """Return a set's figure; who may have it is a part of those who wait, and no figure beside."""
    if name == "waiting" and possibly:
        return Message("set.waiting_possibly", n=n, possibly=possibly)
    return Message(f"set.{name}", n=n)


def possibly_sent(report: Report) -> int:
    """Return how many of the waiting may have it: their batch's call has no reply to trust.

    *report* with its batches.
    """
    return sum(line.size or 0 for line in report.batch_list if line.state in resend.MAYBE_SENT)


def _uncounted(report: Report) -> str:
    """Return why it is not known how many there are; a list that is WeChat's is so in any phase."""
    if report.path is SendPath.SENDALL:
        taken = report.batches["accepted"] or report.batches["in_doubt"]
        return "unknown" if taken or report.phase is not Phase.ENDED else "not_taken"
    if report.phase is Phase.UPLOADING:
        return "uploading"
    return "never_planned" if report.phase is Phase.ENDED else "unplanned"
