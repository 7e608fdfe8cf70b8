"""From what ``requests`` and the layers below it raise, to our own words. Pure.

Every exception has two meanings, one before and one after the first byte of the request left; which
applies is known from the connection, never from the exception. ``MAP`` is read from the top, so it
goes from the most specific exception to the most general. There is no default: what is in no row is
not a failure of the transport and is passed on as it is, without its frames.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from requests import exceptions as of_requests
from urllib3 import exceptions as of_urllib3

from broadcast.wechat.call_errors import TransportError, TransportKind
from broadcast.wechat.deadline import Exchange, Phase, TooLateError


class Row(NamedTuple):
    """Meaning of an exception before and after the request began to leave."""

    exception: type[Exception]
    before: TransportKind
    after: TransportKind


_K = TransportKind

#: What it means before and after the request began to leave, and which exceptions mean that.
_MEANINGS: Final[tuple[tuple[TransportKind, TransportKind, tuple[type[Exception], ...]], ...]] = (
    # Our own word, from before the first byte.
    (_K.TOO_LATE, _K.UNEXPECTED, (TooLateError,)),
    # The proxy: whatever ails it, nothing of ours was on the way.
    (_K.PROXY, _K.RESET, (of_urllib3.ProxyError, of_requests.ProxyError)),
    (
        _K.PROXY,
        _K.UNEXPECTED,
        (
            of_urllib3.ProxySchemeUnknown,
            of_urllib3.ProxySchemeUnsupported,
            of_requests.InvalidProxyURL,
        ),
    ),
    # The operating system, in its own words.
    (_K.DNS, _K.UNEXPECTED, (socket.gaierror, of_urllib3.NameResolutionError)),
    (_K.REFUSED, _K.RESET, (ConnectionRefusedError,)),
    (_K.UNREACHABLE, _K.UNEXPECTED, (of_urllib3.NewConnectionError,)),
    # The pool.
    (_K.POOL_EXHAUSTED, _K.UNEXPECTED, (of_urllib3.EmptyPoolError, of_urllib3.FullPoolError)),
    (_K.CLOSED, _K.UNEXPECTED, (of_urllib3.ClosedPoolError,)),
    # Time. A TLS handshake that is too slow reaches us as a read time-out, hence "before".
    (
        _K.CONNECT_TIMEOUT,
        _K.UNEXPECTED,
        (of_urllib3.ConnectTimeoutError, of_requests.ConnectTimeout),
    ),
    (
        _K.CONNECT_TIMEOUT,
        _K.READ_TIMEOUT,
        (of_urllib3.ReadTimeoutError, of_requests.ReadTimeout, of_requests.Timeout, TimeoutError),
    ),
    # TLS. After the request left, an alert or a broken record leaves the outcome open.
    (_K.TLS, _K.TLS_BROKEN, (ssl.SSLError, of_urllib3.SSLError, of_requests.SSLError)),
    # The connection breaks. Before the request that can only be within the handshake. After it,
    # also on a kept-alive connection that the server closed at the same moment: not provable.
    (_K.TLS, _K.RESET, (http.client.RemoteDisconnected, ConnectionError)),
    # The reply breaks off, or is none.
    (
        _K.TLS,
        _K.TRUNCATED,
        (of_urllib3.IncompleteRead, of_urllib3.InvalidChunkLength, http.client.IncompleteRead),
    ),
    (_K.UNBUILDABLE, _K.UNEXPECTED, (http.client.InvalidURL,)),
    (
        _K.UNBUILDABLE,
        _K.BAD_HTTP,
        (http.client.HTTPException, of_urllib3.DecodeError, of_requests.ContentDecodingError),
    ),
    (_K.UNBUILDABLE, _K.TRUNCATED, (of_requests.ChunkedEncodingError,)),
    (_K.UNBUILDABLE, _K.NOT_JSON, (of_requests.JSONDecodeError,)),
    # What a request cannot be made of.
    (
        _K.UNBUILDABLE,
        _K.UNEXPECTED,
        (of_requests.MissingSchema, of_requests.InvalidSchema, of_requests.InvalidURL),
    ),
    (_K.UNBUILDABLE, _K.BAD_HTTP, (of_requests.InvalidHeader,)),
    (
        _K.UNBUILDABLE,
        _K.UNEXPECTED,
        (of_requests.URLRequired, of_requests.InvalidJSONError, of_requests.UnrewindableBodyError),
    ),
    # What our use of requests leaves no room for: no retries, no redirects, one read of a body.
    (_K.UNREACHABLE, _K.UNEXPECTED, (of_requests.RetryError,)),
    (
        _K.UNBUILDABLE,
        _K.UNEXPECTED,
        (of_requests.TooManyRedirects, of_requests.StreamConsumedError),
    ),
    (_K.UNBUILDABLE, _K.HTTP_STATUS, (of_requests.HTTPError,)),
    # The general ones.
    (_K.UNREACHABLE, _K.RESET, (of_urllib3.ProtocolError, of_requests.ConnectionError)),
    (_K.UNBUILDABLE, _K.UNEXPECTED, (of_urllib3.HTTPError, of_requests.RequestException)),
    (_K.UNBUILDABLE, _K.BAD_HTTP, (UnicodeError,)),
    (_K.UNREACHABLE, _K.RESET, (OSError,)),
)

MAP: Final = tuple(
    Row(exception, before, after)
    for before, after, exceptions in _MEANINGS
    for exception in exceptions
)


def kind_of(error: Exception, exchange: Exchange) -> TransportKind | None:
    """Return what *error* means for the call, or ``None`` if it is no failure of the transport."""
    row = row_of(error)
    if row is None:
        return None
    if exchange.expired:
        # The watchdog's shut looks like a reset, an end of file or a broken record.
        return _K.TOTAL_TIMEOUT if exchange.sent else _K.CONNECT_TIMEOUT
    if exchange.phase is Phase.TUNNELLING:
        return _K.PROXY
    if exchange.phase is Phase.SENDING:
        return _K.WRITE_FAILED
    return row.after if exchange.sent else row.before


def row_of(error: Exception) -> Row | None:
    """Return the first row that *error*, or an exception wrapped in it, belongs to."""
    wrapped = list(_unwrap(error))
    for row in MAP:
        if any(isinstance(each, row.exception) for each in wrapped):
            return row
    return None


def _unwrap(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what it wraps: in its arguments, its reason, its cause.

    Not its context: that may lead out of the call into whatever the caller was handling.
    """
    rest, seen = [error], set[int]()
    while rest:
        each = rest.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        held: tuple[Any, ...] = (
            *each.args,
            getattr(each, "reason", None),
            getattr(each, "original_error", None),
            each.__cause__,
        )
        rest += [inner for inner in held if isinstance(inner, BaseException)]


def describe(error: BaseException, exchange: Exchange, *, endpoint: str) -> BaseException:
    """Return what to raise in place of *error*: our own error, or *error* without its frames."""
    kind = kind_of(error, exchange) if isinstance(error, Exception) else None
    if kind is None:
        return strip(error, exchange)
    return TransportError.from_kind(
        kind, endpoint=endpoint, detail=exchange.secrets.mask(_detail(error)),
        elapsed_ms=exchange.elapsed_ms,
    )  # fmt: skip


def _detail(error: BaseException) -> str:
    """Return the innermost exception's words; the outer ones only repeat the URL."""
    innermost = error
    for each in _unwrap(error):
        if not isinstance(each, of_requests.RequestException):
            innermost = each
    words = getattr(innermost, "verify_message", "") or getattr(innermost, "strerror", "")
    return f"{type(innermost).__name__}: {words or innermost}"


def strip(error: BaseException, exchange: Exchange) -> BaseException:
    """Return *error* itself without traceback, cause and context, and with clean arguments.

    For Ctrl-C, a task's time limit and bugs: they keep their class, since others wait for it, but
    the frames they came through hold the URL with the token. Where it happened is kept as a note.
    """
    places = []
    frame = error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        places.append(f"{code.co_filename}:{frame.tb_lineno} {code.co_qualname}")
        frame = frame.tb_next
    error.__cause__ = error.__context__ = None
    mask = exchange.secrets.mask
    error.args = tuple(each if type(each) in _PLAIN else mask(str(each)) for each in error.args)
    error.add_note("within a call to WeChat, frames withheld:\n  " + "\n  ".join(places))
    return error.with_traceback(None)


_PLAIN: Final = frozenset({int, float, bool, type(None)})
