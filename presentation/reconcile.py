"""A comparison of ledger and WeChat in words, and as an object of ``--json``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from broadcast.jobs import counts_another
from broadcast.message import Message
from broadcast.reconcile import Comparison, Found
from presentation import delivered, jobs
from presentation.job_status import job_status
from presentation.report_json import utc
from presentation.texts import Texts
from presentation.words import FollowerCount, Moment, printable, suffix

#: Characters of a push that are shown to programs.
LONGEST_BODY = 2_000


def lines(done: Comparison, now: datetime) -> Iterator[Message]:
    """Yield each difference with its next step, then what is not known yet."""
    for one in done.found:
        yield found(one, now)
    if done.pending:
        yield Message("reconcile.pending", n=done.pending)
    if done.uncounted:
        yield Message("reconcile.uncounted", n=done.uncounted)


def days(first: str, last: str) -> str | Message:
    """Return which days are compared, a single one once."""
    return first if first == last else Message("reconcile.days", first=first, last=last)


def verdict(differences: int) -> Message:
    """Return how many differences there are."""
    if not differences:
        return Message("reconcile.none")
    return Message(f"reconcile.differences{suffix(differences)}", n=differences)


def found(one: Found, now: datetime) -> Message:
    """Return what differs and what to do about it."""
    status = Message("reconcile.review_unknown")
    if one.event is not None:
        status = delivered.status(one.event)
    total = one.event.counts.total if one.event else None
    facts: dict[str, object] = {
        "n": one.n, "id": one.broadcast_id, "msg_id": one.msg_id, "status": status,
        "at": one.at and Moment(one.at, now), "size": FollowerCount(one.size),
        "total": FollowerCount(total), "followers": FollowerCount(total), "state": one.state,
        "ended": one.event and one.event.created_at and Moment(one.event.created_at, now),
        "polled": one.msg_status and job_status(one.msg_status),
        "kind": one.push and printable(one.push.kind),
    }  # fmt: skip
    if one.claim is None:
        return Message(f"reconcile.found.{one.difference}", **facts)
    job, batch = one.claim
    facts["at"] = jobs.ended(job, batch, now=now)
    if counts_another(job.event, batch.size):
        return Message("reconcile.found.unclaimed_other_size", **facts)
    early = "_early" if job.ended_before(batch) else ""
    return Message(f"reconcile.found.unclaimed{early}", **facts)


def as_json(done: Comparison, texts: Texts, now: datetime) -> dict[str, Any]:
    """Return the object of one account."""
    return {
        "account": done.account, "batches": done.batches, "jobs": done.jobs,
        "pending": done.pending, "uncounted": done.uncounted,
        "differences": [_one(one, texts, now) for one in done.found],
    }  # fmt: skip


def _one(one: Found, texts: Texts, now: datetime) -> dict[str, Any]:
    return {
        "difference": one.difference.value, "broadcast": one.broadcast_id, "batch": one.n,
        "msg_id": one.msg_id, "size": one.size, "state": one.state and one.state.value,
        "at": one.at and utc(one.at), "msg_status": one.msg_status,
        "finish": one.event and delivered.event_as_json(one.event),
        "push": one.push and {
            "kind": one.push.kind, "problem": one.push.problem,
            "body": one.push.body[:LONGEST_BODY],
        },
        "found": texts(found(one, now)),
    }  # fmt: skip
