"""Tags and their followers (section 8)."""

from __future__ import annotations

import numpy as np

from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import RefusalError
from simulator.core.tags import SYSTEM_IDS, Tag
from simulator.endpoints.users.openids import numbers_of, page_reply, position_of
from simulator.openid import Numbers

MAX_TAGS = 100
MAX_NAME = 30
MAX_OPENIDS = 50
MAX_TAGS_OF_ONE = 20
TOO_MANY_TO_DELETE = 100_000
_DONE: Fields = {"errcode": 0, "errmsg": "ok"}


def get(call: Call) -> Fields:
    """GET tags/get: every tag, and how many bear it now."""
    tags = call.account.tags
    return {
        "tags": [{"id": tag.tag_id, "name": tag.name, "count": _present(call, tag)} for tag in tags]
    }


def create(call: Call) -> Fields:
    """POST tags/create: 45157, 45158, 45056."""
    tags, name = call.account.tags, _name(call)
    if len(tags) - len(SYSTEM_IDS & {tag.tag_id for tag in tags}) >= MAX_TAGS:
        raise RefusalError(45056)
    tag = tags.create(name)
    return {"tag": {"id": tag.tag_id, "name": tag.name}}


def update(call: Call) -> Fields:
    """POST tags/update."""
    tag = _own_tag(call, _body(call).get("id"))
    tag.name = _name(call, renamed=tag)
    return _DONE


def delete(call: Call) -> Fields:
    """POST tags/delete: 45057 where more than 100,000 bear it."""
    tag = _own_tag(call, _body(call).get("id"))
    if _present(call, tag) > TOO_MANY_TO_DELETE:
        raise RefusalError(45057)
    call.account.tags.delete(tag.tag_id)
    return _DONE


def members(call: Call) -> Fields:
    """POST user/tag/get: a page of who bears a tag; here the field is `tagid`."""
    tag, size = _tag(call, call.message.get("tagid")), call.world.switches.tag_page
    after = position_of(call, call.message.get("next_openid"))
    numbers = call.account.followers.part_of(tag.members, after, limit=size)
    return page_reply(call, numbers, full=size)


def add_members(call: Call) -> Fields:
    """POST tags/members/batchtagging: 50 OpenIDs, all or none of them."""
    tag, numbers = _tag(call, call.message.get("tagid")), _openids(call)
    for number in numbers[~tag.members.holds(numbers)].tolist():
        if len(call.account.tags.of(number)) >= MAX_TAGS_OF_ONE:
            raise RefusalError(45059)
    tag.members.add(numbers)
    return _DONE


def remove_members(call: Call) -> Fields:
    """POST tags/members/batchuntagging."""
    tag, numbers = _tag(call, call.message.get("tagid")), _openids(call)
    tag.members.remove(numbers)
    return _DONE


def of_one(call: Call) -> Fields:
    """POST tags/getidlist: the tags of one follower."""
    (number,) = numbers_of(call, [call.message.get("openid")], limit=1)
    return {"tagid_list": call.account.tags.of(int(number))}


ENDPOINTS = (
    Endpoint(path="/cgi-bin/tags/get", handler=get, method="GET", json=False),
    Endpoint(path="/cgi-bin/tags/create", handler=create),
    Endpoint(path="/cgi-bin/tags/update", handler=update),
    Endpoint(path="/cgi-bin/tags/delete", handler=delete),
    Endpoint(path="/cgi-bin/user/tag/get", handler=members),
    Endpoint(path="/cgi-bin/tags/members/batchtagging", handler=add_members),
    Endpoint(path="/cgi-bin/tags/members/batchuntagging", handler=remove_members),
    Endpoint(path="/cgi-bin/tags/getidlist", handler=of_one),
)


def _body(call: Call) -> Fields:
    tag = call.message.get("tag")
    if not isinstance(tag, dict):
        raise RefusalError(47001)
    return tag


def _name(call: Call, *, renamed: Tag | None = None) -> str:
    name = _body(call).get("name")
    if not isinstance(name, str) or not name.strip():
        raise RefusalError(45157)
    if len(name) > MAX_NAME:
        raise RefusalError(45158)
    if any(tag.name == name and tag is not renamed for tag in call.account.tags):
        raise RefusalError(45157)
    return name


def _tag(call: Call, tag_id: object) -> Tag:
    tag = call.account.tags.get(tag_id)
    if tag is None:
        raise RefusalError(45159)
    return tag


def _own_tag(call: Call, tag_id: object) -> Tag:
    tag = _tag(call, tag_id)
    if tag.tag_id in SYSTEM_IDS:
        raise RefusalError(45058)
    return tag


def _openids(call: Call) -> Numbers:
    foreign = call.world.switches.foreign_openid_errcode
    openids = call.message.get("openid_list")
    return numbers_of(call, openids, limit=MAX_OPENIDS, foreign=foreign)


def _present(call: Call, tag: Tag) -> int:
    return int(np.count_nonzero(call.account.followers.follow(tag.members.numbers)))
