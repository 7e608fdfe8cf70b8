"""The transport: one call out by ``requests``, one reply or one error of ours back.

Beside it ``connections`` knows the adapters of ``requests``, and ``failures`` its exceptions.
``requests`` and urllib3 put the URL, and with it the token, into their messages, their objects and
the local variables of their frames. So everything below ``_attempt`` is caught there, and what is
raised is raised by ``call``: outside any ``except`` block (no context), without a frame of a
library, and from functions whose own variables hold secrets only as ``SecretStr``.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit

import requests
from pydantic import SecretStr
from requests.utils import get_environ_proxies

from broadcast.wechat.call_errors import (
    NO_SECRETS,
    InvalidRequestError,
    LogFilter,
    Secrets,
    TransportError,
    TransportKind,
    of_url,
)
from broadcast.wechat.connections import WatchedAdapter
from broadcast.wechat.deadline import CURRENT, Exchange, SendBy, Timeouts, Watchdog
from broadcast.wechat.endpoint import Body, RawReply, Request, parse_date
from broadcast.wechat.failures import describe, row_of, strip
from broadcast.wechat.frozen_values import frozen

_PIECE_BYTES: Final = 16_384

# The loggers below us that write URLs.
_LOGGERS: Final = (
    "urllib3.connectionpool",
    "urllib3.connection",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)

_HEADERS: Final = {
    "Accept": "*/*",
    # A reply of 100 bytes gains nothing, and nothing can unfold beyond the bound.
    "Accept-Encoding": "identity",
    "User-Agent": "wechat-broadcast",
}


@frozen
class Call:
    """One request. Secrets in *query* and *body* stay wrapped until the last moment.

    *confidential*: the reply is a secret itself, so no part of it may be shown.
    *send_by*: its first byte leaves before, or the call ends as not sent.
    """

    method: Literal["GET", "POST"]
    path: str
    timeouts: Timeouts
    query: Mapping[str, str | SecretStr] = field(default_factory=dict)
    body: Body | None = None
    largest_reply_bytes: int = Request.largest_reply_bytes
    only_begins: bool = Request.only_begins
    confidential: bool = False
    send_by: SendBy | None = None

    @property
    def endpoint(self) -> str:
        """Return the name of this call in errors."""
        return f"{self.method} {self.path}"

    def secrets(self) -> tuple[SecretStr, ...]:
        """Return what must not be shown of it."""
        given = self.body.data if self.body is not None else b""
        fields = given.values() if isinstance(given, Mapping) else ()
        values = (*self.query.values(), *fields)
        return tuple(value for value in values if isinstance(value, SecretStr))


class Transport:
    """Calls one host. Threads may share it; a forked process opens its own connections."""

    def __init__(self, base_url: SecretStr, *, pool_size: int) -> None:
        """Prepare, without connecting; raise ``InvalidRequestError`` for a URL that is none."""
        self._base_url = base_url
        self._pool_size = pool_size
        self._closed = False
        _check_base_url(base_url)
        _guard_logs()
        # Read once: requests would ask the environment again for every call.
        self._proxies = {
            scheme: SecretStr(proxy)
            for scheme, proxy in get_environ_proxies(base_url.get_secret_value()).items()
        }
        self._secrets = tuple(
            secret for url in (base_url, *self._proxies.values()) for secret in of_url(url)
        )
        self._ca_bundle = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        )
        self._open()

    def _open(self) -> None:
        self._process_id = os.getpid()
        self._adapter = WatchedAdapter(pool_size=self._pool_size)
        self._watchdog = Watchdog()

    def __repr__(self) -> str:
        scheme, _, rest = self._base_url.get_secret_value().rpartition("://")
        return f"{type(self).__name__}({scheme}://{rest.rpartition('@')[2]})"

    def close(self) -> None:
        """Close the idle connections and refuse further calls; a running call ends on its own."""
        self._closed = True
        self._adapter.close()

    def call(self, call: Call) -> RawReply:
        """Make *call* once and return the reply, whatever its status.

        Raises ``NotSentError`` or ``UnknownOutcomeError``.
        """
        if self._closed:
            raise TransportError.from_kind(TransportKind.CLOSED, endpoint=call.endpoint)
        self._be_this_process()
        outcome = self._attempt(call)
        if isinstance(outcome, RawReply):
            return outcome
        try:
            raise outcome
        finally:
            # The error holds this frame: without this the two would keep each other alive.
            del outcome

    def warm(self, timeouts: Timeouts) -> bool:
        """Open a connection for the next call; return whether there is one.

        The next call meets the same error and reports it.
        """
        if self._closed:
            return False
        self._be_this_process()
        exchange = Exchange(timeouts, secrets=Secrets(self._secrets))
        problem = self._warm(exchange)
        if problem is None:
            return True
        if isinstance(problem, Exception) and row_of(problem) is not None:
            return False
        raise strip(problem, exchange)

    def _warm(self, exchange: Exchange) -> BaseException | None:
        """Return what kept the connection from being opened; let nothing through."""
        current = CURRENT.set(exchange)
        try:
            self._watchdog.watch(exchange)
            request = self._prepare(Call(method="POST", path="/", timeouts=exchange.timeouts))
            self._adapter.warm(request, verify=self._ca_bundle, proxies=self._plain_proxies())
        except BaseException as error:  # noqa: BLE001 - as in a call
            return error
        finally:
            self._watchdog.unwatch(exchange)
            exchange.finish()
            CURRENT.reset(current)
        return None

    def _be_this_process(self) -> None:
        if self._process_id != os.getpid():
            # Two processes on one connection would read each other's replies.
            self._open()

    def _plain_proxies(self) -> dict[str, str]:
        return {name: proxy.get_secret_value() for name, proxy in self._proxies.items()}

    def _attempt(self, call: Call) -> RawReply | BaseException:
        """Return the reply or what is to be raised; let nothing through."""
        secrets = Secrets((*self._secrets, *call.secrets()))
        exchange = Exchange(call.timeouts, send_by=call.send_by, secrets=secrets)
        current = CURRENT.set(exchange)
        try:
            self._watchdog.watch(exchange)
            return self._exchange(call, exchange)
        except BaseException as error:  # noqa: BLE001 - Ctrl-C too would carry the URL in its frames
            return describe(error, exchange, endpoint=call.endpoint)
        finally:
            self._watchdog.unwatch(exchange)
            exchange.finish()
            CURRENT.reset(current)

    def _exchange(self, call: Call, exchange: Exchange) -> RawReply | TransportError:
        response = self._adapter.send(
            self._prepare(call),
            stream=True,
            timeout=(call.timeouts.connect_s, call.timeouts.read_s),
            verify=self._ca_bundle,
            proxies=self._plain_proxies(),
        )
        with response:
            body = _read(response, call)
        facts: dict[str, Any] = {
            "endpoint": call.endpoint,
            "elapsed_ms": exchange.elapsed_ms,
        }
        if exchange.expired:
            # Shut by the watchdog, a reply without a length looks complete.
            return TransportError.from_kind(TransportKind.TOTAL_TIMEOUT, **facts)
        if body is None:
            return TransportError.from_kind(
                TransportKind.TOO_LARGE, http_status=response.status_code, **facts
            )
        return RawReply(
            status=response.status_code,
            body=body,
            confidential=call.confidential,
            date=parse_date(response.headers.get("Date")),
            secrets=exchange.secrets,
            **facts,
        )

    def _prepare(self, call: Call) -> requests.PreparedRequest:
        url = self._base_url.get_secret_value().rstrip("/") + call.path
        if call.query:
            url += "?" + urlencode({name: _plain(value) for name, value in call.query.items()})
        headers, data = dict(_HEADERS), None
        if call.body is not None:
            headers["Content-Type"] = call.body.content_type
            data = _wire(call.body)
        return requests.Request(call.method, url, headers=headers, data=data).prepare()


def _guard_logs() -> None:
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _of_this_call not in logger.filters:
            logger.addFilter(_of_this_call)


def _secrets_now() -> Secrets:
    exchange = CURRENT.get(None)
    return NO_SECRETS if exchange is None else exchange.secrets


# One for all: a call is made, and logged, by one thread.
_of_this_call: Final = LogFilter(_secrets_now)


def _check_base_url(base_url: SecretStr) -> None:
    if problem := _url_problem(base_url.get_secret_value()):
        raise InvalidRequestError(field="base_url", problem=problem)


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "must be an http:// or https:// URL with a host"
    return "must have no query and no fragment" if parts.query or parts.fragment else None


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _wire(body: Body) -> bytes:
    if isinstance(body.data, bytes):
        return body.data
    return json.dumps(dict(body.data), ensure_ascii=False, default=_plain).encode()


def _read(response: requests.Response, call: Call) -> bytes | None:
    """Return the body, or ``None`` if it is larger than a reply of this endpoint."""
    pieces, size = [], 0
    for piece in response.iter_content(_PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > call.largest_reply_bytes:
            if call.only_begins:
                break
            return None
    return b"".join(pieces)
