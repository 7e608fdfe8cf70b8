"""A broadcast's report in words: what became of everybody, what waits, why, and what goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from broadcast.call.attempts import Reason
from broadcast.gates import blockers
from broadcast.reports import (
    SETS,
    SKIPS,
    BatchLine,
    Did,
    OperatorAction,
    People,
    Repeat,
    Report,
)
from broadcast.states import BatchState
from broadcast.states import BroadcastState as S
from broadcast.text import t
from cli import standing, words

Skipped = Mapping[str, Sequence[tuple[int, str]]]


def lines(
    told: Report, repeats: Sequence[Repeat], skipped: Skipped, *, ways: Iterable[str] = ()
) -> Iterator[str]:
    """Yield the report line by line; *ways* are what a person can do about it."""
    yield t("report.title", id=told.id, account=told.account)
    yield t("report.state", state=words.broadcast_state(told.state))
    if told.priority:
        yield t("report.priority", n=told.priority)
    yield from standing.lines(told)
    yield from ways
    yield _audience(told, skipped)
    yield _batches(told)
    yield recipients(told)
    yield from _repeats(repeats)
    yield from _troubled(told, told.batch_list)
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


def _what(deed: OperatorAction) -> str:
    if deed.did is not Did.RESOLVE:
        return t(f"people.did.{deed.did}", account=deed.account, n=deed.batches)
    if deed.msg_id is None:
        return t("people.did.resolve_not_sent", n=deed.batch)
    return t("people.did.resolve", n=deed.batch, msg_id=deed.msg_id)


def _times(told: Report) -> str:
    created = words.moment(told.created_at, told.now)
    if told.scheduled_at is not None and told.started_at is None and told.state is S.PAUSED:
        at = words.moment(told.scheduled_at, told.now)
        return t("report.times_scheduled", created=created, at=at)
    if told.finished_at is None:
        return t("report.times", created=created)
    return t("report.times_ended", created=created, ended=words.moment(told.finished_at, told.now))


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
    numbers = words.listed(line for line, _ in sample[: words.MOST_NAMED])
    if count == 1:
        return t("report.line", numbers=numbers)
    return t("report.lines_more" if count > words.MOST_NAMED else "report.lines", numbers=numbers)


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
    for repeat in repeats[: words.MOST_NAMED]:
        why = words.code(repeat.errcode, None)
        if repeat.transport:
            why = t("report.why", why=t(f"transport.{repeat.transport}"))
        yield t(
            "report.repeat", n=repeat.n, number=repeat.number,
            outcome=words.outcome(repeat.outcome), why=why,
        )  # fmt: skip
    if len(repeats) > words.MOST_NAMED:
        yield t("report.more_repeats", n=len(repeats) - words.MOST_NAMED)


def maybe_sent(told: Report) -> Iterator[str]:
    """Name the batches of which it is not known whether WeChat took them, and when it is asked."""
    yield from _troubled(told, [b for b in told.batch_list if b.state is BatchState.UNKNOWN])


def _troubled(told: Report, batches: Iterable[BatchLine]) -> Iterator[str]:
    """Name the batches that were refused, cancelled, are in doubt, or asked again, by cause."""
    driven = blockers.is_driven(told)
    odd = [b for b in batches if b.state in _TOLD or b.not_before is not None]
    for (state, reason, code), group in groupby(sorted(odd, key=_cause), key=_cause):
        there = list(group)
        numbers = words.listed(b.n for b in there[: words.MOST_NAMED])
        # Of many batches the first are named.
        several = "report.troubled_more" if len(there) > words.MOST_NAMED else "report.troubled"
        yield t(
            several if len(there) > 1 else "report.troubled_one",
            numbers=numbers, count=len(there), state=words.batch_state(BatchState(state)),
            reason=_why(Reason(reason), driven=driven), code=code,
        ).rstrip() + (_next(there, told.now) if driven else "")  # fmt: skip


def _why(reason: Reason, *, driven: bool) -> str:
    """Return why a batch stands so; no batch is asked again while its broadcast stands still."""
    if reason is Reason.REPEAT_UNKNOWN and not driven:
        return t("reason.repeat_unknown_later")
    return words.reason(reason)


def _next(batches: Sequence[BatchLine], now: datetime) -> str:
    """Return when the first of them is called again; nothing where none waits for its time."""
    waits = [b.not_before for b in batches if b.not_before is not None and b.not_before > now]
    return t("report.troubled_next", at=words.moment(min(waits), now)) if waits else ""


_TOLD = frozenset({BatchState.REFUSED, BatchState.CANCELLED, BatchState.IN_DOUBT})


def _cause(batch: BatchLine) -> tuple[str, str, str]:
    told_code = words.code(batch.errcode, batch.errmsg)
    return batch.state.value, (batch.reason or Reason.NONE).value, told_code
