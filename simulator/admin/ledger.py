"""Deliveries, follower by follower."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict

import numpy as np
from starlette.responses import Response, StreamingResponse

from simulator.admin.request import AdminRequest, Answer, Routes
from simulator.core.accounts import Account
from simulator.core.followers import NOBODY
from simulator.core.ledger import totals_of
from simulator.endpoints.mass.jobs import JobBook
from simulator.openid import Numbers, Rows, pack


async def totals(request: AdminRequest) -> Answer:
    """Show an account's totals, of all jobs or of those with one content digest."""
    account, content = request.account, request.query.get("content")
    if content is None:
        return asdict(account.ledger.totals())
    jobs = reached(request, account, content=content)
    return asdict(totals_of([recipients for _, recipients in jobs]))


async def query(request: AdminRequest) -> Answer:
    """Show the number of deliveries to each OpenID of the body."""
    account, openids = request.account, await request.lines()
    return dict(zip(openids, _counts(account, pack(openids)).tolist(), strict=True))


async def story(request: AdminRequest) -> Answer:
    """Show the deliveries to one follower, job by job."""
    account, openid = request.account, request.named["openid"]
    row = pack([openid])
    number = account.followers.known(row)[0]
    jobs = reached(request, account)
    return {
        "openid": openid,
        "known": bool(number != NOBODY),
        "follows": bool(len(account.followers.among(row))),
        "count": int(_counts(account, row)[0]),
        "msg_ids": [msg_id for msg_id, recipients in jobs if (recipients == number).any()],
    }


async def dump(request: AdminRequest) -> Response:
    """Stream one line for each follower who ever got something: `OPENID count`."""
    account = request.account

    async def lines() -> AsyncIterator[str]:
        for numbers in account.followers.chunks(account.ledger.delivered()):
            openids = account.followers.openids(numbers)
            counts = account.ledger.counts(numbers).tolist()
            pairs = zip(openids, counts, strict=True)
            yield "".join(f"{openid} {count}\n" for openid, count in pairs)

    return StreamingResponse(lines(), media_type="text/plain")


ROUTES: Routes = (
    ("GET", "ledger/{appid}", totals),
    ("GET", "ledger/{appid}/openid/{openid}", story),
    ("POST", "ledger/{appid}/query", query),
    ("GET", "ledger/{appid}/dump", dump),
)


def reached(
    request: AdminRequest, account: Account, *, content: str | None = None
) -> list[tuple[int, Numbers]]:
    """Return msg_id and recipients of the account's jobs, those with one content or all."""
    return [
        (job.msg_id, job.recipients.astype(np.int64))
        for job in request.world.part(JobBook)
        if job.appid == account.appid
        and content in {None, job.content_digest}
        and job.recipients is not None
    ]


def _counts(account: Account, rows: Rows) -> Numbers:
    numbers = account.followers.known(rows)
    counts = np.zeros(len(rows), np.int64)
    known = numbers != NOBODY
    counts[known] = account.ledger.counts(numbers[known])
    return counts
