"""tags/…: the account's tags, and who has them. Who has one is listed by user/tag/get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any, ClassVar, Final, Literal

from broadcast.wechat.api.mass import OPENID_LENGTH, check_count, check_tag
from broadcast.wechat.call_errors import InvalidRequestError
from broadcast.wechat.endpoint import (
    Body,
    Deed,
    Payload,
    RawReply,
    Request,
    json_body,
    success,
)
from broadcast.wechat.frozen_values import frozen

#: OpenIDs of one call of batchtagging or batchuntagging; 40032 beyond.
MOST_MEMBERS: Final = 50
#: Characters of a name; 45158 beyond.
LONGEST_NAME: Final = 30
#: WeChat's own: no group, blocked, starred. They cannot be changed (45058).
SYSTEM_TAGS: Final = frozenset({0, 1, 2})


@frozen
class TagInfo:
    """A tag, and how many followers have it; WeChat's count lags. None: the reply has none."""

    id: int
    name: str
    count: int | None


@frozen
class TagsGet(Request[Sequence[TagInfo]]):
    """List every tag of the account (GET tags/get)."""

    method: ClassVar[Literal["GET", "POST"]] = "GET"
    path: ClassVar[str] = "/cgi-bin/tags/get"

    def read(self, raw: RawReply) -> Sequence[TagInfo]:
        """Return the tags in WeChat's order."""
        rows = success(raw).objects("tags")
        if rows is None:
            raise raw.garbage("no tags")
        return [_tag(raw, row) for row in rows]


@frozen
class TagCreate(Request[TagInfo]):
    """Make a tag (POST tags/create). Raises ``APIError``: 45056, 45157 for a name that is taken."""

    path: ClassVar[str] = "/cgi-bin/tags/create"

    name: str

    def body(self) -> Body:
        """Return the name."""
        return _body({"tag": {"name": _name(self.name)}})

    def read(self, raw: RawReply) -> TagInfo:
        """Return the tag with the id that WeChat gave it."""
        made = success(raw).object("tag")
        if made is None:
            raise raw.garbage("no tag")
        return _tag(raw, made)


@frozen
class TagRename(Deed):
    """Give a tag another name (POST tags/update). Raises ``APIError``: 45058, 45157, 45159."""

    path: ClassVar[str] = "/cgi-bin/tags/update"

    tag_id: int
    name: str

    def body(self) -> Body:
        """Return id and name."""
        return _body({"tag": {"id": _own(self.tag_id), "name": _name(self.name)}})


@frozen
class TagDelete(Deed):
    """Delete a tag, not its followers (POST tags/delete). Raises ``APIError``: 45057, 45058."""

    path: ClassVar[str] = "/cgi-bin/tags/delete"

    tag_id: int

    def body(self) -> Body:
        """Return the id."""
        return _body({"tag": {"id": _own(self.tag_id)}})


@frozen
class _Members(Deed):
    """Followers that get or lose a tag: 1 to 50 OpenIDs. A repeat is harmless.

    Raises ``APIError``, of the whole call: 40003, 49003 for an OpenID of another account, 45059 for
    a follower with 20 tags, 45159. It never says which of them is meant.
    """

    tag_id: int
    openids: Sequence[str] = field(repr=False)

    def body(self) -> Body:
        """Return tag and OpenIDs."""
        check_count("openid_list", len(self.openids), most=MOST_MEMBERS)
        if any(len(openid) != OPENID_LENGTH for openid in self.openids):
            raise InvalidRequestError(field="openid_list", problem="holds what is no OpenID")
        return _body({"tagid": _own(self.tag_id), "openid_list": list(self.openids)})


@frozen
class AddToTag(_Members):
    """Give the tag to these followers (POST tags/members/batchtagging)."""

    path: ClassVar[str] = "/cgi-bin/tags/members/batchtagging"


@frozen
class RemoveFromTag(_Members):
    """Take the tag from these followers (POST tags/members/batchuntagging)."""

    path: ClassVar[str] = "/cgi-bin/tags/members/batchuntagging"


def _tag(raw: RawReply, row: Payload) -> TagInfo:
    tag_id, name = row.integer("id"), row.text("name")
    if tag_id is None or name is None:
        raise raw.garbage("a tag without id or name")
    return TagInfo(id=tag_id, name=name, count=row.integer("count"))


def _body(asked: dict[str, Any]) -> Body:
    return json_body(asked, name="tag")


def _own(tag_id: int) -> int:
    check_tag(tag_id)
    if tag_id in SYSTEM_TAGS:
        raise InvalidRequestError(field="tag_id", problem="is one of WeChat's own tags")
    return tag_id


def _name(name: str) -> str:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise InvalidRequestError(field="name", problem=f"must be 1 to {LONGEST_NAME} characters")
    return name
