"""Ways out: who stopped a broadcast and why, and for each doubt and refusal the one command."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine

from broadcast.call.attempts import Reason
from broadcast.call.retry import RetryVerdict
from broadcast.reports import BatchLine, Report
from broadcast.states import BatchState, BroadcastState
from broadcast.text import t
from cli import words
from models.ledger.reading import doubts, retry_verdicts, voices
from models.ledger.reading.in_flight import InFlight
from models.ledger.reading.possibly_sent import Span
from models.ledger.reading.retry_verdicts import RetryGroup
from models.ledger.reading.voices import Voice

#: Most codes for which the command is written out.
MOST_EXPLAINED = 3


def lines(engine: Engine, told: Report) -> Iterator[str]:
    """Yield what a person can do about a broadcast, and what a person has said of it.

    *told* with its batches.
    """
    voice = voices.last(engine, told.id)
    cancelled = voice is not None and voice.moved_to == BroadcastState.CANCELLED
    if voice is not None:
        yield from _voice(voice, told)
    yield from _doubts(engine, told)
    if told.batches["refused"] and not cancelled:
        yield from _retry(engine, told)
    yield from explain(told)
    for one in voices.contradicted(engine, told.id):
        yield t(
            "ways.contradicted", n=one.n, at=words.moment(one.at, told.now),
            word=words.reason(Reason(one.word)), msg_id=one.msg_id or "-",
        )  # fmt: skip


def _voice(voice: Voice, told: Report) -> Iterator[str]:
    facts = {"who": words.speaker(voice.who, voice.why), "at": words.moment(voice.at, told.now)}
    if voice.moved_to == BroadcastState.CANCELLED:
        yield t("ways.cancelled_by", **facts)
    elif voice.moved_to == BroadcastState.PAUSED and told.state is BroadcastState.PAUSED:
        yield t("ways.paused_by", **facts)


def _doubts(engine: Engine, told: Report) -> Iterator[str]:
    unsettled = [line for line in told.batch_list if line.state is BatchState.IN_DOUBT]
    if not unsettled:
        return
    named, called = doubts.named_msg_ids(engine, told.id), doubts.called_at(engine, told.id)
    for line in unsettled[: words.MOST_NAMED]:
        yield _doubt(told, line, called=called.get(line.n), msg_ids=named.get(line.n, []))
    if len(unsettled) > words.MOST_NAMED:
        yield t("ways.more_doubts", n=len(unsettled) - words.MOST_NAMED, id=told.id)


def _doubt(told: Report, line: BatchLine, *, called: Span | None, msg_ids: list[int]) -> str:
    facts = {"n": line.n, "size": f"{line.size:,}", "id": told.id}
    if called is None:
        # Replies that came late refused every call of it.
        return t("ways.doubt_refused", **facts)
    facts["at"] = words.between(called.first, called.last, told.now)
    if msg_ids:
        return t("ways.doubt_named", msg_ids=words.listed(msg_ids), **facts)
    return t("ways.doubt", **facts)


def _retry(engine: Engine, told: Report) -> Iterator[str]:
    again = [
        group for group in retry_verdicts.look(engine, told.id) if group.place is RetryVerdict.AGAIN
    ]
    if again:
        numbers, followers = together(again)
        one = words.suffix(sum(len(group.numbers) for group in again))
        yield t(f"ways.retry{one}", numbers=numbers, followers=f"{followers:,}", id=told.id)


def explain(told: Report) -> Iterator[str]:
    """Name the command that tells what WeChat's codes mean, where nothing or not all went out."""
    if told.state not in {BroadcastState.FAILED, BroadcastState.PARTIAL}:
        return
    refused = [line.errcode for line in told.batch_list if line.state is BatchState.REFUSED]
    for code in sorted({code for code in refused if code is not None})[:MOST_EXPLAINED]:
        yield t("ways.explain", code=code)


def together(groups: list[RetryGroup]) -> tuple[str, int]:
    """Return the numbers of all batches in *groups*, the first of them, and how many follow."""
    numbers = [n for group in groups for n in group.numbers]
    return words.shortened(sorted(numbers)), sum(group.followers for group in groups)


def under_way(found: list[InFlight], now: datetime) -> Iterator[str]:
    """Yield the calls that no word stops any more, and those whose worker is gone."""
    for flight in found:
        yield t(
            "ways.under_way" if flight.driven else "ways.left_behind", id=flight.broadcast_id,
            n=flight.n, size=f"{flight.size:,}", at=words.moment(flight.since, now),
        )  # fmt: skip
