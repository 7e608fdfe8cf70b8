"""message/mass/speed/get and set: how fast WeChat delivers the account's mass sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

from wechat.errors import InvalidRequestError, TransportKind
from wechat.reply import RawReply, success
from wechat.request import Body, Deed, Request

#: Each level, and how many followers a minute it reaches by WeChat's page "speed/set".
LEVELS: Final[Mapping[int, int]] = MappingProxyType(
    {0: 800_000, 1: 600_000, 2: 450_000, 3: 300_000, 4: 100_000}
)
#: ``realspeed`` counts followers in ten thousands.
_UNIT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """A level, and what WeChat says that it comes to; the two differ on WeChat's own page."""

    level: int
    followers_a_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
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
            raise raw.error(TransportKind.GARBAGE, "no speed or no realspeed")
        return Speed(level=level, followers_a_minute=real * _UNIT)


@dataclass(frozen=True, slots=True, kw_only=True)
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
