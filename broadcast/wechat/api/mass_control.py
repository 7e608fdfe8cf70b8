"""message/mass/delete takes the page of a mass send away; speed/get and speed/set.

The card stays in the followers' chats; the page behind it no longer opens, for this send and for
every other send of the same material. Only articles and videos have a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from broadcast.wechat.api.mass import positive
from broadcast.wechat.call_errors import InvalidRequestError
from broadcast.wechat.endpoint import (
    Body,
    Deed,
    RawReply,
    Request,
    json_body,
    success,
)
from broadcast.wechat.frozen_values import frozen


@frozen
class MassDelete(Deed):
    """Delete what a mass send published (POST message/mass/delete); a repeat is harmless.

    Either *msg_id*, with *article_idx* for one article (from 1) or None for all of them, or the
    *url* of one article. Raises ``APIError``: 40059 for a msg_id that the account does not have,
    40060, 40065 for a job that has not ended, 40008 for another kind of message, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/message/mass/delete"

    msg_id: int | None = None
    article_idx: int | None = None
    url: str | None = None

    def body(self) -> Body:
        """Return which message, and which of its articles."""
        if (self.msg_id is None) is (self.url is None):
            raise InvalidRequestError(field="msg_id", problem="give either msg_id or url")
        asked: dict[str, Any] = {"url": self.url}
        if self.msg_id is not None:
            asked = {"msg_id": positive("msg_id", self.msg_id)}
        if self.article_idx is not None:
            if self.msg_id is None:
                raise InvalidRequestError(field="article_idx", problem="goes with msg_id only")
            asked["article_idx"] = positive("article_idx", self.article_idx)
        return json_body(asked, name="url")


#: Each level, and how many followers a minute it reaches by WeChat's page "speed/set".
LEVELS: Final[Mapping[int, int]] = MappingProxyType(
    {0: 800_000, 1: 600_000, 2: 450_000, 3: 300_000, 4: 100_000}
)
#: ``realspeed`` counts followers in ten thousands.
_UNIT: Final = 10_000


@frozen
class Speed:
    """A level, and what WeChat says that it comes to; the two differ on WeChat's own page."""

    level: int
    followers_a_minute: int


@frozen
class SpeedGet(Request[Speed]):
    """Ask for the account's speed (POST message/mass/speed/get). Raises ``APIError``: 45085."""

    path: ClassVar[str] = "/cgi-bin/message/mass/speed/get"

    def body(self) -> Body:
        """Return an empty object."""
        return Body(data=b"{}")

    def read(self, raw: RawReply) -> Speed:
        """Return the level and the real speed."""
        reply = success(raw)
        level, real = reply.integer("speed"), reply.integer("realspeed")
        if level is None or real is None:
            raise raw.garbage("no speed or no realspeed")
        return Speed(level=level, followers_a_minute=real * _UNIT)


@frozen
class SpeedSet(Deed):
    """Set the account's speed, 0 (fastest) to 4 (POST message/mass/speed/set).

    Raises ``APIError``: 45083, 45084, 45085, and 89504, 89505 while the administrator has to
    confirm it.
    """

    path: ClassVar[str] = "/cgi-bin/message/mass/speed/set"

    level: int

    def body(self) -> Body:
        """Return the level. Raises ``InvalidRequestError`` for one that there is not."""
        if isinstance(self.level, bool) or self.level not in LEVELS:
            problem = f"must be {min(LEVELS)} to {max(LEVELS)}"
            raise InvalidRequestError(field="speed", problem=problem)
        return Body(data=b'{"speed":%d}' % self.level)
