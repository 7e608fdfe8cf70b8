"""message/mass/*: send and sendall, with their checks in the order of section 13, and the rest."""

from __future__ import annotations

from functools import partial

from simulator.core.accounts import Account
from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import SUBMITTED
from simulator.core.switches import Switches
from simulator.endpoints.mass import checks, speed
from simulator.endpoints.mass.accept import Sending, accept
from simulator.endpoints.mass.checks import SEND, SENDALL, MassSend
from simulator.endpoints.mass.delete import delete
from simulator.endpoints.mass.preview import DAILY_LIMIT, check_message, preview

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
    sending = Sending(
        kind=mass.kind,
        message=call.message,
        recipients=mass.recipients,
        size=mass.size,
        total=mass.total,
        owner=mass.id_owner,
        key=mass.key,
    )
    job = accept(call.world, call.account, sending)
    call.record.msg_id = job.msg_id
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
_other = partial(Endpoint, permissions=(checks.check_permission,))
ENDPOINTS = (
    _send(path=SEND, permissions=(checks.check_permission,), offered=offered_by_openid),
    _send(path=SENDALL, permissions=(checks.check_permission, checks.check_sendall_permission)),
    _other(
        path="/cgi-bin/message/mass/preview",
        handler=preview,
        daily_limit=DAILY_LIMIT,
        checks=(check_message,),
    ),
    _other(path="/cgi-bin/message/mass/delete", handler=delete),
    _other(path="/cgi-bin/message/mass/speed/get", handler=speed.get),
    _other(path="/cgi-bin/message/mass/speed/set", handler=speed.set_),
)
