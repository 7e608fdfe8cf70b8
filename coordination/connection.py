"""The connection to Redis: bounded in time, and silent about passwords and tokens.

redis-py's own defaults (5 s, ten retries) keep a caller for a minute when Redis is frozen; a
lane must know within about two seconds, because nothing may be sent without a slot and a token.
Not bounded here: the resolver's own time-out for a host name that does not resolve.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import SecretStr
from redis import ConnectionPool, Redis, exceptions
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from broadcast.errors import RedisAwayError, SettingsError

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

    What the settings allow in the query of the URL is defined by ``broadcast.url_options``: nothing
    there changes the bounds of this module.

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
