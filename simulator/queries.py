"""POST message/mass/get (section 4.3) and POST openapi/quota/get (section 5.3)."""

from __future__ import annotations

from typing import Any

from simulator.accounts import Account
from simulator.content import parsed
from simulator.errors import RefusalError
from simulator.mass_checks import SEND, SENDALL, quota_name
from simulator.token_endpoints import STABLE_TOKEN, TOKEN, token_daily_limit
from simulator.world import Call, World

MASS_GET = "/cgi-bin/message/mass/get"
QUOTA_GET = "/cgi-bin/openapi/quota/get"


async def mass_get(world: World, call: Call) -> dict[str, Any]:
    """Return the status of a job; the msg_id may come as a string or as a number."""
    call.require("POST")
    account = world.authorised(call.query.get("access_token"))
    await call.work()
    message = parsed(call.body, world.switches)
    try:
        msg_id = int(message.get("msg_id", ""))
    except (TypeError, ValueError) as error:
        raise RefusalError(40059) from error
    job = world.jobs.get(msg_id, appid=account.appid)
    return {"msg_id": job.msg_id, "msg_status": job.status(world.now(), world.switches)}


async def quota_get(world: World, call: Call) -> dict[str, Any]:
    """Return how many calls of one interface the account has made and has left today."""
    call.require("POST")
    account = world.authorised(call.query.get("access_token"))
    await call.work()
    path = parsed(call.body, world.switches).get("cgi_path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise RefusalError(76003)
    limit, used, per_minute = _figures(world, account, path)
    shown = max(0, used - world.switches.quota_get_lag)
    quota = {"daily_limit": limit, "used": shown, "remain": max(0, limit - shown)}
    reply: dict[str, Any] = {"errcode": 0, "errmsg": "ok", "quota": quota}
    rate_limit = {"call_count": per_minute, "refresh_second": 60}
    match world.switches.quota_get_rate_limit:
        case "object":
            reply["rate_limit"] = rate_limit
        case "list":
            reply["rate_limit"] = [rate_limit]
        case "absent":
            pass
    return reply


def _figures(world: World, account: Account, path: str) -> tuple[int, int, int]:
    """Return daily limit, calls used, calls per minute; 76021 and 76022 as in section 5.3."""
    day, switches = world.today(), world.switches
    if path in {SEND, SENDALL}:
        if path == SEND and account.kind == "subscription" and not switches.subscription_mass_send:
            raise RefusalError(76022)
        used = account.mass_day.used(quota_name(path, world), day=day)
        return account.daily_limit, used, account.calls_per_minute
    if path == TOKEN:
        limit = token_daily_limit(world, account)
        return limit, account.token_day.used(day=day), switches.token_per_minute
    if path == STABLE_TOKEN:
        used = account.stable_day.used(day=day)
        return switches.stable_daily_limit, used, switches.stable_per_minute
    raise RefusalError(76021)
