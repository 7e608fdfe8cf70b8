"""Everything that can go wrong between us and WeChat.

::

    WeChatError
    ├── InvalidRequestError      refused here, before anything left: a bug or bad content
    ├── APIError                 WeChat answered with an errcode
    └── TransportError           no answer of WeChat's own: ``kind`` says how it failed
        ├── NotSentError         provably no byte of the request left: may be called again
        └── UnknownOutcomeError  it left, wholly or in part: WeChat may have executed it

Which of the two a transport failure is, is not guessed from the kind of exception: the connection
itself notes when the first byte of a request is handed to the operating system
(``broadcast.wechat.connections``). The same reset in the TLS handshake and after the body are two
different outcomes.

No error holds a secret: foreign texts are masked where they are read
(``broadcast.wechat.url_secrets``), and none has a cause or context whose frames could show the URL.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class TransportKind(StrEnum):
    """How a call failed to bring back an answer of WeChat's own."""

    # Provably not sent.
    DNS = "dns"
    """The host's name has no address, or the resolver gave none in time."""
    REFUSED = "refused"
    """The host answered that nothing listens at this port."""
    UNREACHABLE = "unreachable"
    """The operating system found no way to the host, or had no socket left."""
    CONNECT_TIMEOUT = "connect_timeout"
    """No usable connection, TLS included, within the connect or the total time-out."""
    TLS = "tls"
    """The TLS handshake failed: certificate, version, not a TLS server, or it hung up meanwhile."""
    PROXY = "proxy"
    """The proxy is out of reach or would not open a tunnel."""
    POOL_EXHAUSTED = "pool_exhausted"
    """All connections of the pool stayed busy for as long as a connect may take."""
    CLOSED = "closed"
    """The client was closed before the call."""
    TOO_LATE = "too_late"
    """The connection was ready after the moment by which the call had to leave."""
    UNBUILDABLE = "unbuildable"
    """No request could be made of the URL, the headers or the proxy's address."""

    # Sent, outcome unknown.
    WRITE_FAILED = "write_failed"
    """The request was being written when the connection failed or took no more bytes in time."""
    READ_TIMEOUT = "read_timeout"
    """Not one byte of the reply came for as long as a read may take."""
    TOTAL_TIMEOUT = "total_timeout"
    """The call as a whole took longer than it may, however busily bytes dripped in."""
    RESET = "reset"
    """The connection was reset or closed before a reply."""
    TRUNCATED = "truncated"
    """The reply ended before the length it had announced."""
    TLS_BROKEN = "tls_broken"
    """The TLS session failed after the request had left."""
    BAD_HTTP = "bad_http"
    """The reply is not HTTP, or its encoding cannot be undone."""
    HTTP_STATUS = "http_status"
    """Another status than 200: WeChat's own replies, errors too, are always 200."""
    TOO_LARGE = "too_large"
    """The reply is larger than any of WeChat's."""
    NOT_JSON = "not_json"
    """The reply is not JSON in UTF-8: the page of a gateway, say."""
    GARBAGE = "garbage"
    """The reply is JSON, but not what this endpoint answers."""
    UNEXPECTED = "unexpected"
    """``requests`` reported something that should not happen once a request has left."""

    @property
    def sent(self) -> bool:
        """Return whether some part of the request may have reached WeChat."""
        return self not in _NOT_SENT


_NOT_SENT = frozenset(
    {
        TransportKind.DNS,
        TransportKind.REFUSED,
        TransportKind.UNREACHABLE,
        TransportKind.CONNECT_TIMEOUT,
        TransportKind.TLS,
        TransportKind.PROXY,
        TransportKind.POOL_EXHAUSTED,
        TransportKind.CLOSED,
        TransportKind.TOO_LATE,
        TransportKind.UNBUILDABLE,
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
    """What became of a call of one endpoint, which is named as ``POST /cgi-bin/…``."""

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
    """No answer of WeChat's own; made by ``of``, which chooses the class that the kind demands.

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
    def of(
        cls,
        kind: TransportKind,
        *,
        endpoint: str,
        detail: str = "",
        elapsed_ms: int = 0,
        http_status: int | None = None,
    ) -> TransportError:
        """Return a ``NotSentError`` or an ``UnknownOutcomeError``, as *kind* is."""
        error = UnknownOutcomeError if kind.sent else NotSentError
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
        return self.kind.sent

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.endpoint}: {self.kind} after {self.elapsed_ms} ms{detail}"


class NotSentError(TransportError):
    """No byte of the request left this process: making the call again is no repeat."""


class UnknownOutcomeError(TransportError):
    """WeChat may have executed the call, and nobody knows."""
