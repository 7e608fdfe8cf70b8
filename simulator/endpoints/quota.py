"""POST openapi/quota/get (section 5.3)."""

from __future__ import annotations

from simulator.core.admission import daily_limit
from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import RefusalError

QUOTA_GET = "/cgi-bin/openapi/quota/get"


def quota_get(call: Call) -> Fields:
    """Return the calls of one interface that the account has made and has left today."""
    switches = call.world.switches
    path = call.message.get("cgi_path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise RefusalError(76003)
    limit, used, per_minute = _figures(call, path)
    shown = max(0, used - switches.quota_get_lag)
    quota = {"daily_limit": limit, "used": shown, "remain": max(0, limit - shown)}
    reply: Fields = {"errcode": 0, "errmsg": "ok", "quota": quota}
    rate_limit = {"call_count": per_minute, "refresh_second": 60}
    match switches.quota_get_rate_limit:
        case "object":
            reply["rate_limit"] = rate_limit
        case "list":
            reply["rate_limit"] = [rate_limit]
        case "absent":
            pass
    return reply


def _figures(call: Call, path: str) -> tuple[int, int, int]:
    """Return daily limit, calls used, calls per minute; 76021 and 76022 as in section 5.3."""
    world, account, switches = call.world, call.account, call.world.switches
    endpoint = world.endpoints.get(path)
    limit = daily_limit(endpoint, switches, account) if endpoint else None
    if endpoint is None or limit is None:
        raise RefusalError(76021)
    if not endpoint.offered(switches, account):
        raise RefusalError(76022)
    used = account.days.used(endpoint.counter(switches, path), period=world.today())
    per_minute = endpoint.per_minute(switches, account) if endpoint.per_minute else 0
    return limit, used, per_minute


ENDPOINTS = (Endpoint(path=QUOTA_GET, handler=quota_get),)
