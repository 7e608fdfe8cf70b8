"""Secrets of a call never reach an error, or a log line of the libraries below.

The client knows which secrets a call carries, so it masks their values and needs no registry. What
merely looks like a secret is masked by its name. ``broadcast.redaction`` does this for the whole
process; the pattern stands here again because neither of the two packages may import the other.
"""

from __future__ import annotations

import base64
import logging
import re
import traceback
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote

from pydantic import SecretStr

MASK: Final = "***"
# Shorter values would blank ordinary words.
SHORTEST_SECRET: Final = 6

_LOOKS_SECRET: Final = re.compile(
    r"((?:access_token|secret)[\"']?(?:\s{0,4}[:=]\s{0,4}|%3d)[\"']?)(?!\*\*\*)[^\s&\"'\\,;<>{}]+"
    r"|(://[^\s:/@\"'<>]{0,128}:)[^\s\"'<>]{1,512}@",
    re.IGNORECASE,
)


class Secrets:
    """Secrets of a call, which must not be shown; prints nothing itself."""

    __slots__ = ("_forms",)

    def __init__(self, values: Iterable[SecretStr] = ()) -> None:
        """Take the secrets as they are; they are masked as a URL writes them, too."""
        forms = set[str]()
        for secret in values:
            value = secret.get_secret_value()
            forms |= {value, quote(value, safe=""), quote_plus(value)}
        # Longest first: a secret that begins another one must not leave its tail behind.
        long_enough = (form for form in forms if len(form) >= SHORTEST_SECRET)
        self._forms = tuple(sorted(long_enough, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """Return *text* without them, and without what looks like one."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return _LOOKS_SECRET.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    return f"{match[1]}{MASK}" if match[1] else f"{match[2]}{MASK}@"


NO_SECRETS: Final = Secrets()


def of_url(url: SecretStr) -> tuple[SecretStr, ...]:
    """Return the password of *url* in every form in which it may be met, whatever ails the URL."""
    login, _, _ = url.get_secret_value().rpartition("@")
    login = login.rpartition("://")[2]
    name, _, password = login.partition(":")
    plain = unquote(password)
    basic = base64.b64encode(f"{unquote(name)}:{plain}".encode()).decode()
    return tuple(map(SecretStr, (password, plain, basic))) if password else ()


class LogFilter(logging.Filter):
    """Cleans the records of one logger with what is secret now; lets every record through.

    A traceback is kept as text only: a handler that draws one may draw local variables, and those
    of an HTTP library hold the URL.
    """

    def __init__(self, secrets: Callable[[], Secrets]) -> None:
        """Take what returns the secrets of the call that this thread makes."""
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean *record* in place."""
        mask = self._secrets().mask
        record.msg, record.args = mask(record.getMessage()), None
        if record.exc_info:
            drawn = "".join(traceback.format_exception(record.exc_info[1]))
            record.exc_text, record.exc_info = mask(drawn), None
        return True


#: Kind of failure that brought back no answer of WeChat's own.
TransportKind = StrEnum(
    "TransportKind",
    [
        # Provably not sent.
        #: The host's name has no address, or the resolver gave none in time.
        "DNS",
        #: The host answered that nothing listens at this port.
        "REFUSED",
        #: The operating system found no way to the host, or had no socket left.
        "UNREACHABLE",
        #: No usable connection, TLS included, within the connect or the total time-out.
        "CONNECT_TIMEOUT",
        #: The TLS handshake failed: certificate, version, no TLS server, or it hung up meanwhile.
        "TLS",
        #: The proxy is out of reach or would not open a tunnel.
        "PROXY",
        #: All connections of the pool stayed busy for as long as a connect may take.
        "POOL_EXHAUSTED",
        #: The client was closed before the call.
        "CLOSED",
        #: The connection was ready after the moment by which the call had to leave.
        "TOO_LATE",
        #: No request could be made of the URL, the headers or the proxy's address.
        "UNBUILDABLE",
        # Sent, outcome unknown.
        #: The request was being written when the connection failed or took no more bytes in time.
        "WRITE_FAILED",
        #: Not one byte of the reply came for as long as a read may take.
        "READ_TIMEOUT",
        #: The call as a whole took longer than it may, however busily bytes dripped in.
        "TOTAL_TIMEOUT",
        #: The connection was reset or closed before a reply.
        "RESET",
        #: The reply ended before the length it had announced.
        "TRUNCATED",
        #: The TLS session failed after the request had left.
        "TLS_BROKEN",
        #: The reply is not HTTP, or its encoding cannot be undone.
        "BAD_HTTP",
        #: Another status than 200: WeChat's own replies, errors too, are always 200.
        "HTTP_STATUS",
        #: The reply is larger than any of WeChat's.
        "TOO_LARGE",
        #: The reply is not JSON in UTF-8: the page of a gateway, say.
        "NOT_JSON",
        #: The reply is JSON, but not what this endpoint answers.
        "GARBAGE",
        #: ``requests`` reported something that should not happen once a request has left.
        "UNEXPECTED",
    ],
)
#: After these no part of the request can have reached WeChat.
NOT_SENT = frozenset(
    {
        "dns",
        "refused",
        "unreachable",
        "connect_timeout",
        "tls",
        "proxy",
        "pool_exhausted",
        "closed",
        "too_late",
        "unbuildable",
    }
)


class WeChatError(Exception):
    """The base of every error of this package."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Make copies and pickles of errors whose facts are keyword-only."""
        return (_rebuild, (type(self), dict(self.__dict__)))


def _rebuild(cls: type[WeChatError], facts: dict[str, Any]) -> WeChatError:
    error = cls.__new__(cls)
    error.__dict__.update(facts)
    return error


class InvalidRequestError(WeChatError, ValueError):
    """The request was refused before anything was sent; ``field`` names its part."""

    def __init__(self, *, field: str, problem: str) -> None:
        super().__init__()
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class _AnswerError(WeChatError):
    """Result of a call of one endpoint, which is named as ``POST /cgi-bin/…``."""

    endpoint: str

    @property
    def path(self) -> str:
        """Return the path of the endpoint."""
        return self.endpoint.rpartition(" ")[2]


class APIError(_AnswerError):
    """WeChat answered with an errcode other than 0.

    ``errmsg`` is without its rid and hint; ``rid`` is what WeChat's support asks for.
    """

    def __init__(self, *, errcode: int, errmsg: str, rid: str | None, endpoint: str) -> None:
        super().__init__()
        self.errcode = errcode
        self.errmsg = errmsg
        self.rid = rid
        self.endpoint = endpoint

    def __str__(self) -> str:
        rid = f" (rid {self.rid})" if self.rid else ""
        return f"{self.endpoint}: {self.errcode} {self.errmsg}{rid}"


class TransportError(_AnswerError):
    """No answer of WeChat's own; ``from_kind`` chooses the class that the kind demands.

    ``elapsed_ms`` counts from the start of the call; ``http_status`` is None unless a status came.
    """

    def __init__(
        self,
        *,
        kind: TransportKind,
        endpoint: str,
        detail: str = "",
        elapsed_ms: int = 0,
        http_status: int | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.endpoint = endpoint
        self.detail = detail
        self.elapsed_ms = elapsed_ms
        self.http_status = http_status

    @classmethod
    def from_kind(
        cls,
        kind: TransportKind,
        *,
        endpoint: str,
        detail: str = "",
        elapsed_ms: int = 0,
        http_status: int | None = None,
    ) -> TransportError:
        """Return a ``NotSentError`` or an ``UnknownOutcomeError``, as *kind* is."""
        error = NotSentError if kind in NOT_SENT else UnknownOutcomeError
        return error(
            kind=kind,
            endpoint=endpoint,
            detail=detail,
            elapsed_ms=elapsed_ms,
            http_status=http_status,
        )

    @property
    def sent(self) -> bool:
        """Return whether some part of the request may have reached WeChat."""
        return self.kind not in NOT_SENT

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.endpoint}: {self.kind} after {self.elapsed_ms} ms{detail}"


class NotSentError(TransportError):
    """No byte of the request left this process: making the call again is no repeat."""


class UnknownOutcomeError(TransportError):
    """WeChat may have executed the call, and nobody knows."""
