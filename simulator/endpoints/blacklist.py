"""The account's blacklist: those on it get no messages to many (section 8)."""

from __future__ import annotations

from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.endpoints.users.openids import numbers_of, page_reply, position_of
from simulator.openid import Numbers

MAX_OPENIDS = 20
PAGE = 10_000
_DONE: Fields = {"errcode": 0, "errmsg": "ok"}


def get(call: Call) -> Fields:
    """POST tags/members/getblacklist: a page of 10,000."""
    followers = call.account.followers
    after = position_of(call, call.message.get("begin_openid"))
    numbers = followers.part_of(followers.blocked, after, limit=PAGE, present=False)
    return {"total": len(followers.blocked), **page_reply(call, numbers, full=PAGE)}


def block(call: Call) -> Fields:
    """POST tags/members/batchblacklist: 20 at most."""
    call.account.followers.blocked.add(_openids(call))
    return _DONE


def unblock(call: Call) -> Fields:
    """POST tags/members/batchunblacklist."""
    call.account.followers.blocked.remove(_openids(call))
    return _DONE


ENDPOINTS = (
    Endpoint(path="/cgi-bin/tags/members/getblacklist", handler=get),
    Endpoint(path="/cgi-bin/tags/members/batchblacklist", handler=block),
    Endpoint(path="/cgi-bin/tags/members/batchunblacklist", handler=unblock),
)


def _openids(call: Call) -> Numbers:
    foreign = call.world.switches.foreign_openid_errcode
    openids = call.message.get("openid_list")
    return numbers_of(call, openids, limit=MAX_OPENIDS, foreign=foreign)
