"""What really happened, as the admin API tells it: deliveries, jobs, calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import numpy as np
from starlette.responses import StreamingResponse

from simulator.accounts import Account
from simulator.errors import RefusalError
from simulator.followers import NOBODY
from simulator.jobs import Job
from simulator.journal import Record
from simulator.ledger import Totals, totals_of
from simulator.openid import Numbers, Rows, pack
from simulator.world import World


def totals(world: World, account: Account, *, content: str | None) -> Totals:
    """Return an account's totals; with a content digest, those of the jobs with that content."""
    if content is None:
        return account.ledger.totals()
    return totals_of(
        [
            job.recipients.astype(np.int64)
            for job in world.jobs
            if job.appid == account.appid
            and job.content_digest == content
            and job.recipients is not None
        ]
    )


def query(account: Account, openids: list[str]) -> dict[str, int]:
    """Return how often each OpenID really got something."""
    return dict(zip(openids, _counts(account, pack(openids)).tolist(), strict=True))


def openid_story(world: World, account: Account, row: Rows, *, openid: str) -> dict[str, Any]:
    """Return what one follower got, job by job."""
    number = account.followers.known(row)[0]
    reached = [
        job.msg_id
        for job in world.jobs
        if job.appid == account.appid
        and job.recipients is not None
        and (job.recipients == number).any()
    ]
    return {
        "openid": openid,
        "known": bool(number != NOBODY),
        "follows": bool(len(account.followers.among(row))),
        "count": int(_counts(account, row)[0]),
        "msg_ids": reached,
    }


def dump(account: Account) -> StreamingResponse:
    """Stream one line for each follower who ever got something: `OPENID count`."""

    async def lines() -> AsyncIterator[str]:
        for numbers in account.followers.chunks(account.ledger.delivered()):
            openids = account.followers.openids(numbers)
            counts = account.ledger.counts(numbers).tolist()
            pairs = zip(openids, counts, strict=True)
            yield "".join(f"{openid} {count}\n" for openid, count in pairs)

    return StreamingResponse(lines(), media_type="text/plain")


def job_list(world: World, filters: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the accepted jobs, oldest first, content left out."""
    jobs = (_job_summary(world, one) for one in world.jobs)
    return _filtered(jobs, filters, names=("appid", "clientmsgid", "kind", "content_digest"))


def job(world: World, msg_id: int) -> dict[str, Any]:
    """Return one job with its content."""
    found = world.jobs.get(msg_id)
    return {**_job_summary(world, found), "content": found.content}


def calls(world: World, filters: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the calls in the order of their arrival; `since` leaves out the first so many."""
    since = int(filters.get("since", 0))
    records = (_record_fields(one) for one in world.journal if one.number > since)
    names = ("appid", "path", "errcode", "clientmsgid")
    return _filtered(records, filters, names=names)


def _counts(account: Account, rows: Rows) -> Numbers:
    numbers = account.followers.known(rows)
    counts = np.zeros(len(rows), np.int64)
    known = numbers != NOBODY
    counts[known] = account.ledger.counts(numbers[known])
    return counts


def _filtered(
    rows: Iterable[dict[str, Any]], filters: Mapping[str, str], *, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    wanted = {name: filters[name] for name in names if name in filters}
    return [row for row in rows if all(str(row[name]) == value for name, value in wanted.items())]


def _job_summary(world: World, one: Job) -> dict[str, Any]:
    try:
        status: str | None = one.status(world.now(), world.switches)
    except RefusalError:
        status = None
    names = (
        "msg_id",
        "msg_data_id",
        "appid",
        "kind",
        "clientmsgid",
        "size",
        "total",
        "eligible",
        "accepted_at",
        "content_digest",
    )
    return {**{name: getattr(one, name) for name in names}, "status": status}


def _record_fields(one: Record) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Record.__slots__}
