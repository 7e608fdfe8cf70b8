"""POST message/mass/delete: the pages of articles and videos stop working (section 4.2)."""

from __future__ import annotations

from simulator.core.endpoint import Call, Fields
from simulator.core.errors import RefusalError
from simulator.endpoints.mass.content import media_ids
from simulator.endpoints.mass.jobs import Job, JobBook
from simulator.endpoints.mass.pages import Pages, url_of

_DELETABLE = {"mpnews", "mpvideo"}


def delete(call: Call) -> Fields:
    """Delete one page, or all pages of a send: 40059, 40065, 40008, 40060."""
    job, index = _named(call)
    if job.status(call.world.now(), call.world.switches) != "SEND_SUCCESS":
        raise RefusalError(40065)
    if job.content["msgtype"] not in _DELETABLE:
        raise RefusalError(40008)
    count = max(1, job.articles)
    if not isinstance(index, int) or not 0 <= index <= count:
        raise RefusalError(40060)
    pages = call.world.part(Pages)
    for one in (index,) if index else range(1, count + 1):
        pages.delete(_material(job), one)
    return {"errcode": 0, "errmsg": "ok"}


def _named(call: Call) -> tuple[Job, object]:
    """Return the job and the article's number; the msg_id is looked at first, then the url."""
    jobs, message, appid = call.world.part(JobBook), call.message, call.account.appid
    if message.get("msg_id"):
        try:
            msg_id = int(message["msg_id"])
        except (TypeError, ValueError) as error:
            raise RefusalError(40059) from error
        return jobs.get(msg_id, appid=appid), message.get("article_idx", 0)
    for job in jobs:
        for index in range(1, job.articles + 1):
            if job.appid == appid and url_of(job, index) == message.get("url"):
                return job, index
    raise RefusalError(40059)


def _material(job: Job) -> tuple[str, str]:
    return job.appid, media_ids(job.content)[0]
