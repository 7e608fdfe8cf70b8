"""What speaks against calling a batch again, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from broadcast.jobs import Job
from broadcast.message import Message
from broadcast.reports import Report
from presentation import jobs as job_words
from presentation.words import FollowerCount, Shortened, suffix


def question(
    report: Report, *, ended: Mapping[int, Sequence[Job]], forgotten: Mapping[int, timedelta]
) -> Message | None:
    """Return what is to be asked before a retry, None: nothing. ``error.`` refuses the same."""
    if ended:
        n, [job, *_] = next(iter(ended.items()))
        return Message("retry.unclaimed", **of_job(report, job, n))
    if not forgotten:
        return None
    return Message(
        f"retry.unprotected{suffix(len(forgotten))}", id=report.id,
        numbers=Shortened(sorted(forgotten)), age=min(forgotten.values()),
    )  # fmt: skip


def of_job(report: Report, job: Job, n: int) -> dict[str, object]:
    """Return the facts of a question about a job that can be batch *n*."""
    batch = job.as_batch(report.id, n)
    assert batch is not None, "it is one of the jobs that can be it"
    return {
        "id": report.id, "n": n, "msg_id": job.event.msg_id,
        "followers": FollowerCount(job.event.counts.total),
        "then": job_words.in_brief(job, batch),
        "offer": job_words.offer(job, batch, now=report.now),
    }  # fmt: skip
