"""WeChat's own sends that an account has left, as far as they were sent from here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine

from broadcast import day
from broadcast.call.path import SendPath
from broadcast.message import Message
from broadcast.messages import ALLOWANCES
from broadcast.plan.audience import Everyone
from broadcast.plan.submission import Body
from models.ledger.reading import sendalls


def used_up(engine: Engine, body: Body, *, now: datetime) -> Iterator[Message]:
    """Yield the notice that WeChat will refuse a broadcast with 45028, where that is foreseen.

    It is none of ours to refuse: WeChat alone knows what was sent from its console, and what it
    gives back.
    """
    account, audience = body.account, body.audience
    allowance = ALLOWANCES.get(account.account_kind)
    if allowance is None:
        return
    at = max(now, body.scheduled_at or now)
    month = day.month_start(at.astimezone(day.SHANGHAI)).date()
    if not allowance.tags_count and not isinstance(audience, Everyone):
        # Of each follower WeChat counts the messages, and refuses no call for it.
        sent = sendalls.broadcasts(engine, account.name, since=allowance.begins(at))
        if sent >= allowance.most:
            yield Message("notice.messages.followers", n=sent, most=allowance.most, month=month)
        return
    if audience.path is not SendPath.SENDALL:
        return
    sent = sendalls.accepted(engine, account.name, allowance, at=at)
    more = sendalls.to_come(engine, account.name, allowance, at=at)
    doubts = sendalls.in_doubt(engine, account.name, allowance, at=at)
    period = "month" if allowance.a_month else "day"
    facts: dict[str, object] = {
        "account": account.name,
        "n": sent,
        "most": allowance.most,
        "month": month,
    }
    if sent + more >= allowance.most:
        if more:
            facts["more"] = more
            period += "_to_come"
        yield Message(f"notice.messages.{period}", **facts, until=allowance.ends(at))
    elif sent + more + doubts >= allowance.most:
        facts |= {"more": more, "doubts": doubts}
        yield Message(f"notice.messages.{period}_in_doubt", **facts, until=allowance.ends(at))
