"""A broadcast's report in words: what became of everybody, what waits, why, and what goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from broadcast.attempts import Reason
from broadcast.reports import (
    SETS,
    SKIPS,
    BatchLine,
    Deed,
    Did,
    LaneView,
    People,
    Repeat,
    Report,
)
from broadcast.states import BatchState, BroadcastState
from broadcast.text import t
from cli import words
from cli.standing import stops as standing_still

#: Most lines, batches or repeats named one by one; the rest is counted.
MOST_NAMED = 10

#: Without a worker, or without beat, for this long: then nobody is there.
NOBODY = timedelta(seconds=15)

Skipped = Mapping[str, Sequence[tuple[int, str]]]
S = BroadcastState


def lines(
    told: Report, repeats: Sequence[Repeat], skipped: Skipped, *, ways: Iterable[str] = ()
) -> Iterator[str]:
    """Yield the report line by line; *ways* are what a person can do about it."""
    yield t("report.title", id=told.id, account=told.account)
    yield t("report.state", state=words.broadcast_state(told.state))
    if told.priority:
        yield t("report.priority", n=told.priority)
    yield from standing(told)
    yield from ways
    yield _audience(told, skipped)
    yield _batches(told)
    yield recipients(told)
    yield from _repeats(repeats)
    yield from _troubled(told.batch_list, told.now)
    yield _times(told)
    if told.people is not None:
        yield from people(told.people, told.now)


def people(done: People, now: datetime) -> Iterator[str]:
    """Yield who did what, when and why, oldest first; nothing where nobody did anything."""
    if not done.deeds:
        return
    yield t("people.title")
    if done.earlier:
        yield t("people.earlier", n=done.earlier)
    for deed in done.deeds:
        who = words.speaker(deed.who, deed.why)
        yield t("people.line", at=words.moment(deed.at, now), what=_what(deed), who=who)


def _what(deed: Deed) -> str:
    if deed.did is not Did.RESOLVE:
        return t(f"people.did.{deed.did}", account=deed.account, n=deed.batches)
    if deed.msg_id is None:
        return t("people.did.resolve_not_sent", n=deed.batch)
    return t("people.did.resolve", n=deed.batch, msg_id=deed.msg_id)


def _times(told: Report) -> str:
    created = words.moment(told.created_at, told.now)
    if told.finished_at is None:
        return t("report.times", created=created)
    return t("report.times_ended", created=created, ended=words.moment(told.finished_at, told.now))


def standing(told: Report) -> Iterator[str]:
    """Yield why the broadcast waits or stands still, until when, and the command that goes on.

    An account that stands still is told whatever the state: its next broadcast stands still too.
    """
    stops = list(standing_still(told.account, told.lane, told.now))
    yield from stops
    if told.state is S.PAUSED or (told.state is S.HELD and _itself(told, stopped=bool(stops))):
        yield _stopped(told)
    elif told.state is S.SCHEDULED and told.scheduled_at is not None:
        at = words.moment(told.scheduled_at, told.now)
        yield t("standing.overdue" if is_overdue(told) else "standing.scheduled", at=at, id=told.id)
    elif told.state in {S.PLANNING, S.WAITING, S.SENDING} and lane_waits(told):
        yield lane_wait(told)


def is_overdue(told: Report) -> bool:
    """Tell whether its time has come and gone, and nobody launched it."""
    at = told.scheduled_at
    return told.state is S.SCHEDULED and at is not None and told.now - at > NOBODY


def _itself(told: Report, *, stopped: bool) -> bool:
    """Tell whether it is held for a reason of its own, not only by its account."""
    return not stopped or told.reason is not None or not told.recipients["waiting"]


def lane_waits(told: Report) -> bool:
    """Tell whether the account's lane waits for a moment to come."""
    return told.lane.not_before is not None and told.lane.not_before > told.now


def lane_wait(told: Report) -> str:
    """Return what the lane waits for, and until when."""
    lane: LaneView = told.lane
    until = words.moment(lane.not_before or told.now, told.now)
    return t("standing.waits", reason=words.reason(lane.wait_reason), until=until, id=told.id)


def _stopped(told: Report) -> str:
    code = words.code(told.reason_errcode, told.reason_errmsg)
    if told.state is S.PAUSED and told.reason is Reason.TOO_MANY_REFUSALS:
        return t(
            "standing.paused_for_refusals", n=told.reason_count or "?", code=told.reason_errcode,
            meaning=words.meaning(told.reason_errcode), id=told.id,
        )  # fmt: skip
    if told.state is S.PAUSED:
        return t("standing.paused", reason=words.reason(told.reason), code=code, id=told.id)
    if told.reason is Reason.PLAN_DOES_NOT_FIT:
        return t("standing.does_not_fit", id=told.id)
    if told.batches["waiting"]:
        return t("standing.held", reason=words.reason(told.reason), code=code, id=told.id)
    doubts = told.batches["in_doubt"]
    if doubts == 1:
        return t("standing.in_doubt_one", id=told.id)
    return t("standing.in_doubt", n=doubts, id=told.id)


def _audience(told: Report, skipped: Skipped) -> str:
    figures = [t("report.read", n=f"{told.audience['read']:,}")]
    for name in SKIPS:
        count = told.audience[name]
        if count or name in {"malformed", "duplicate"}:
            figures.append(t(f"skip.{name}", n=f"{count:,}") + _where(skipped.get(name, ()), count))
    figures.append(t("report.planned", n=f"{told.audience['planned']:,}"))
    return t("report.audience", figures=t("separator").join(figures))


def _where(sample: Sequence[tuple[int, str]], count: int) -> str:
    """Name the first lines."""
    if not sample:
        return ""
    numbers = words.listed(line for line, _ in sample[:MOST_NAMED])
    if count == 1:
        return t("report.line", numbers=numbers)
    return t("report.lines_more" if count > MOST_NAMED else "report.lines", numbers=numbers)


def _batches(told: Report) -> str:
    total = told.batches["total"]
    if not total:
        return t("report.not_cut")
    sizes = [line.size for line in told.batch_list if line.state is not BatchState.SPLIT]
    if not sizes:
        return t("report.batches_bare", total=total, calls=told.calls)
    return t("report.batches", total=total, sizes=words.sizes(sizes), calls=told.calls)


def recipients(told: Report) -> str:
    """Return in which sets the recipients are."""
    figures = [
        t(f"set.{name}", n=f"{told.recipients[name]:,}")
        for name in SETS
        if told.recipients[name] or name == "accepted"
    ]
    return t("report.recipients", figures=t("separator").join(figures))


def _repeats(repeats: Sequence[Repeat]) -> Iterator[str]:
    for repeat in repeats[:MOST_NAMED]:
        why = words.code(repeat.errcode, None)
        if repeat.transport:
            why = t("report.why", why=t(f"transport.{repeat.transport}"))
        yield t(
            "report.repeat", n=repeat.n, number=repeat.number,
            outcome=words.outcome(repeat.outcome), why=why,
        )  # fmt: skip
    if len(repeats) > MOST_NAMED:
        yield t("report.more_repeats", n=len(repeats) - MOST_NAMED)


def _troubled(batches: Sequence[BatchLine], now: datetime) -> Iterator[str]:
    """Name the batches that were refused, cancelled, are in doubt, or asked again, by cause."""
    odd = [b for b in batches if b.state in _TOLD or b.not_before is not None]
    for (state, reason, code), group in groupby(sorted(odd, key=_cause), key=_cause):
        there = list(group)
        numbers = words.listed(b.n for b in there[:MOST_NAMED])
        # Of many batches the first are named.
        several = "report.troubled_more" if len(there) > MOST_NAMED else "report.troubled"
        yield t(
            several if len(there) > 1 else "report.troubled_one",
            numbers=numbers, count=len(there), state=words.batch_state(BatchState(state)),
            reason=words.reason(Reason(reason)), code=code,
        ).rstrip() + _next(there, now)  # fmt: skip


def _next(batches: Sequence[BatchLine], now: datetime) -> str:
    """Return when the first of them is called again; nothing where none waits for its time."""
    waits = [b.not_before for b in batches if b.not_before is not None and b.not_before > now]
    return t("report.troubled_next", at=words.moment(min(waits), now)) if waits else ""


_TOLD = frozenset({BatchState.REFUSED, BatchState.CANCELLED, BatchState.IN_DOUBT})


def _cause(batch: BatchLine) -> tuple[str, str, str]:
    told_code = words.code(batch.errcode, batch.errmsg)
    return batch.state.value, (batch.reason or Reason.NONE).value, told_code
