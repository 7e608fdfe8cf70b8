"""The first line of a report: which broadcast, its state, until when, and in which sets it is."""

from __future__ import annotations

import json
from datetime import datetime

from broadcast.call.path import SendPath
from broadcast.frozen import frozen
from broadcast.gates import blockers
from broadcast.gates.kinds import GateKind
from broadcast.message import Message
from broadcast.plan.selection import Excluded
from broadcast.reports import SETS, Report
from broadcast.states import BatchState, BroadcastState, Phase
from presentation import words
from presentation.texts import Texts
from presentation.words import Joined, ShortMoment


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


@words.of.register(StateNow)
def _(fact: StateNow, texts: Texts) -> str:
    shown = words.short(fact.state, texts)
    if fact.until is not None:
        when = ShortMoment(fact.until, fact.now)
        scheduled = fact.state is BroadcastState.SCHEDULED
        shown = texts(
            "list.state_scheduled" if scheduled else "list.state_until", state=shown, when=when
        )
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
    """Return where a broadcast stands."""
    each = [one.until for one in blockers.of(report)]
    moments = [until for until in each if until is not None]
    return StateNow(
        state=report.state, until=max(moments) if moments and None not in each else None,
        in_doubt=bool(report.batches["in_doubt"]),
        account_off=report.phase is not Phase.ENDED and report.lane.stands_still_for(report.path),
        held_itself=report.gate(GateKind.HOLD) is not None, now=report.now,
    )  # fmt: skip


def line(report: Report) -> Message:
    """Return the first line of a report."""
    return Message("report.headline", id=report.id, state=state(report), sets=sets(report))


def sets(report: Report) -> Message:
    """Return in which sets the followers are, or why nobody can count them."""
    planned = report.audience["planned"]
    if report.is_unlisted:
        return Message("report.sets_no_list")
    if planned is None:
        why, asked = Message(f"report.sets_{_uncounted(report)}"), asked_for(report)
        if not asked:
            return why
        return Message("report.sets_asked", why=why, asked=Joined(asked, "separator"))
    counts = report.recipients
    figures = [Message("report.accepted_of", n=counts["accepted"], planned=planned)]
    possibly = possibly_sent(report)
    if possibly or counts["waiting"] != planned:
        others = [name for name in SETS if name != "accepted" and counts[name]]
        figures += [_set(name, counts[name] or 0, possibly) for name in others]
    return Message("report.sets", figures=Joined(figures, "separator"))


def asked_for(report: Report) -> list[Message]:
    """Return who of its list is not meant, as it was asked for."""
    said = json.loads(report.selection or "{}")
    asked = [one.partition(":") for one in said.get("exclude", ())]
    files = sum(kind == Excluded.FILE for kind, _, _ in asked)
    found = [Message("asked.file", n=files)] if files else []
    found += [
        Message(f"asked.{kind}", value=value) for kind, _, value in asked if kind != Excluded.FILE
    ]
    if said.get("only_current"):
        found.append(Message("asked.only_current"))
    if "sample" in said:
        found.append(Message("asked.sample", size=said["sample"]["size"]))
    return found


def _set(name: str, n: int, possibly: int) -> Message:
    """Return a set's figure; who may have it is a part of those who wait, and no figure beside."""
    if name == "waiting" and possibly:
        return Message("set.waiting_possibly", n=n, possibly=possibly)
    return Message(f"set.{name}", n=n)


def possibly_sent(report: Report) -> int:
    """Return how many of those that wait may have it: their batch's call has no reply to trust.

    *report* with its batches.
    """
    open_calls = {BatchState.CALLING, BatchState.UNKNOWN}
    return sum(line.size or 0 for line in report.batch_list if line.state in open_calls)


def _uncounted(report: Report) -> str:
    """Return why it is not known how many there are; a list that is WeChat's is so in any phase."""
    if report.path is SendPath.SENDALL:
        taken = report.batches["accepted"] or report.batches["in_doubt"]
        return "unknown" if taken or report.phase is not Phase.ENDED else "not_taken"
    if report.phase is Phase.UPLOADING:
        return "uploading"
    return "never_planned" if report.phase is Phase.ENDED else "unplanned"
