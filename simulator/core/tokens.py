"""access_tokens: two spaces that know nothing of each other (sections 1.1 to 1.3)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Literal

from simulator.core.errors import RefusalError

Space = Literal["classic", "stable"]

_LOOKS_LIKE_A_TOKEN = re.compile(r"\d+_[A-Za-z0-9_-]{32,}")
_PREFIXES: dict[Space, str] = {"classic": "74_", "stable": "82_"}


@dataclass(slots=True, kw_only=True)
class Token:
    """One issued token. `dead_at` is when it was or will be superseded, None for never."""

    value: str = field(repr=False)
    appid: str
    space: Space
    expires_at: float
    dead_at: float | None = None

    def lives(self, now: float) -> bool:
        """Say whether calls are accepted with it."""
        return now < self.expires_at and (self.dead_at is None or now < self.dead_at)

    def retire(self, at: float) -> None:
        """Supersede the token at `at`, or earlier if that was said before."""
        self.dead_at = at if self.dead_at is None else min(at, self.dead_at)

    def refusal(self, now: float) -> int:
        """Return the errcode of a token that no longer lives (section 1.3)."""
        superseded = self.dead_at is not None and self.dead_at <= min(now, self.expires_at)
        return 40001 if superseded else 42001


@dataclass(slots=True)
class TokenBook:
    """Every token ever issued, and each account's current one in both spaces."""

    _tokens: dict[str, Token] = field(default_factory=dict)
    _current: dict[tuple[str, Space], Token] = field(default_factory=dict)
    _forced_at: dict[str, float] = field(default_factory=dict)

    def current(self, appid: str, space: Space) -> Token | None:
        """Return the token that was issued last."""
        return self._current.get((appid, space))

    def issue(self, appid: str, space: Space, *, expires_at: float, length: int) -> Token:
        """Issue a new token; what becomes of the old one is the caller's rule."""
        prefix = _PREFIXES[space]
        value = prefix + secrets.token_urlsafe(length)[: length - len(prefix)]
        token = Token(value=value, appid=appid, space=space, expires_at=expires_at)
        self._tokens[value] = self._current[appid, space] = token
        return token

    def owner(self, value: str | None) -> str | None:
        """Return the appid that a token was ever issued to, living or dead."""
        token = self._tokens.get(value or "")
        return token.appid if token else None

    def check(self, value: str | None, *, now: float, garbage_errcode: int) -> str:
        """Return the appid of a living token.

        Raises:
            RefusalError: 41001, 40014, 40001 or 42001 (section 1.3).
        """
        if value is None:
            raise RefusalError(41001)
        token = self._tokens.get(value)
        if token is None:
            looks_right = _LOOKS_LIKE_A_TOKEN.fullmatch(value)
            raise RefusalError(40001 if looks_right else garbage_errcode)
        if not token.lives(now):
            raise RefusalError(token.refusal(now))
        return token.appid

    def invalidate(self, appid: str, spaces: tuple[Space, ...], *, now: float, sticky: bool) -> int:
        """Make all tokens of an account superseded now; return how many lived.

        `sticky`: stable_token goes on giving out the dead token until a forced refresh.
        """
        living = [
            token
            for token in self._tokens.values()
            if token.appid == appid and token.space in spaces and token.lives(now)
        ]
        for token in living:
            token.retire(now)
        if not sticky:
            for space in spaces:
                self._current.pop((appid, space), None)
        return len(living)

    def forced_at(self, appid: str) -> float | None:
        """Return when the account's stable token was last renewed by force."""
        return self._forced_at.get(appid)

    def mark_forced(self, appid: str, now: float) -> None:
        """Remember a forced renewal."""
        self._forced_at[appid] = now
