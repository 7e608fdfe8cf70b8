"""Redis: the connection, bounded in time and silent about secrets; keys; scripts.

redis-py's own defaults (5 s, ten retries) keep a caller for a minute when Redis is frozen; a
lane must know within about two seconds, because nothing may be sent without a slot and a token.
Not bounded here: the resolver's own time-out for a host name that does not resolve.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from redis import ConnectionPool, Redis, exceptions
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from broadcast.errors import RedisAwayError, SettingsError
from broadcast.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

SOCKET_TIMEOUT_S = 1.0
CONNECT_TIMEOUT_S = 1.0
RETRIES = 1
RETRY_PAUSE_S = 0.05
RETRY_PAUSE_CAP_S = 0.2

# More than the threads of any worker process: a pool that is too small refuses instead of waiting.
MAX_CONNECTIONS = 1024

_HIDDEN = "***"
_ADDRESS = re.compile(r"(\[[^\]]*\]|[^:/?\[]*)(:\d+)?([/?].*)?", re.DOTALL)
_QUERY_PASSWORD = re.compile(r"(?<=password=)[^&]*")


class Connection(Redis):
    """A Redis client whose single commands and scripts raise ``RedisAwayError``.

    Pipelines and subscriptions are not covered; this package uses neither. Thread-safe, and safe to
    share with forked children: redis-py's pool drops the parent's sockets in a child.
    """

    #: Where Redis is, with the password masked.
    address: str = "redis://"

    def execute_command(self, *args: object, **options: object) -> Any:  # noqa: ANN401 - any reply
        """Execute one command; a retry after a lost reply may execute it twice.

        Raises:
            RedisAwayError: unreachable, silent, or refusing (READONLY, OOM, NOAUTH …).
        """
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except (exceptions.NoScriptError, exceptions.DataError):
            raise
        except exceptions.RedisError as error:
            away = _away(error, address=self.address)
        # Raised outside the handler, so that redis-py's error is not its context: the frames of
        # that one hold the password and what was sent.
        raise away


def connect(url: SecretStr | str) -> Connection:
    """Return a client for ``redis://``, ``rediss://`` or ``unix://``; it connects when first used.

    What the settings allow in the query of the URL is defined by
    ``broadcast.settings.server_urls``: nothing there changes the bounds of this module.

    Raises:
        SettingsError: the URL cannot be read.
    """
    secret = SecretStr(url) if isinstance(url, str) else url
    del url
    address = masked(secret)
    try:
        pool = ConnectionPool.from_url(
            secret.get_secret_value(),
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            retry=Retry(ExponentialBackoff(cap=RETRY_PAUSE_CAP_S, base=RETRY_PAUSE_S), RETRIES),
            max_connections=MAX_CONNECTIONS,
        )
    except (ValueError, TypeError):
        pool = None
    # Raised outside the handler, whose exception quotes the URL.
    if pool is None:
        raise SettingsError("error.redis.bad_url", url=address)
    connection = Connection(connection_pool=pool)
    connection.auto_close_connection_pool = True
    connection.address = address
    return connection


def masked(url: SecretStr) -> str:
    """Return the URL with every password in it replaced by ``***``.

    A password may hold characters that should have been escaped, so all up to the last ``@`` is
    taken as the login; and what does not look like an address at all is not shown.
    """
    scheme, mark, rest = url.get_secret_value().partition("://")
    login, at, address = rest.rpartition("@")
    if not mark or not _ADDRESS.fullmatch(address):
        return _HIDDEN
    user, colon, _ = login.partition(":")
    password = _HIDDEN if colon else ""
    return f"{scheme}://{user}{colon}{password}{at}{_QUERY_PASSWORD.sub(_HIDDEN, address)}"


def _away(error: exceptions.RedisError, *, address: str) -> RedisAwayError:
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        return RedisAwayError("error.redis.away", address=address, reason=str(error))
    # The text of a reply may quote the arguments of the command, so only its code is reported:
    # by the class, where redis-py knows it.
    code = type(error).__name__
    if type(error) is exceptions.ResponseError:
        word = str(error).partition(" ")[0]
        code = word if word.isupper() else code
    return RedisAwayError("error.redis.refused", address=address, code=code)


@frozen
class Keys:
    """The names of the keys, behind the prefix of this installation."""

    prefix: str = ""

    def token(self, account: str) -> str:
        """Return the key of the shared access_token."""
        return self._key(account, "token")

    def lock(self, account: str) -> str:
        """Return the key of the lock under which a token is fetched and written."""
        return self._key(account, "token:lock")

    def generation(self, account: str) -> str:
        """Return the key that counts tokens."""
        return self._key(account, "token:generation")

    def failure(self, account: str) -> str:
        """Return the key of the remembered failure of a refresh."""
        return self._key(account, "token:failure")

    def forced(self, account: str) -> str:
        """Return the key of the times of ``force_refresh`` calls."""
        return self._key(account, "token:forced")

    def drift(self, account: str) -> str:
        """Return the key of the last replacement of the token outside this system."""
        return self._key(account, "token:drift")

    def limiter(self, account: str) -> str:
        """Return the key of the pace of calls."""
        return self._key(account, "limiter")

    def claims(self, installation: str) -> str:
        """Return the key of the counts of claims, by account, of one database."""
        return self._key(installation, "claims")

    def sweep(self) -> str:
        """Return the key of the last sweep's mark; no account has this name."""
        return self._key("*", "sweep")

    def _key(self, account: str, name: str) -> str:
        return f"{self.prefix}broadcast:{{{account}}}:{name}"


Argument = str | int


class Script:
    """One Lua script in Redis; uploaded again when Redis has forgotten it."""

    def __init__(self, redis: Connection, name: str) -> None:
        """Take ``broadcast/tokens/NAME.lua``."""
        text = (
            resources.files("broadcast.tokens").joinpath(f"{name}.lua").read_text(encoding="utf-8")
        )
        self._script = redis.register_script(text)

    def __call__(self, keys: Sequence[str], args: Sequence[Argument]) -> Any:  # noqa: ANN401 - any reply
        """Run it and return Redis's reply.

        Raises:
            RedisAwayError: with a traceback that starts here, so that no frame in it holds *args*.
        """
        try:
            return self._script(keys=list(keys), args=list(args))
        except RedisAwayError as error:
            away = error
        del args
        # redis-py uploads a forgotten script inside a handler: the NOSCRIPT error that it handled
        # hangs on this one as its context, and its frames hold the arguments too.
        away.__context__ = None
        raise away.with_traceback(None)
