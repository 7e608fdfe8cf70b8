"""The token service: one access_token per account for the whole fleet, fetched by one at a time.

The rules are WeChat's (``stable_token`` and ``token``, sections "access_token"): the platform
gives a new token in the last five minutes of the old one; a classic fetch replaces the token for
everybody; ``force_refresh`` is for emergencies, 20 a day and 30 s apart; 40001 alone does not
prove that our token is stale.
"""

from __future__ import annotations

import logging
import random
import socket
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from broadcast.crashpoints import Point, failpoint
from broadcast.errors import RedisAwayError
from broadcast.frozen import frozen
from broadcast.tokens.redis_access import Keys
from broadcast.tokens.token_store import (
    Clock,
    Failures,
    NotWhitelisted,
    Seen,
    Timing,
    Token,
    TokenRefusedError,
    TokenStore,
    TokenWaitError,
    as_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import SecretStr

    from broadcast.tokens.redis_access import Connection

__all__ = [
    "FetchedToken",
    "Timing",
    "Token",
    "TokenFetcher",
    "TokenService",
    "TokenView",
]

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.25

# After its lease was lost a caller may fetch once more; a call of `replace` never does.
FETCHES = 2
FETCHES_OF_REPLACE = 1


@frozen
class FetchedToken:
    """WeChat's reply to ``token`` or ``stable_token``."""

    value: SecretStr
    #: Seconds, from the reply: what is left of its life, up to 7200.
    expires_in: int

    def __post_init__(self) -> None:
        """Refuse a reply that cannot be shared."""
        if not self.value or self.expires_in <= 0:
            message = "a token needs a value and some seconds to live"
            raise ValueError(message)


class TokenFetcher(Protocol):
    """Asks WeChat for a token; bounded in time, well below ``Timing.lease_s``."""

    def fetch(self, account: str, *, force: bool) -> FetchedToken:
        """Return a token; *force* is ``stable_token``'s ``force_refresh``.

        What it raises passes through. An ``errcode`` attribute of the exception is passed to the
        processes that waited for it; its text is not, as it might quote a secret.
        """


@frozen
class TokenView:
    """Public facts of a token: everything but itself."""

    generation: int
    age: timedelta
    expires_at: datetime
    length: int
    #: The first 8 hexadecimal characters of its SHA-256.
    fingerprint: str
    #: Why it was fetched.
    reason: str
    #: When a token of ours was last found replaced outside this system, if ever.
    replaced_outside_at: datetime | None


@frozen
class _Errand:
    """Need of one caller: when a shared token will do, and else what to fetch."""

    account: str
    reason: str
    enough: Callable[[Seen], Token | None]
    fetches: int = FETCHES
    failed: SecretStr | None = None
    #: Ask WeChat though this machine's address was refused a moment ago.
    despite_refusal: bool = False


class TokenService:
    """One shared access_token per account.

    *account* must stand for one appid forever (best: use the appid): the token is found by it.
    Thread-safe and fork-safe. Redis away raises ``RedisAwayError``; nothing is fetched around it.

    A failed fetch is remembered for ``Timing.failure_memory_s`` and raised as ``TokenFetchError``
    in everybody else who needs a token, so that 200 waiting processes ask a refusing WeChat
    once and not in turn: a queue of time-outs would hold the last one for an hour. What WeChat says
    of this machine's address is raised on this machine alone: the others ask for themselves.

    Warning: an asynchronous failover of Redis can lose the lock, and then two processes fetch.
    Only one of them writes. In classic mode the written token may be the one that WeChat replaced;
    it works for five minutes more, then 40001 leads to one refresh.
    """

    def __init__(
        self,
        redis: Connection,
        fetch: TokenFetcher,
        *,
        keys: Keys | None = None,
        timing: Timing | None = None,
        now: Clock | None = None,
        on_drift: Callable[[str], None] | None = None,
        host: str | None = None,
    ) -> None:
        """Take Redis and the way to WeChat.

        *host* names this machine, the one to which WeChat's whitelist applies.

        *now* replaces Redis's clock, for tests. *on_drift* is called with the account once for
        each token that was replaced outside this system (catalogue: ``token.drift``).
        """
        self._fetcher = fetch
        self._timing = timing or Timing()
        self._on_drift = on_drift
        self._failures = Failures(host or socket.gethostname())
        self._store = TokenStore(redis, keys=keys or Keys(), timing=self._timing, now=now)

    def get(self, account: str) -> Token:
        """Return the shared token; fetch it if there is none or it is about to expire.

        An expiring token is used while another process renews it or WeChat is away. One that
        WeChat refused is not given out while WeChat gives this machine no other.

        Raises:
            RedisAwayError: Redis is away.
            TokenFetchError, TokenWaitError: no token, and another process could not fetch one.
            Exception: whatever the fetcher raised.
        """
        unlisted = self._failures.of_this_machine(account)
        if unlisted and unlisted.failed:
            return self._obtain(_another(account, unlisted.failed))
        seen = self._store.read(account)
        if seen.fresh:
            return seen.fresh
        reason = "expiring" if seen.living else "missing"
        try:
            return self._obtain(_Errand(account=account, reason=reason, enough=_usable))
        except RedisAwayError:
            raise
        except Exception as error:
            living = self._store.read(account).living
            if living is None:
                raise
            log.warning(
                "account %s: access_token not renewed (%s), the old one is used until %s",
                account,
                type(error).__name__,
                living.expires_at,
            )
            return living

    def refresh(self, account: str, *, reason: str) -> Token:
        """Fetch now, in normal mode; a fetch by another process since this call began will do.

        Raises as ``get``, but does not fall back on an old token.
        """
        asked_at = self._store.read(account).now

        def newer(seen: Seen) -> Token | None:
            return seen.living if seen.living and seen.living.fetched_at > asked_at else None

        return self._obtain(_Errand(account=account, reason=reason, enough=newer))

    def replace(self, account: str, failed: Token) -> Token:
        """Return another token than *failed*, which WeChat refused (40001, 40014, 42001).

        The shared token if it is another one; else one normal fetch, and if WeChat gives the
        same token, one ``force_refresh``. At most one refresh per call.

        Raises:
            TokenRefusedError: WeChat gives the same token, or its rules forbid to force another.
            TokenWaitError: the lease was lost and nobody else brought a token.
            Exception: as ``get``.
        """
        return self._obtain(_another(account, failed.value))

    def ask_despite_refusal(self, account: str) -> Token:
        """Return a token, asking WeChat though it refused this machine's address a moment ago.

        Raises as ``replace``.
        """
        unlisted = self._failures.of_this_machine(account)
        self._store.forget_failure(account)
        errand = _another(account, unlisted.failed if unlisted else None)
        return self._obtain(replace(errand, despite_refusal=True))

    def serves(self, account: str) -> bool:
        """Return whether calls can be made from here: a token can be fetched, or one lives.

        False while this machine is not on the account's whitelist and no token is left that WeChat
        takes. Raises RedisAwayError.
        """
        unlisted = self._failures.of_this_machine(account)
        if unlisted is None:
            return True
        living = self._store.read(account).living
        return living is not None and living.value != unlisted.failed

    def peek(self, account: str) -> TokenView | None:
        """Return what may be shown of the shared token, or None. Fetches nothing."""
        seen = self._store.read(account)
        if seen.token is None:
            return None
        return TokenView(
            generation=seen.token.generation,
            age=seen.now - seen.token.fetched_at,
            expires_at=seen.token.expires_at,
            length=len(seen.token.value.get_secret_value().encode()),
            fingerprint=seen.token.fingerprint,
            reason=seen.reason,
            replaced_outside_at=seen.replaced_outside_at,
        )

    def _obtain(self, errand: _Errand) -> Token:
        account = errand.account
        if not errand.despite_refusal and (unlisted := self._failures.of_this_machine(account)):
            return self._obtain_unasked(errand, unlisted)
        deadline = monotonic() + self._timing.wait_s
        fetches_left = errand.fetches
        pauses = _pauses()
        while True:
            seen = self._store.lock(account) if fetches_left else self._store.read(account)
            if token := errand.enough(seen):
                if seen.held:
                    self._store.release(account, seen.nonce)
                return token
            if seen.held:
                fetches_left -= 1
                if token := self._renewed(errand, seen):
                    return token
                log.warning(
                    "account %s: lost the lock of the access_token, the shared one is read", account
                )
                continue
            if seen.failure and self._failures.concerns_us(seen.failure):
                raise as_error(seen.failure, account=account)
            if monotonic() >= deadline:
                seconds = self._timing.wait_s
                raise TokenWaitError("error.token.wait", account=account, seconds=seconds)
            time.sleep(next(pauses))

    def _obtain_unasked(self, errand: _Errand, unlisted: NotWhitelisted) -> Token:
        """Return a token that others fetched; raise why this machine fetches none."""
        if token := errand.enough(self._store.read(errand.account)):
            return token
        if errand.failed:
            self._failures.note_token(errand.account, unlisted, failed=errand.failed)
        raise as_error(unlisted.failure, account=errand.account)

    def _renewed(self, errand: _Errand, seen: Seen) -> Token | None:
        """Fetch and share a token under the lock; None: the lease was lost meanwhile."""
        try:
            fetched = self._fetched(errand, seen.nonce)
        except RedisAwayError:
            raise
        except Exception as error:
            failure = self._failures.note(errand.account, error, failed=errand.failed)
            self._give_up(errand, seen.nonce, failure=failure)
            raise
        except BaseException:
            self._give_up(errand, seen.nonce, failure="")
            raise
        return self._shared(errand, seen, fetched) if fetched else None

    def _fetched(self, errand: _Errand, nonce: str) -> _Fetched | None:
        account = errand.account
        if not self._store.begin(account, nonce):
            return None
        failpoint(Point.TOKEN_LOCKED)
        token = self._fetcher.fetch(account, force=False)
        failpoint(Point.TOKEN_FETCHED)
        if token.value != errand.failed:
            return _Fetched(token=token, forced=False)
        wait_s = self._store.ask_force(account, nonce)
        if wait_s is None:
            return None
        if wait_s > 0:
            raise TokenRefusedError("error.token.force_limit", account=account, seconds=wait_s)
        token = self._fetcher.fetch(account, force=True)
        if token.value == errand.failed:
            seconds = self._timing.force_gap_s
            raise TokenRefusedError("error.token.same", account=account, seconds=seconds)
        return _Fetched(token=token, forced=True)

    def _shared(self, errand: _Errand, seen: Seen, fetched: _Fetched) -> Token | None:
        account = errand.account
        drifted = not fetched.forced and self._drifted(errand, seen)
        token = self._store.write(
            account,
            seen.nonce,
            fetched.token.value,
            # From before the request, so that the token never seems to live longer than it does.
            expires_at=seen.now + timedelta(seconds=fetched.token.expires_in),
            reason=errand.reason,
            replaced_outside=drifted,
        )
        if token is None:
            return None
        failpoint(Point.TOKEN_SHARED)
        self._failures.forget(account)
        log.info(
            "account %s: access_token fetched (%s), generation %d, valid until %s",
            account,
            errand.reason,
            token.generation,
            token.expires_at,
        )
        if drifted:
            self._tell_drift(account)
        return token

    def _drifted(self, errand: _Errand, seen: Seen) -> bool:
        """Return whether another token from a normal fetch proves that another program fetches."""
        token = seen.living
        if token is None or token.value != errand.failed or seen.superseded:
            return False
        return token.expires_at - seen.now > timedelta(seconds=self._timing.margin_s)

    def _tell_drift(self, account: str) -> None:
        log.warning("account %s: access_token was replaced outside this system", account)
        if self._on_drift is not None:
            self._on_drift(account)

    def _give_up(self, errand: _Errand, nonce: str, *, failure: str) -> None:
        # The reason for giving up is what the caller must see; the lock ends by its lease.
        with suppress(RedisAwayError):
            self._store.release(errand.account, nonce, failure=failure)


@frozen
class _Fetched:
    token: FetchedToken
    forced: bool


def _another(account: str, failed: SecretStr | None) -> _Errand:
    """Return the errand for another token than *failed*, which WeChat refused."""

    def enough(seen: Seen) -> Token | None:
        return seen.living if seen.living and seen.living.value != failed else None

    return _Errand(
        account=account,
        reason="refused" if failed else "missing",
        enough=enough,
        fetches=FETCHES_OF_REPLACE,
        failed=failed,
    )


def _usable(seen: Seen) -> Token | None:
    return seen.fresh or (None if seen.held else seen.living)


def _pauses() -> Iterator[float]:
    """Seconds between two looks of one waiter: growing, and uneven so that waiters spread."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield random.uniform(pause_s / 2, pause_s)  # noqa: S311 - spreads waiters, no secret
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
