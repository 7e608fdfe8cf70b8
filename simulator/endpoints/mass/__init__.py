"""POST message/mass/send and message/mass/sendall: the checks in the order of section 13."""

from __future__ import annotations

from functools import partial

import numpy as np

from simulator.core.accounts import Account
from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import SUBMITTED
from simulator.core.switches import Switches
from simulator.endpoints.mass import checks
from simulator.endpoints.mass.checks import MESSAGES, SEND, SENDALL, MassSend
from simulator.endpoints.mass.content import content_of, digest_of, media_ids
from simulator.endpoints.mass.finish import finish
from simulator.endpoints.mass.jobs import Job, JobBook, Recipients

ORDER = (
    checks.check_fields,
    checks.check_msgtype,
    checks.check_content,
    checks.check_audience,
    checks.check_clientmsgid,
    checks.check_parallel,
    checks.check_message_quota,
    checks.begin,
)


def mass_send(call: Call) -> Fields:
    """Accept a mass send that passed every check."""
    mass = call.part(MassSend)
    job = _accept(mass)
    reply = {"errcode": 0, "errmsg": SUBMITTED, "msg_id": job.msg_id}
    if call.world.switches.msg_data_id_for_all or call.message["msgtype"] == "mpnews":
        reply["msg_data_id"] = job.msg_data_id
    return reply


def counter(switches: Switches, path: str) -> str:
    """Count both under one path, or each under its own."""
    return SEND if switches.mass_quota_shared else path


def offered_by_openid(switches: Switches, account: Account) -> bool:
    """Section 14 point 1: 48001 for subscription accounts."""
    return account.kind != "subscription" or switches.subscription_mass_send


_send = partial(
    Endpoint,
    handler=mass_send,
    daily_limit=lambda _switches, account: account.daily_limit,
    per_minute=lambda _switches, account: account.calls_per_minute,
    counter=counter,
    checks=ORDER,
    mass=True,
)
ENDPOINTS = (
    _send(path=SEND, permissions=(checks.check_permission,), offered=offered_by_openid),
    _send(path=SENDALL, permissions=(checks.check_permission, checks.check_sendall_permission)),
)


def _accept(mass: MassSend) -> Job:
    """Deliver, and store the job: from here on it exists, whatever becomes of the reply."""
    world, account, month = mass.world, mass.account, mass.world.this_month()
    eligible = account.ledger.below_cap(
        mass.recipients, month=month, cap=world.switches.monthly_cap
    )
    if world.switches.duplicates_delivered == "once":
        eligible = np.unique(eligible)
    delivered = eligible[: max(0, len(eligible) - world.switches.job_errors)]
    account.ledger.deliver(delivered, month=month)
    if mass.kind != "send":
        account.days.add(MESSAGES, period=world.today())
    if mass.kind == "all":
        account.months.add(MESSAGES, period=month)
    if world.switches.draft_dies_after_send and mass.message["msgtype"] == "mpnews":
        account.dead_media.update(media_ids(mass.message))
    recipients = delivered.astype(np.int32)
    job = _job(mass, eligible=len(eligible), recipients=recipients)
    world.part(JobBook).add(job, owner=mass.id_owner, key=mass.key)
    mass.call.record.msg_id = job.msg_id
    world.scheduler.at(job.ends_at, partial(finish, world, job, recipients=recipients, month=month))
    return job


def _job(mass: MassSend, *, eligible: int, recipients: Recipients) -> Job:
    world, content = mass.world, content_of(mass.message)
    jobs, now = world.part(JobBook), world.now()
    article = media_ids(content)[0] if content["msgtype"] == "mpnews" else None
    return Job(
        msg_id=jobs.next_msg_id(mass.kind),
        msg_data_id=jobs.msg_data_id(mass.account.appid, article),
        appid=mass.account.appid,
        kind=mass.kind,
        clientmsgid=mass.message.get("clientmsgid"),
        size=mass.size,
        total=mass.total,
        eligible=eligible,
        errors=eligible - len(recipients),
        accepted_at=now,
        ends_at=now + world.switches.job_delay_s,
        content=content,
        content_digest=digest_of(content),
        recipients=recipients if world.switches.keep_recipients else None,
    )
