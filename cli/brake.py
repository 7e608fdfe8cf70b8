"""What a person sees before a broadcast is stored: it cannot be called back afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from broadcast import plan
from broadcast.text import t
from cli import output, words
from producer.submit import Order, Prepared

#: Most lines of a text that are shown.
MOST_LINES = 12


def summary(
    order: Order, prepared: Prepared, *, stops: Iterable[str], now: datetime
) -> Iterator[str]:
    """Yield account, audience, plan, calls left, content, time and priority, a line each.

    *stops* are why the account stands still.
    """
    account, figures, sizes = order.account, prepared.figures, prepared.sizes
    yield t(
        "brake.account", name=account.name, appid=account.appid,
        kind=t(f"account_kind.{account.account_kind}"),
    )  # fmt: skip
    yield from stops
    yield t(
        "brake.audience", read=f"{figures.read:,}", malformed=f"{figures.malformed:,}",
        duplicate=f"{figures.duplicate:,}", planned=f"{figures.planned:,}",
    )  # fmt: skip
    yield t("brake.batches", total=len(sizes), sizes=words.sizes(sizes))
    if prepared.proof is not None:
        yield _calls(prepared.proof)
    yield t("brake.content", msgtype=t(f"msgtype.{order.content.msgtype}"))
    yield from _indented(order.content.shown)
    if order.scheduled_at is None:
        yield t("brake.now", at=words.moment(now, now))
    else:
        yield t("brake.at", at=words.moment(order.scheduled_at, now))
    if order.terms.priority:
        yield t("brake.priority", n=order.terms.priority)


def _calls(proof: plan.Proof) -> str:
    match proof.fit:
        case plan.Fit.UNPROVED:
            return t("brake.calls_unknown", calls=proof.calls)
        case plan.Fit.SPREADS:
            return t("brake.calls_spread", calls=proof.calls, free=proof.free, days=proof.days)
        case plan.Fit.TOO_MANY:
            return t("brake.calls_short", calls=proof.calls, free=proof.free, short=proof.short)
    return t("brake.calls", calls=proof.calls, free=proof.free)


def _indented(text: str) -> Iterator[str]:
    lines = text.splitlines()
    for line in lines[:MOST_LINES]:
        shown = "".join(c if c.isprintable() else " " for c in line)
        # What followers will read is shown as they will read it, a link with a token in it too.
        yield output.AsWritten(f"    {shown}")
    if len(lines) > MOST_LINES:
        yield t("brake.more_lines", n=len(lines) - MOST_LINES)
