"""POST message/mass/get (section 4.3)."""

from __future__ import annotations

from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import RefusalError
from simulator.endpoints.mass.jobs import JobBook
from simulator.endpoints.mass.pages import status_of

MASS_GET = "/cgi-bin/message/mass/get"


def mass_get(call: Call) -> Fields:
    """Return the status of a job; the msg_id may come as a string or as a number."""
    world = call.world
    try:
        msg_id = int(call.message.get("msg_id", ""))
    except (TypeError, ValueError) as error:
        raise RefusalError(40059) from error
    job = world.part(JobBook).get(msg_id, appid=call.account.appid)
    return {"msg_id": job.msg_id, "msg_status": status_of(world, job)}


ENDPOINTS = (Endpoint(path=MASS_GET, handler=mass_get),)
