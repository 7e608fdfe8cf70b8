"""POST openapi/rid/get: what WeChat received of a call that it refused (section 5.3)."""

from __future__ import annotations

import re

from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import RefusalError
from simulator.core.rids import RidBook

_LIFETIME_S = 7 * 86_400
_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}")


def rid_get(call: Call) -> Fields:
    """Return the request: 76002 no rid, 76001 unknown or older than a week, 76003 of another."""
    rid = call.message.get("rid")
    if not isinstance(rid, str) or not _FORM.fullmatch(rid):
        raise RefusalError(76002)
    kept = call.world.part(RidBook).get(rid)
    if kept is None or call.world.now() - kept.at > _LIFETIME_S:
        raise RefusalError(76001)
    if kept.appid != call.account.appid:
        raise RefusalError(76003, errmsg="could not query this rid,no permission")
    request = {
        "invoke_time": int(kept.at),
        "cost_in_ms": kept.cost_ms,
        "request_url": kept.query,
        "request_body": kept.body,
        "response_body": kept.response,
        "client_ip": kept.ip,
    }
    return {"errcode": 0, "errmsg": "ok", "request": request}


ENDPOINTS = (Endpoint(path="/cgi-bin/openapi/rid/get", handler=rid_get),)
