"""Followers: user/get, user/info, user/info/batchget (section 8)."""

from __future__ import annotations

from functools import partial
from typing import Any

from simulator.core.accounts import Account
from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import RefusalError
from simulator.core.switches import Switches
from simulator.endpoints.users.openids import numbers_of, page_reply, position_of

INFO = "/cgi-bin/user/info"
BATCHGET = "/cgi-bin/user/info/batchget"
MAX_BATCH = 100
MAX_REMARK = 30


def followers(call: Call) -> Fields:
    """GET user/get: a page of OpenIDs."""
    size = call.world.switches.followers_page
    after = position_of(call, call.query.get("next_openid"))
    numbers = call.account.followers.page(after, limit=size)
    return {"total": len(call.account.followers), **page_reply(call, numbers, full=size)}


def info(call: Call) -> Fields:
    """GET user/info: one of them."""
    (number,) = numbers_of(call, [call.query.get("openid")], limit=1)
    return _info(call.account, call.query["openid"], number=int(number))


def batch_of_info(call: Call) -> Fields:
    """POST user/info/batchget: up to 100; one wrong OpenID refuses all."""
    listed = call.message.get("user_list")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise RefusalError(40032)
    openids = [one.get("openid") for one in listed]
    numbers = numbers_of(call, openids, limit=MAX_BATCH).tolist()
    pairs = zip(openids, numbers, strict=True)
    shown = [_info(call.account, str(openid), number=number) for openid, number in pairs]
    return {"user_info_list": shown}


def set_remark(call: Call) -> Fields:
    """POST user/info/updateremark."""
    (number,) = numbers_of(call, [call.message.get("openid")], limit=1)
    remark = call.message.get("remark")
    if not isinstance(remark, str) or len(remark) >= MAX_REMARK:
        raise RefusalError(40035)
    call.account.part(Remarks).by_number[int(number)] = remark
    return {"errcode": 0, "errmsg": "ok"}


class Remarks:
    """Remarks of the account's owner on followers."""

    def __init__(self, _account: Account) -> None:
        self.by_number: dict[int, str] = {}


def _by_kind(_switches: Switches, account: Account, *, limit: int, of_test_account: int) -> int:
    return of_test_account if account.kind == "test" else limit


_OF_INFO: dict[str, Any] = {
    "daily_limit": partial(_by_kind, limit=5_000_000, of_test_account=500_000),
    "counter": lambda _switches, _path: INFO,
}
ENDPOINTS = (
    Endpoint(
        path="/cgi-bin/user/get",
        handler=followers,
        method="GET",
        daily_limit=partial(_by_kind, limit=500, of_test_account=100),
        json=False,
    ),
    Endpoint(path=INFO, handler=info, method="GET", json=False, **_OF_INFO),
    Endpoint(path=BATCHGET, handler=batch_of_info, **_OF_INFO),
    Endpoint(path="/cgi-bin/user/info/updateremark", handler=set_remark),
)


def _info(account: Account, openid: str, *, number: int) -> Fields:
    """Return WeChat's remaining facts of a follower: no name, picture, sex or region since 2021."""
    if not account.followers.follows(number):
        return {"subscribe": 0, "openid": openid}
    return {
        "subscribe": 1,
        "openid": openid,
        "language": "zh_CN",
        "subscribe_time": account.followers.came_at(number),
        "remark": account.part(Remarks).by_number.get(number, ""),
        "groupid": 0,
        "tagid_list": account.tags.of(number),
        "subscribe_scene": "ADD_SCENE_SEARCH",
        "qr_scene": 0,
        "qr_scene_str": "",
    }
