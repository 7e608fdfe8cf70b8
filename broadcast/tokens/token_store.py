"""The shared access_token in Redis, its lock, and what others hear of a failed fetch."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr

from broadcast.digests import sha256
from broadcast.errors import BroadcastError, OutOfReachError
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import NOT_WHITELISTED
from broadcast.tokens.redis_access import Script

if TYPE_CHECKING:
    from broadcast.tokens.redis_access import Connection, Keys

log = logging.getLogger(__name__)

#: How long a machine that is not on the whitelist leaves the token to others, in seconds.
UNLISTED_FOR_S = 60.0


@frozen
class NotWhitelisted:
    """WeChat gives this machine no token of an account."""

    failure: str
    #: On the monotonic clock.
    until: float
    #: The shared token, where WeChat had refused it before.
    failed: SecretStr | None


class Failures:
    """Failed fetches of this process; a failure is JSON, without its error's text."""

    def __init__(self, host: str) -> None:
        """Take the name of this machine, the one to which WeChat's whitelist applies."""
        self._host = host
        self._not_whitelisted: dict[str, NotWhitelisted] = {}

    def note(self, account: str, error: Exception, *, failed: SecretStr | None) -> str:
        """Return the failure for the processes that waited; note one of this machine's address."""
        if isinstance(error, TokenRefusedError):
            return json.dumps({"refused": error.message_id, "seconds": error.retry_after_s})
        errcode = getattr(error, "errcode", None)
        facts: dict[str, str | int | None] = {
            "error": type(error).__name__,
            "errcode": errcode if isinstance(errcode, int) else None,
        }
        if errcode not in NOT_WHITELISTED:
            return json.dumps(facts)
        log.warning(
            "account %s: WeChat gives no access_token to this machine, whose address is not on the "
            "whitelist; other machines go on while one of them is: %s",
            account,
            error,
        )
        failure = json.dumps({**facts, "host": self._host})
        self._not_whitelisted[account] = NotWhitelisted(
            failure=failure,
            until=monotonic() + UNLISTED_FOR_S,
            failed=failed,
        )
        return failure

    def concerns_us(self, failure: str) -> bool:
        """Return whether a failure that another process met is one of this machine, too."""
        return bool(json.loads(failure).get("host", self._host) == self._host)

    def of_this_machine(self, account: str) -> NotWhitelisted | None:
        """Return the refusal of this machine's address, for a minute."""
        unlisted = self._not_whitelisted.get(account)
        return unlisted if unlisted and monotonic() < unlisted.until else None

    def note_token(self, account: str, unlisted: NotWhitelisted, *, failed: SecretStr) -> None:
        """Note that WeChat has refused the shared token as well."""
        self._not_whitelisted[account] = replace(unlisted, failed=failed)

    def forget(self, account: str) -> None:
        """Forget the refusal of this machine's address."""
        self._not_whitelisted.pop(account, None)


def as_error(failure: str, *, account: str) -> BroadcastError:
    """Return a failure as the error of whoever waited for the fetch."""
    facts = json.loads(failure)
    if "refused" in facts:
        return TokenRefusedError(facts["refused"], account=account, seconds=facts["seconds"])
    # Without an errcode nobody answered.
    name = "error.token.fetch_away" if facts["errcode"] is None else "error.token.fetch"
    return TokenFetchError(name, account=account, error=facts["error"], errcode=facts["errcode"])


Clock = Callable[[], datetime]


@frozen
class Token:
    """The access_token an account's calls use now."""

    value: SecretStr
    #: How many tokens the account had in this Redis. Informative: it starts again with the Redis.
    generation: int
    expires_at: datetime
    fetched_at: datetime

    @property
    def fingerprint(self) -> str:
        """The first 8 hexadecimal characters of its SHA-256: distinguishes tokens, and no more."""
        return sha256(self.value.get_secret_value())[:8]


@frozen
class Timing:
    """The periods of the token service, in seconds."""

    #: ``stable_token`` gives a new token in the last 300 s and the same one before.
    margin_s: float = 300
    #: Longer than the total time-out of one request to WeChat: it is renewed before each.
    lease_s: float = 20
    #: How long a caller waits for another process's refresh; longer than the lease of a killed one.
    wait_s: float = 30
    #: How long a failed refresh answers for everybody who has no token.
    failure_memory_s: float = 2
    #: How long an expiring token is used before its renewal is tried again.
    early_pause_s: float = 15
    #: WeChat's rule is 30 s; one more, as its clock counts arrivals and ours departures.
    force_gap_s: float = 31
    #: WeChat's rule: ``force_refresh`` calls a day.
    force_per_day: int = 20


@frozen
class Seen:
    """State of Redis at one moment."""

    now: datetime
    #: The nonce under which the caller holds the lock; empty when it does not.
    nonce: str
    #: The last failed refresh as JSON, empty when none is remembered.
    failure: str
    token: Token | None
    refresh_at: datetime | None
    reason: str
    #: A request of ours may have replaced the token since it was written.
    superseded: bool
    replaced_outside_at: datetime | None

    @property
    def held(self) -> bool:
        """The caller holds the lock."""
        return bool(self.nonce)

    @property
    def living(self) -> Token | None:
        """The token, unless it has expired."""
        return self.token if self.token and self.token.expires_at > self.now else None

    @property
    def fresh(self) -> Token | None:
        """The token, unless it is time to renew it."""
        return self.living if self.refresh_at and self.refresh_at > self.now else None


class TokenStore:
    """The scripts around one account's token. Thread-safe and fork-safe: it holds no state."""

    def __init__(
        self, redis: Connection, *, keys: Keys, timing: Timing, now: Clock | None = None
    ) -> None:
        """Take a clock only to test: by default Redis's own clock counts, one for the fleet."""
        self._redis = redis
        self._keys = keys
        self._timing = timing
        self._now = now
        self._look = Script(redis, "token_look_or_lock")
        self._begin = Script(redis, "token_begin")
        self._force = Script(redis, "token_force")
        self._write = Script(redis, "token_write")
        self._release = Script(redis, "token_release")

    def read(self, account: str) -> Seen:
        """Return what is shared now, without the lock."""
        return self._seen(account, nonce="")

    def lock(self, account: str) -> Seen:
        """Try to take the lock, and return what is shared now.

        The nonce is new each time, so that nothing left over from an earlier turn fits.
        While a failure is remembered nobody gets the lock.
        """
        return self._seen(account, nonce=secrets.token_hex(16))

    def begin(self, account: str, nonce: str) -> bool:
        """Renew the lease before a request to WeChat; False: the lease is lost, make none."""
        keys = [self._keys.lock(account), self._keys.token(account)]
        return bool(self._begin(keys, [nonce, _ms(self._timing.lease_s)]))

    def ask_force(self, account: str, nonce: str) -> float | None:
        """Ask for one ``force_refresh``: 0 allowed and counted, else seconds to wait.

        None: the lease is lost, make no request.
        """
        keys = [self._keys.lock(account), self._keys.forced(account)]
        timing = self._timing
        reply = self._force(
            keys,
            [
                nonce,
                _ms(timing.lease_s),
                self._clock(),
                _ms(timing.force_gap_s),
                timing.force_per_day,
            ],
        )
        wait_ms = int(reply)
        return None if wait_ms < 0 else wait_ms / 1000

    def write(
        self,
        account: str,
        nonce: str,
        value: SecretStr,
        *,
        expires_at: datetime,
        reason: str,
        replaced_outside: bool,
    ) -> Token | None:
        """Share a fetched token and free the lock; None: the lease was lost, nothing is written."""
        key = self._keys
        reply = self._write(
            [
                key.lock(account),
                key.token(account),
                key.generation(account),
                key.failure(account),
                key.drift(account),
            ],
            [
                nonce,
                self._clock(),
                value.get_secret_value(),
                _epoch_ms(expires_at),
                _ms(self._timing.margin_s),
                _ms(self._timing.early_pause_s),
                reason,
                int(replaced_outside),
            ],
        )
        if not reply:
            return None
        generation, now_ms = reply
        return Token(
            value=value,
            generation=generation,
            expires_at=expires_at,
            fetched_at=_time(now_ms),
        )

    def release(self, account: str, nonce: str, *, failure: str = "") -> None:
        """Free the lock without a token; a failure is remembered for everybody who waits."""
        key = self._keys
        timing = self._timing
        self._release(
            [key.lock(account), key.token(account), key.failure(account)],
            [
                nonce,
                failure,
                _ms(timing.failure_memory_s),
                self._clock(),
                _ms(timing.early_pause_s),
            ],
        )

    def forget_failure(self, account: str) -> None:
        """Let whoever needs a token fetch it, though a fetch failed a moment ago."""
        self._redis.delete(self._keys.failure(account))

    def _seen(self, account: str, *, nonce: str) -> Seen:
        key = self._keys
        reply = self._look(
            [key.token(account), key.lock(account), key.failure(account), key.drift(account)],
            [nonce, _ms(self._timing.lease_s), self._clock()],
        )
        return _parse(reply, nonce=nonce)

    def _clock(self) -> str:
        return str(_epoch_ms(self._now())) if self._now else ""


def _parse(reply: list[Any], *, nonce: str) -> Seen:
    now_ms, held, failure, drift, fields = reply
    value = SecretStr(_text(fields.pop(0)))
    generation, expires_at, fetched_at, refresh_at, reason, superseded = map(_text, fields)
    token = None
    if value:
        token = Token(
            value=value,
            generation=int(generation),
            expires_at=_time(expires_at),
            fetched_at=_time(fetched_at),
        )
    return Seen(
        now=_time(now_ms),
        nonce=nonce if held else "",
        failure=_text(failure),
        token=token,
        refresh_at=_time(refresh_at) if refresh_at else None,
        reason=reason,
        superseded=bool(superseded),
        replaced_outside_at=_time(_text(drift)) if drift else None,
    )


def _text(field: bytes | str | None) -> str:
    return field.decode() if isinstance(field, bytes) else field or ""


def _time(epoch_ms: str | int) -> datetime:
    # By addition, for a float of seconds loses the last digits of a millisecond.
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(epoch_ms))


def _epoch_ms(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


class TokenFetchError(OutOfReachError):
    """A refresh by another process failed moments ago, and is not repeated yet.

    Carries what is known of that failure without its text, which might quote a URL.
    """

    @property
    def errcode(self) -> int | None:
        """WeChat's errcode, or None where the failure was none of WeChat's answers."""
        return cast("int | None", self.facts["errcode"])

    @property
    def error(self) -> str:
        """The class name of the original exception."""
        return str(self.facts["error"])


class TokenWaitError(OutOfReachError):
    """No token came within the bound: its refresher is slow, or was killed with the lock."""


class TokenRefusedError(BroadcastError):
    """The token was refused (40001, 40014, 42001), and no other can be had now."""

    @property
    def retry_after_s(self) -> float:
        """Seconds until WeChat's rules allow the next ``force_refresh``."""
        return float(cast("float", self.facts["seconds"]))
