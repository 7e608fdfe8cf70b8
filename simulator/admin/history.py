"""What happened: calls, jobs, pushes."""

from __future__ import annotations

from dataclasses import asdict

from simulator.admin.request import AdminError, AdminRequest, Answer, Routes, filtered
from simulator.core.errors import RefusalError
from simulator.core.journal import Record
from simulator.core.push import Push
from simulator.endpoints.mass.jobs import Job, JobBook


async def calls(request: AdminRequest) -> Answer:
    """List the calls in the order of their arrival; `since` leaves out the first so many."""
    since = int(request.query.get("since", 0))
    names = Record.__slots__
    rows = [
        {name: getattr(one, name) for name in names}
        for one in request.world.journal
        if one.number > since
    ]
    return {
        "calls": filtered(rows, request.query, names=("appid", "path", "errcode", "clientmsgid"))
    }


async def jobs(request: AdminRequest) -> Answer:
    """List the accepted jobs, oldest first, content left out."""
    rows = [_job_summary(request, one) for one in request.world.part(JobBook)]
    names = ("appid", "clientmsgid", "kind", "content_digest")
    return {"jobs": filtered(rows, request.query, names=names)}


async def job(request: AdminRequest) -> Answer:
    """Show one job with its content."""
    found = _named_job(request)
    return {**_job_summary(request, found), "content": found.content}


async def force_job(request: AdminRequest) -> Answer:
    """Make mass/get answer a status, null for the usual course."""
    status = (await request.json()).get("status")
    if status not in {None, "SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"}:
        message = "status is SENDING, SEND_SUCCESS, SEND_FAIL, DELETE or null"
        raise AdminError(message)
    _named_job(request).forced_status = status
    return await job(request)


async def pushes(request: AdminRequest) -> Answer:
    """List what was or will be pushed, with every attempt, oldest first."""
    rows = [_push_summary(one) for one in request.world.pushes]
    return {"pushes": filtered(rows, request.query, names=("appid", "event", "state"))}


ROUTES: Routes = (
    ("GET", "calls", calls),
    ("GET", "jobs", jobs),
    ("GET", "jobs/{msg_id:int}", job),
    ("POST", "jobs/{msg_id:int}", force_job),
    ("GET", "pushes", pushes),
)


def _named_job(request: AdminRequest) -> Job:
    msg_id = int(request.named["msg_id"])
    try:
        return request.world.part(JobBook).get(msg_id)
    except RefusalError as error:
        message = f"no job has the msg_id {msg_id}"
        raise AdminError(message) from error


def _push_summary(one: Push) -> Answer:
    names = ("number", "appid", "event", "body", "due", "fault", "state")
    return {
        **{name: getattr(one, name) for name in names},
        "url": one.callback.url,
        "attempts": [asdict(attempt) for attempt in one.attempts],
    }


def _job_summary(request: AdminRequest, one: Job) -> Answer:
    try:
        status: str | None = one.status(request.world.now(), request.world.switches)
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
        "errors",
        "accepted_at",
        "content_digest",
    )
    return {**{name: getattr(one, name) for name in names}, "status": status}
