"""What a person sees before a broadcast is stored: it cannot be called back afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from broadcast import plan
from broadcast.message import Message
from cli.terminal import AsWritten
from presentation.words import Moment, sizes
from producer.submit import Order, Prepared

#: Most lines of a text that are shown.
MOST_LINES = 12


def summary(
    order: Order, prepared: Prepared, *, stops: Iterable[Message], now: datetime
) -> Iterator[Message | AsWritten]:
    """Yield account, audience, plan, calls left, content, time and priority, a line each.

    *stops* are why the account stands still.
    """
    account, figures = order.account, prepared.figures
    kind = Message(f"account_kind.{account.account_kind}")
    yield Message("confirmation.account", name=account.name, appid=account.appid, kind=kind)
    yield from stops
    yield Message(
        "confirmation.audience", read=figures.read, malformed=figures.malformed,
        duplicate=figures.duplicate, planned=figures.planned,
    )  # fmt: skip
    total = len(prepared.sizes)
    yield Message("confirmation.batches", total=total, sizes=sizes(prepared.sizes))
    if prepared.proof is not None:
        yield _calls(prepared.proof)
    if order.terms.title:
        yield Message("confirmation.title", title=order.terms.title)
    msgtype = Message(f"msgtype.{order.content.msgtype}")
    yield Message("confirmation.content", msgtype=msgtype)
    yield from _indented(order.content.shown)
    if order.scheduled_at is None:
        yield Message("confirmation.now", at=Moment(now, now))
    else:
        yield Message("confirmation.at", at=Moment(order.scheduled_at, now))
    if order.terms.priority:
        yield Message("confirmation.priority", n=order.terms.priority)


def _calls(proof: plan.Proof) -> Message:
    calls, free = proof.calls, proof.free
    match proof.fit:
        case plan.Fit.UNPROVED:
            return Message("confirmation.calls_unknown", calls=calls)
        case plan.Fit.SPREADS:
            return Message("confirmation.calls_spread", calls=calls, free=free, days=proof.days)
        case plan.Fit.TOO_MANY:
            return Message("confirmation.calls_short", calls=calls, free=free, short=proof.short)
    return Message("confirmation.calls", calls=calls, free=free)


def _indented(text: str) -> Iterator[Message | AsWritten]:
    lines = text.splitlines()
    for line in lines[:MOST_LINES]:
        shown = "".join(c if c.isprintable() else " " for c in line)
        # What followers will read is shown as they will read it, a link with a token in it too.
        yield AsWritten(f"    {shown}")
    if len(lines) > MOST_LINES:
        yield Message("confirmation.more_lines", n=len(lines) - MOST_LINES)
