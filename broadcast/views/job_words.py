"""Jobs in words and for ``--json``: ledger against WeChat, how a job ended, which it can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from broadcast.message import Message
from broadcast.rules.jobs import Comparison, FoundDifference, Job, OurBatch, counts_another
from broadcast.rules.reports import Report
from broadcast.views import delivered
from broadcast.views.objects import members
from broadcast.views.texts import Texts
from broadcast.views.words import MOST_NAMED, Moment, follower_count, numbered, printable

#: Characters of a push that are shown to programs.
LONGEST_BODY = 2_000


def reconcile_lines(done: Comparison, now: datetime) -> Iterator[Message]:
    """Yield each difference with its next step, then what is not known yet."""
    for one in done.found:
        yield difference_lines(one, now)
    if done.pending:
        yield Message("reconcile.pending", n=done.pending)
    if done.uncounted:
        yield Message("reconcile.uncounted", n=done.uncounted)


def days(first: Message, last: Message) -> Message:
    """Return which days are compared, a single one once."""
    return first if first == last else Message("reconcile.days", first=first, last=last)


def verdict(differences: int) -> Message:
    """Return the number of differences."""
    if not differences:
        return Message("reconcile.none")
    return Message("reconcile.differences", n=differences)


def difference_lines(one: FoundDifference, now: datetime) -> Message:
    """Return the differences and their fixes."""
    status = Message("reconcile.review_unknown")
    if one.event is not None:
        status = delivered.status(one.event)
    total = one.event.counts.total if one.event else None
    facts: dict[str, object] = {
        "n": one.n,
        "id": one.broadcast_id,
        "msg_id": one.msg_id,
        "status": status,
        "at": one.at and Moment(one.at, now),
        "size": follower_count(one.size),
        "total": follower_count(total),
        "followers": follower_count(total),
        "state": one.state,
        "ended": one.event and one.event.created_at and Moment(one.event.created_at, now),
        "polled": one.msg_status and job_status(one.msg_status),
        "kind": one.push and printable(one.push.kind),
    }
    if one.claim is None:
        return Message(f"reconcile.found.{one.difference}", **facts)
    job, batch = one.claim
    facts["at"] = ended(job, batch, now=now)
    if counts_another(job.event, batch.size):
        return Message("reconcile.found.unclaimed_other_size", **facts)
    early = "_early" if job.ended_before(batch) else ""
    return Message(f"reconcile.found.unclaimed{early}", **facts)


def reconcile_json(done: Comparison, texts: Texts, now: datetime) -> dict[str, Any]:
    """Return the object of one account."""
    return {
        **members(done, "account", "batches", "jobs", "pending", "uncounted"),
        "differences": [_one(one, texts, now) for one in done.found],
    }


def _one(one: FoundDifference, texts: Texts, now: datetime) -> dict[str, Any]:
    return {
        "difference": one.difference.value,
        "broadcast": one.broadcast_id,
        "batch": one.n,
        **members(one, "msg_id", "size", "state", "at", "msg_status"),
        "finish": one.event and delivered.event_as_json(one.event),
        "push": one.push
        and {
            **members(one.push, "kind", "problem"),
            "body": one.push.body[:LONGEST_BODY],
        },
        "found": texts(difference_lines(one, now)),
    }


def offers(jobs: Sequence[Job], broadcast_id: str, n: int, *, now: datetime) -> Iterator[Message]:
    """Offer the first jobs for a batch that each of them can be."""
    for job in jobs[:MOST_NAMED]:
        batch = job.as_batch(broadcast_id, n)
        if batch is not None:
            yield offer(job, batch, now=now)


def offer(job: Job, batch: OurBatch, *, now: datetime) -> Message:
    """Offer a job for the batch that it can be; of another size it comes without a command."""
    followers: object = follower_count(job.event.counts.total)
    if batch.size is not None and job.event.counts.total == batch.size:
        followers = Message("job.as_many", followers=followers, n=batch.n)
    return Message(
        "job.other_size" if counts_another(job.event, batch.size) else "job.offered",
        id=batch.broadcast_id,
        n=batch.n,
        msg_id=job.event.msg_id,
        followers=followers,
        at=ended(job, batch, now=now),
        status=delivered.status(job.event),
        size=follower_count(batch.size),
    )


def in_brief(job: Job, batch: OurBatch) -> Message:
    """Return the command that names a job, or that it is hardly the batch, within a sentence."""
    another = counts_another(job.event, batch.size)
    return Message(
        "job.hardly_it" if another else "job.if_it_is",
        id=batch.broadcast_id,
        n=batch.n,
        msg_id=job.event.msg_id,
        size=follower_count(batch.size),
    )


def ended(job: Job, batch: OurBatch, *, now: datetime) -> Moment | Message:
    """Return when a job ended, marked if that was before the batch was called."""
    at = Moment(job.ended_at, now)
    return Message("job.before_call", at=at, n=batch.n) if job.ended_before(batch) else at


#: WeChat's own words for it, of which it may add one any day.
KNOWN: Final = frozenset({"SEND_SUCCESS", "SENDING", "SEND_FAIL", "DELETE"})


def job_status(status: str) -> Message:
    """Return the meaning of WeChat's *status* of a job."""
    name = status.lower() if status in KNOWN else "other"
    return Message(f"job_status.{name}", status=status)


def question(
    report: Report, *, ended: Mapping[int, Sequence[Job]], forgotten: Mapping[int, timedelta]
) -> Message | None:
    """Return the question before a retry, None: no question. ``error.`` refuses the same."""
    if ended:
        n, [job, *_] = next(iter(ended.items()))
        return Message("retry.unclaimed", **of_job(report, job, n))
    if not forgotten:
        return None
    age = min(forgotten.values())
    return numbered("retry.unprotected", sorted(forgotten), id=report.id, age=age)


def of_job(report: Report, job: Job, n: int) -> dict[str, object]:
    """Return the facts of a question about a job that can be batch *n*."""
    batch = job.as_batch(report.id, n)
    assert batch is not None, "it is one of the jobs that can be it"
    return {
        "id": report.id,
        "n": n,
        "msg_id": job.event.msg_id,
        "followers": follower_count(job.event.counts.total),
        "then": in_brief(job, batch),
        "offer": offer(job, batch, now=report.now),
    }
