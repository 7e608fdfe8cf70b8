"""POST message/mass/send and message/mass/sendall: the checks in the order of section 13."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator import mass_checks
from simulator.content import content_of, digest_of, media_ids
from simulator.errors import SUBMITTED, RefusalError
from simulator.jobs import Job
from simulator.mass_checks import MassCall, quota_name
from simulator.openid import Numbers
from simulator.world import Call, World

CHECK_ORDER = (
    mass_checks.check_method,
    mass_checks.check_token,
    mass_checks.check_permission,
    mass_checks.check_day_quota,
    mass_checks.check_minute_quota,
    mass_checks.check_json,
    mass_checks.check_msgtype,
    mass_checks.check_content,
    mass_checks.check_audience,
    mass_checks.check_clientmsgid,
    mass_checks.check_parallel,
    mass_checks.check_message_quota,
)


async def mass_send(world: World, call: Call) -> dict[str, Any]:
    """Answer mass/send or mass/sendall: check, work, accept."""
    mass = MassCall(world=world, call=call)
    try:
        for check in CHECK_ORDER:
            check(mass)
    except RefusalError:
        _settle_refusal(mass)
        raise
    with world.jobs.running(mass.id_owner, mass.key):
        await call.work()
        job = _accept(mass)
    reply = {"errcode": 0, "errmsg": SUBMITTED, "msg_id": job.msg_id}
    if world.switches.msg_data_id_for_all or mass.message["msgtype"] == "mpnews":
        reply["msg_data_id"] = job.msg_data_id
    return reply


def _settle_refusal(mass: MassCall) -> None:
    world = mass.world
    if mass.counted and not world.switches.rejected_calls_count:
        name = quota_name(mass.call.path, world)
        mass.account.mass_day.add(name, day=world.today(), calls=-1)
    if mass.checked_id and world.switches.failed_call_uses_clientmsgid:
        world.jobs.use(mass.id_owner, mass.key, at=world.now(), digest=mass.content_digest)


def _accept(mass: MassCall) -> Job:
    """Deliver, and store the job: from here on it exists, whatever becomes of the reply."""
    world, account, month = mass.world, mass.account, mass.world.this_month()
    eligible = account.ledger.below_cap(
        mass.recipients, month=month, cap=world.switches.monthly_cap
    )
    if world.switches.duplicates_delivered == "once":
        eligible = np.unique(eligible)
    account.ledger.deliver(eligible, month=month)
    if mass.kind != "send":
        account.message_day.add(day=world.today())
    if mass.kind == "all":
        account.message_month.add(day=month)
    if world.switches.draft_dies_after_send and mass.message["msgtype"] == "mpnews":
        account.dead_media.update(media_ids(mass.message))
    job = _job(mass, eligible)
    world.jobs.add(job, owner=mass.id_owner, key=mass.key)
    mass.call.record.msg_id = job.msg_id
    return job


def _job(mass: MassCall, eligible: Numbers) -> Job:
    world, content = mass.world, content_of(mass.message)
    article = media_ids(content)[0] if content["msgtype"] == "mpnews" else None
    return Job(
        msg_id=world.jobs.next_msg_id(mass.kind),
        msg_data_id=world.jobs.msg_data_id(mass.account.appid, article),
        appid=mass.account.appid,
        kind=mass.kind,
        clientmsgid=mass.message.get("clientmsgid"),
        size=mass.size,
        total=mass.total,
        eligible=len(eligible),
        accepted_at=world.now(),
        content=content,
        content_digest=digest_of(content),
        recipients=eligible.astype(np.int32) if world.switches.keep_recipients else None,
    )
