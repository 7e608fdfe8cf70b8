"""Jobs that ended, and no batch has, in words: beside the batch that each can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from broadcast.jobs import Job, OurBatch, counts_another
from broadcast.message import Message
from presentation import delivered
from presentation.words import MOST_NAMED, FollowerCount, Moment


def offers(jobs: Sequence[Job], broadcast_id: str, n: int, *, now: datetime) -> Iterator[Message]:
    """Offer the first jobs for a batch that each of them can be."""
    for job in jobs[:MOST_NAMED]:
        batch = job.as_batch(broadcast_id, n)
        if batch is not None:
            yield offer(job, batch, now=now)


def offer(job: Job, batch: OurBatch, *, now: datetime) -> Message:
    """Offer a job for the batch that it can be; of another size it comes without a command."""
    followers: object = FollowerCount(job.event.counts.total)
    if batch.size is not None and job.event.counts.total == batch.size:
        followers = Message("job.as_many", followers=followers, n=batch.n)
    return Message(
        "job.other_size" if counts_another(job.event, batch.size) else "job.offered",
        id=batch.broadcast_id, n=batch.n, msg_id=job.event.msg_id, followers=followers,
        at=ended(job, batch, now=now), status=delivered.status(job.event),
        size=FollowerCount(batch.size),
    )  # fmt: skip


def in_brief(job: Job, batch: OurBatch) -> Message:
    """Return the command that names a job, or that it is hardly the batch, within a sentence."""
    another = counts_another(job.event, batch.size)
    return Message(
        "job.hardly_it" if another else "job.if_it_is", id=batch.broadcast_id, n=batch.n,
        msg_id=job.event.msg_id, size=FollowerCount(batch.size),
    )  # fmt: skip


def ended(job: Job, batch: OurBatch, *, now: datetime) -> Moment | Message:
    """Return when a job ended, marked if that was before the batch was called."""
    at = Moment(job.ended_at, now)
    return Message("job.before_call", at=at, n=batch.n) if job.ended_before(batch) else at
