"""Whether WeChat answers at all, asked of no account: GET cgi-bin/token that names none.

WeChat answers with an errcode (41002, "appid missing"), which is an answer all the same, and takes
no call from anybody's day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import SecretStr

from wechat.api.token import GRANT_TYPE
from wechat.errors import TransportKind
from wechat.reply import RawReply, payload
from wechat.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """That WeChat answered: after how many milliseconds, and at what time by its own clock."""

    elapsed_ms: int
    #: Aware UTC, to the second; None where the reply names no time.
    date: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Request[Pong]):
    """Ask for an answer, whatever it is. Raises ``UnknownOutcomeError`` for another server's."""

    method: ClassVar[Literal["GET", "POST"]] = "GET"
    path: ClassVar[str] = "/cgi-bin/token"
    needs_token: ClassVar[bool] = False

    def query(self) -> Mapping[str, str | SecretStr]:
        """Return what is asked for, and nobody who asks."""
        return {"grant_type": GRANT_TYPE}

    def read(self, raw: RawReply) -> Pong:
        """Return how long it took, and WeChat's time."""
        if "errcode" not in payload(raw):
            raise raw.error(TransportKind.GARBAGE, "no errcode")
        return Pong(elapsed_ms=raw.elapsed_ms, date=raw.date)
