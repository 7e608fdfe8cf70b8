"""History: calls and jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.admin.request import AdminError, AdminRequest, Answer, Routes, filtered
from simulator.core.errors import RefusalError
from simulator.core.journal import Record
from simulator.endpoints.mass.administrator import Confirmations
from simulator.endpoints.mass.content import media_ids
from simulator.endpoints.mass.jobs import Job, JobBook
from simulator.endpoints.mass.pages import Pages, status_of
from simulator.endpoints.mass.review import EVENT_STATUS


async def calls(request: AdminRequest) -> Answer:
    """List the calls in the order of their arrival; `since` leaves out the first so many."""
    since = request.number("since") or 0
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
    rows = [job_summary(request, one) for one in request.world.part(JobBook)]
    names = ("appid", "clientmsgid", "kind", "content_digest")
    return {"jobs": filtered(rows, request.query, names=names)}


async def job(request: AdminRequest) -> Answer:
    """Show one job with its content, and its whole body where that is kept."""
    found = _named_job(request)
    return {**job_summary(request, found), "content": found.content, "body": found.body}


class JobChange(BaseModel):
    """Changes of one job; members left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"] | None = None
    """What mass/get answers, null for the usual course."""
    event_status: Annotated[str, Field(pattern=EVENT_STATUS)] | None = None
    """How a job ends that still runs."""


async def change_job(request: AdminRequest) -> Answer:
    """Make mass/get answer a status, or let a job end in another way."""
    order, found = JobChange(**await request.json()), _named_job(request)
    if "status" in order.model_fields_set:
        found.forced_status = order.status
    if "event_status" in order.model_fields_set:
        if request.world.now() >= found.ends_at:
            message = f"job {found.msg_id} has ended already"
            raise AdminError(message)
        change = {"event_status": order.event_status}
        found.verdict = found.verdict.model_copy(update=change)
    return await job(request)


class AdministratorWord(BaseModel):
    """What the administrator says to a send to all that waits; `none`: the time is over."""

    model_config = ConfigDict(extra="forbid")

    answer: Literal["yes", "no", "none"]


async def answer_job(request: AdminRequest) -> Answer:
    """Confirm or refuse a send to all that waits for the administrator."""
    word, found = AdministratorWord(**await request.json()), _named_job(request)
    waiting, moment = request.world.part(Confirmations), request.world.now()
    if not waiting.answer(found.msg_id, word.answer, moment=moment):
        message = f"job {found.msg_id} does not wait for the administrator"
        raise AdminError(message)
    return await job(request)


ROUTES: Routes = (
    ("GET", "calls", calls),
    ("GET", "jobs", jobs),
    ("GET", "jobs/{msg_id:int}", job),
    ("POST", "jobs/{msg_id:int}", change_job),
    ("POST", "jobs/{msg_id:int}/administrator", answer_job),
)


def _named_job(request: AdminRequest) -> Job:
    msg_id = int(request.named["msg_id"])
    try:
        return request.world.part(JobBook).get(msg_id)
    except RefusalError as error:
        message = f"no job has the msg_id {msg_id}"
        raise AdminError(message) from error


def job_summary(request: AdminRequest, one: Job) -> Answer:
    """Return a job for the admin API: the content is left out."""
    try:
        status: str | None = status_of(request.world, one)
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
    named = media_ids(one.content)
    deleted = request.world.part(Pages).deleted((one.appid, named[0])) if named else []
    fields = {name: getattr(one, name) for name in names}
    return {**fields, "status": status, "articles": one.articles, "deleted": deleted}
