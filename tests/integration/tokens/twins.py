"""Twins of WeChat's token endpoints: one that many processes share, one that knows the rules."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import SecretStr

from broadcast.tokens.token_service import FetchedToken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIFE_S = 7200
LINE_BYTES = 7

# "In the last 5 minutes the platform issues a new token" (stable_token, normal mode).
RENEWAL = timedelta(seconds=300)
FORCE_GAP = timedelta(seconds=30)


class WeChatRefusesError(Exception):
    """What the twin raises, shaped like an answer with an errcode."""

    def __init__(self, errcode: int) -> None:
        super().__init__(errcode)
        self.errcode = errcode


class CountingFetcher:
    """Gives token-1, token-2 …; counts the calls of all processes in one file.

    `before_reply` runs after a call was counted, where the network would take its time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.touch()
        self.before_reply: Callable[[], object] = lambda: None
        self.expires_in = LIFE_S

    def fetch(self, account: str, *, force: bool) -> FetchedToken:
        """Count the call, take some time, give a token."""
        line = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(line, b"forced\n" if force else b"normal\n")
            number = os.lseek(line, 0, os.SEEK_CUR) // LINE_BYTES
        finally:
            os.close(line)
        self.before_reply()
        return FetchedToken(value=SecretStr(f"token-{number}"), expires_in=self.expires_in)

    @property
    def calls(self) -> list[str]:
        """`normal` and `forced` calls up to now, in order."""
        return self.path.read_text().split()


def slow(seconds: float) -> Callable[[], None]:
    """Return a network that takes its time."""
    return lambda: time.sleep(seconds)


def refusing(errcode: int, *, after_s: float = 0) -> Callable[[], None]:
    """Return a WeChat that answers with an errcode."""

    def refuse() -> None:
        time.sleep(after_s)
        raise WeChatRefusesError(errcode)

    return refuse


@dataclass
class StableWeChat:
    """The rules of `stable_token` under a clock that the test moves."""

    now: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    away: bool = False
    calls: list[str] = field(default_factory=list)
    forced_at: list[datetime] = field(default_factory=list)
    current: SecretStr = field(default_factory=lambda: SecretStr(""))
    expires_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    _issued: int = 0

    def clock(self) -> datetime:
        """Return the test's time."""
        return self.now

    def fetch(self, account: str, *, force: bool) -> FetchedToken:
        """Answer as the platform does."""
        self.calls.append("forced" if force else "normal")
        if self.away:
            raise WeChatRefusesError(-1)
        if force:
            self.force()
        elif not self.gives_the_same_as(self.current):
            self._issue()
        expires_in = int((self.expires_at - self.now).total_seconds())
        return FetchedToken(value=self.current, expires_in=expires_in)

    def force(self) -> None:
        """Replace the token, unless the last time is less than 30 s ago."""
        if self.may_force():
            self.forced_at.append(self.now)
            self._issue()

    def may_force(self) -> bool:
        """Tell whether `force_refresh` would give a new token now."""
        return not any(self.now - moment < FORCE_GAP for moment in self.forced_at)

    def gives_the_same_as(self, value: SecretStr) -> bool:
        """Tell whether a normal call would give this token now."""
        return value == self.current and self.expires_at - self.now > RENEWAL

    def _issue(self) -> None:
        self._issued += 1
        self.current = SecretStr(f"stable-{self._issued}")
        self.expires_at = self.now + timedelta(seconds=LIFE_S)
