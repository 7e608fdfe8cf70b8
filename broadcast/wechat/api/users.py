"""user/…: who follows the account, page by page; who has a tag; and since when somebody follows.

Pages come in WeChat's own order. The last page with OpenIDs may name a next_openid as well; an
empty page follows it then (WeChat page "user/get").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Literal

from pydantic import SecretStr

from broadcast.wechat.api.mass import OPENID_LENGTH, check_count, check_tag
from broadcast.wechat.endpoint import (
    Body,
    Payload,
    RawReply,
    Request,
    json_body,
    success,
)
from broadcast.wechat.frozen_values import frozen

#: OpenIDs of one page at most.
MOST_OF_A_PAGE: Final = 10_000
#: OpenIDs of one call of user/info/batchget; 40032 beyond.
MOST_ASKED: Final = 100
#: user/get and user/tag/get: next_openid is nobody's OpenID, or not this account's.
NO_SUCH_OPENID: Final = 40003
_ALPHABET = re.compile(r"[A-Za-z0-9_-]*\Z")


@frozen
class Page:
    """One page of OpenIDs, in WeChat's order."""

    openids: Sequence[str] = field(repr=False)
    #: What the next page is asked from; empty where there is none.
    next_openid: str
    #: How many WeChat counts in all; user/tag/get does not say.
    total: int | None
    #: WeChat's clock when it was asked, to the second; None where the reply names no time.
    asked_at: datetime | None
    elapsed_ms: int


@frozen
class UserGet(Request[Page]):
    """Ask for a page of the account's followers (GET user/get).

    Raises ``APIError``: 40003 for a next_openid that WeChat does not know (any more), 45009 beyond
    the day's 500 calls, token errors.
    """

    method: ClassVar[Literal["GET", "POST"]] = "GET"
    path: ClassVar[str] = "/cgi-bin/user/get"

    #: Of the page before; empty for the first one.
    next_openid: str = ""

    def query(self) -> Mapping[str, str | SecretStr]:
        """Return where to go on."""
        return {"next_openid": self.next_openid}

    def read(self, raw: RawReply) -> Page:
        """Return the page."""
        reply = success(raw)
        total = reply.integer("total")
        if total is None or total < 0:
            raise raw.garbage("no total")
        return _page(raw, reply, total=total)


@frozen
class TagFollowers(Request[Page]):
    """Ask for a page of those who have a tag (POST user/tag/get). Raises as :class:`UserGet`."""

    path: ClassVar[str] = "/cgi-bin/user/tag/get"

    tag_id: int
    next_openid: str = ""

    def body(self) -> Body:
        """Return tag and place; the field has another name than in sendall."""
        check_tag(self.tag_id)
        asked = {"tagid": self.tag_id, "next_openid": self.next_openid}
        return json_body(asked, name="next_openid")

    def read(self, raw: RawReply) -> Page:
        """Return the page."""
        return _page(raw, success(raw), total=None)


@frozen
class UserInfo:
    """Details of one follower: no name, picture, sex or region since 2021-12."""

    follows: bool
    #: Since when they follow, to the second; None where they do not, or WeChat does not say.
    since: datetime | None


@frozen
class UserInfos(Request[Mapping[str, UserInfo]]):
    """Ask who of 1 to 100 people follows the account, and since when (POST user/info/batchget).

    Raises ``APIError``: 40003 where one of them is not the account's, of the whole call.
    """

    path: ClassVar[str] = "/cgi-bin/user/info/batchget"

    openids: Sequence[str] = field(repr=False)

    def body(self) -> Body:
        """Return the OpenIDs."""
        check_count("user_list", len(self.openids), most=MOST_ASKED)
        asked = {"user_list": [{"openid": one} for one in self.openids]}
        return json_body(asked, name="user_list")

    def read(self, raw: RawReply) -> Mapping[str, UserInfo]:
        """Return what is said of each. Each that was asked must be answered."""
        rows = success(raw).objects("user_info_list")
        said = {row.text("openid"): row for row in rows or ()}
        flags = {one: row.integer("subscribe") for one, row in said.items()}
        if not set(self.openids) <= set(said) or not set(flags.values()) <= {0, 1}:
            raise raw.garbage("not everybody who was asked for")
        return {
            one: UserInfo(follows=bool(flags[one]), since=_since(said[one]) if flags[one] else None)
            for one in self.openids
        }


def _since(row: Payload) -> datetime | None:
    seconds = row.integer("subscribe_time")
    return datetime.fromtimestamp(seconds, UTC) if seconds and 0 < seconds < 2**32 else None


def _page(raw: RawReply, reply: Payload, *, total: int | None) -> Page:
    # An empty page has no data, and perhaps no next_openid.
    data = reply.object("data")
    openids = [] if data is None else data.strings("openid")
    if openids is None or (data is None and reply.integer("count")):
        raise raw.garbage("no data.openid")
    if not _are_openids(openids):
        raise raw.garbage("an OpenID of another form")
    next_openid = reply.text("next_openid") or ""
    if next_openid and not _are_openids([next_openid]):
        raise raw.garbage("a next_openid of another form")
    asked_at = raw.date and raw.date - timedelta(milliseconds=raw.elapsed_ms)
    return Page(
        openids=openids,
        next_openid=next_openid,
        total=total,
        asked_at=asked_at,
        elapsed_ms=raw.elapsed_ms,
    )


def _are_openids(found: Sequence[str]) -> bool:
    lengths = all(len(one) == OPENID_LENGTH for one in found)
    return lengths and _ALPHABET.match("".join(found)) is not None
