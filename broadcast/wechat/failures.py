"""From what ``requests`` and the layers below it raise, to our own words. Pure.

Every exception has two meanings, one before and one after the first byte of the request left; which
applies is known from the connection, never from the exception. ``failures.csv`` is read from the
top, so it goes from the most specific exception to the most general. There is no default: what is
in no row is not a failure of the transport and is passed on as it is, without its frames.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from requests import exceptions as of_requests

from broadcast.wechat.call_errors import TransportError, TransportKind
from broadcast.wechat.csv_rows import rows
from broadcast.wechat.deadline import Exchange, Phase


class Row(NamedTuple):
    """Meaning of an exception before and after the request began to leave."""

    exception: type[Exception]
    before: TransportKind
    after: TransportKind


_K = TransportKind

MAP: Final = tuple(
    Row(
        pkgutil.resolve_name(row["exception"]),
        TransportKind(row["before"]),
        TransportKind(row["after"]),
    )
    for row in rows("failures.csv")
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
        kind,
        endpoint=endpoint,
        detail=exchange.secrets.mask(_detail(error)),
        elapsed_ms=exchange.elapsed_ms,
    )


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
