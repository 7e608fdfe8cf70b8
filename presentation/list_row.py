"""A broadcast as one row of a list: what it says, how far it is, and when it goes on."""

from __future__ import annotations

from datetime import datetime, timedelta

from broadcast import day
from broadcast.gates import blockers
from broadcast.message import Message
from broadcast.reports import Report
from broadcast.states import BroadcastState
from presentation import words
from presentation.texts import Texts


def state(report: Report, texts: Texts) -> str:
    """Return the state in a word or two, until when it lasts, and whether a batch is in doubt."""
    told = words.short(report.state, texts)
    until = _until(report)
    if until is not None:
        scheduled = report.state is BroadcastState.SCHEDULED
        wait = "list.state_scheduled" if scheduled else "list.state_until"
        told = texts(wait, state=told, when=_when(until, report.now))
    if report.batches["in_doubt"] and report.state is not BroadcastState.HELD:
        told = texts("list.state_in_doubt", state=told)
    return told


def progress(report: Report) -> str:
    """Return how many were accepted of how many; what only WeChat knows is a dash."""
    accepted, planned = report.recipients["accepted"], report.audience["planned"]
    return f"{_figure(accepted)}/{_figure(planned)}"


def _figure(figure: int | None) -> str:
    return "-" if figure is None else f"{figure:,}"


def _until(report: Report) -> datetime | None:
    """Return when it goes on by itself; None where a person must act, or nothing keeps it back."""
    each = [one.until for one in blockers.of(report)]
    moments = [until for until in each if until is not None]
    return max(moments) if moments and None not in each else None


def _when(moment: datetime, now: datetime) -> Message | str:
    """Return a moment as short as it can be said: today's and tomorrow's without a date."""
    local, today = moment.astimezone(day.SHANGHAI), now.astimezone(day.SHANGHAI).date()
    time = f"{local:%H:%M}"
    if local.date() == today:
        return Message("list.today", time=time)
    if local.date() == today + timedelta(days=1):
        return Message("list.tomorrow", time=time)
    return f"{local:%m-%d} {time}"
