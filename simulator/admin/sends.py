"""Orders for an account's next jobs, sends from WeChat's console, and previews."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from simulator.admin.history import job_summary
from simulator.admin.request import AdminError, AdminRequest, Answer, Routes, filtered
from simulator.core.accounts import Account
from simulator.core.bounds import Repeats
from simulator.core.errors import RefusalError
from simulator.endpoints.mass import content
from simulator.endpoints.mass.accept import Sending, accept
from simulator.endpoints.mass.preview import Previews
from simulator.endpoints.mass.review import Reviews, Verdict


class NextJobs(Verdict):
    """A verdict for so many of the next jobs."""

    count: Repeats = 1


class ConsoleSend(BaseModel):
    """A mass send by a person: a message as mass/sendall takes it, to a tag or to all."""

    model_config = ConfigDict(extra="forbid")

    message: dict[str, Any]
    tag_id: int | None = None


async def order_next_jobs(request: AdminRequest) -> Answer:
    """Order the ends of the next jobs; orders wait in their order."""
    order_jobs(request.account, [NextJobs(**await request.json())])
    return _coming(request)


async def next_jobs(request: AdminRequest) -> Answer:
    """List the orders that no job has taken yet."""
    return _coming(request)


async def cancel_next_jobs(request: AdminRequest) -> Answer:
    """Forget those orders."""
    request.account.part(Reviews).coming.clear()
    return _coming(request)


async def send_in_console(request: AdminRequest) -> Answer:
    """Send as a person does in the console: no API call, a msg_id that no client knows."""
    order, account = ConsoleSend(**await request.json()), request.account
    try:
        content.check_msgtype(order.message)
        content.check_content(order.message, request.world.switches)
    except RefusalError as error:
        message = f"the message is refused with {error.errcode}: {error.errmsg}"
        raise AdminError(message) from error
    recipients = account.followers.everyone()
    if order.tag_id is not None:
        tag = account.tags.get(order.tag_id)
        members = tag.members.numbers if tag else np.empty(0, np.int64)
        recipients = members[account.followers.follow(members)]
    sending = Sending(
        kind="all" if order.tag_id is None else "tag",
        message=order.message,
        recipients=recipients,
        size=len(recipients),
        total=len(recipients),
    )
    return job_summary(request, accept(request.world, account, sending))


async def previews(request: AdminRequest) -> Answer:
    """List the previews that were sent."""
    rows = [asdict(one) for one in request.world.part(Previews).sent]
    return {"previews": filtered(rows, request.query, names=("appid", "openid", "wxname"))}


ROUTES: Routes = (
    ("GET", "accounts/{appid}/next-jobs", next_jobs),
    ("POST", "accounts/{appid}/next-jobs", order_next_jobs),
    ("DELETE", "accounts/{appid}/next-jobs", cancel_next_jobs),
    ("POST", "accounts/{appid}/console-sends", send_in_console),
    ("GET", "previews", previews),
)


def order_jobs(account: Account, orders: Iterable[NextJobs]) -> None:
    """Queue endings for the next jobs of an account, behind those of earlier orders."""
    for order in orders:
        verdict = Verdict(**order.model_dump(exclude={"count"}))
        account.part(Reviews).coming.extend([verdict] * order.count)


def _coming(request: AdminRequest) -> Answer:
    coming = request.account.part(Reviews).coming
    return {"coming": [verdict.model_dump(exclude_none=True) for verdict in coming]}
