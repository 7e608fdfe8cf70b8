"""No failure shows the AppSecret, the token or a URL's password, wherever one looks.

Looked at: the error's words, its fields, its pickle, tracebacks of ``traceback`` and of ``rich``
with local variables, the frames themselves, and every log record at DEBUG, without ``install``.
"""

from __future__ import annotations

import base64
import gc
import io
import logging
import pickle
import signal
import socket
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import rich.console
import rich.traceback

from broadcast.wechat.call_errors import InvalidRequestError
from broadcast.wechat.client import WeChatClient
from tests.integration.wechat.conftest import (
    Connect,
    Serve,
    fetch_stable_token,
    fetch_token,
    hurried,
    send,
)
from tests.integration.wechat.servers import (
    APPSECRET,
    PASSWORD,
    TOKEN,
    Request,
    Script,
    closes,
    drips,
    echoes_in_errmsg,
    echoes_the_url,
    http,
    resets,
    says,
    says_nothing,
    self_signed,
    writes,
)

Call = Callable[[WeChatClient], object]

LOGIN = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
SECRETS = (APPSECRET, PASSWORD, LOGIN, TOKEN[:40], TOKEN[-40:], quote(TOKEN, safe="")[:40])

SCRIPTS: dict[str, Script] = {
    "silence": says_nothing,
    "drip": drips(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "reset": resets,
    "close": closes,
    "truncated": writes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", then_closes=True),
    "not HTTP": writes(b"hello\r\n\r\n", then_closes=True),
    "bad header": writes(b"HTTP/1.1 200 OK\r\nno colon\r\n: x\r\n\r\n{}", then_closes=True),
    "502 that echoes": echoes_the_url,
    "errmsg that echoes": echoes_in_errmsg,
    "token of a wrong kind": says({"access_token": [TOKEN], "expires_in": 1, "secret": APPSECRET}),
    "token without a time": says({"access_token": TOKEN, "expires_in": "7200"}),
    "token too long": says({"access_token": TOKEN * 2, "expires_in": 7200}),
    "errcode that echoes": says({"errcode": TOKEN, "errmsg": APPSECRET}),
    "text that echoes": says(TOKEN.encode()),
    "list that echoes": says([TOKEN]),
    "huge": says(TOKEN.encode() * 2000),
    "redirect": writes(
        b"HTTP/1.1 302 Found\r\nLocation: /x?access_token=" + TOKEN.encode() + b"\r\n\r\n",
        then_closes=True,
    ),
    "40001": says({"errcode": 40001, "errmsg": "invalid credential rid: 6-1-2"}),
}
#: What would never end by itself.
LESS_TIME = {"silence": {"read_s": 0.5}, "drip": {"total_s": 1.0}}


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(logging.Formatter().format(record))
        self.texts.append(repr(record.__dict__))
        assert record.exc_info is None or not record.exc_info[0]


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Every record of the process at DEBUG."""
    root, collector = logging.getLogger(), _Collector()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(collector)
    yield collector.texts
    root.removeHandler(collector)
    root.setLevel(level)


def provoke(call: Call, client: WeChatClient) -> BaseException | None:
    """Return what *call* raises; a frame of its own, so that no test's variables are seen."""
    try:
        call(client)
    except BaseException as error:  # noqa: BLE001 - looked at by the test
        return error
    return None


def shown_by(error: BaseException | None) -> str:
    """Return everything that any tool could show of *error*."""
    shown: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        shown += [str(error), repr(error), repr(error.args), repr(vars(error))]
        shown += getattr(error, "__notes__", [])
        shown.append(repr(pickle.dumps(error)))
        shown += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        shown.append(_drawn_by_rich(error))
        shown += _everything_in_frames(error.__traceback__)
        assert error.__cause__ is None
        error = error.__context__
    return "\n".join(shown)


def _drawn_by_rich(error: BaseException) -> str:
    screen = io.StringIO()
    drawn = rich.traceback.Traceback.from_exception(
        type(error),
        error,
        error.__traceback__,
        show_locals=True,
        locals_max_length=1000,
        locals_max_string=100_000,
        locals_hide_dunder=False,
        width=3000,
    )
    rich.console.Console(file=screen, width=3000).print(drawn)
    return screen.getvalue()


def _everything_in_frames(place: types.TracebackType | None) -> Iterator[str]:
    while place is not None:
        for name, value in place.tb_frame.f_locals.items():
            # The caller's own client keeps its URL, which it must use; it shows it nowhere.
            yield f"{name}={value!r}"
        filename = place.tb_frame.f_code.co_filename
        assert "site-packages" not in filename, f"a frame of a library: {filename}"
        place = place.tb_next


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("call", [send, fetch_token, fetch_stable_token])
@pytest.mark.parametrize("script", list(SCRIPTS))
def test_no_failure_shows_a_secret(
    serve: Serve, connect: Connect, log: list[str], script: str, call: Call
) -> None:
    server = serve(SCRIPTS[script])
    client = hurried(connect(server.url(password=PASSWORD)), **LESS_TIME.get(script, {}))
    error = provoke(call, client)
    if error is None:
        assert (script, call) in {
            ("errmsg that echoes", send),
            ("40001", send),
        }
    assert server.requests
    assert leaks(shown_by(error)) == []
    assert any("cgi-bin" in text for text in log) or script != "40001"
    assert leaks("\n".join(log)) == []


def test_a_reply_that_echoes_is_masked(serve: Serve, connect: Connect) -> None:
    reply = send(connect(serve(echoes_in_errmsg).url()))
    assert leaks(repr(reply)) == []
    assert "***" in reply.errmsg


def test_a_token_reply_does_not_print_its_token(serve: Serve, connect: Connect) -> None:
    client = connect(serve(says({"access_token": TOKEN, "expires_in": 7200})).url())
    assert leaks(repr(fetch_token(client))) == []


@pytest.mark.parametrize("call", [send, fetch_token, fetch_stable_token])
@pytest.mark.parametrize(
    "host", ["no-such-host.invalid", "127.0.0.1:1", "a..b", "x" * 70 + ".test"]
)
def test_no_failure_to_connect_shows_a_secret(
    connect: Connect, log: list[str], host: str, call: Call
) -> None:
    error = provoke(call, connect(f"http://user:{PASSWORD}@{host}"))
    assert error is not None
    assert leaks(shown_by(error)) == []
    assert leaks("\n".join(log)) == []


@pytest.mark.parametrize("url", ["http://user:{}@[::1", "ftp://user:{}@host", "user:{}@host:x"])
def test_a_base_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        WeChatClient(url.format(PASSWORD))
    error = caught.value
    # The first frame is the test's own; what the package adds must not hold the URL.
    assert error.__traceback__ is not None
    assert leaks(shown_by(error.with_traceback(error.__traceback__.tb_next))) == []


@pytest.mark.parametrize("call", [send, fetch_token, fetch_stable_token])
def test_no_tls_failure_shows_a_secret(
    serve: Serve, connect: Connect, log: list[str], tmp_path: Path, call: Call
) -> None:
    server = serve(says_nothing, tls=self_signed(tmp_path)[1])
    error = provoke(call, connect(server.url(password=PASSWORD)))
    assert error is not None
    assert leaks(shown_by(error)) == []
    assert leaks("\n".join(log)) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxys_password_is_not_shown(
    serve: Serve,
    connect: Connect,
    log: list[str],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    proxy = serve(writes(http(b"no", "407 Proxy Authentication Required"), then_closes=True))
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.url(password=PASSWORD))
    error = provoke(send, connect(f"{scheme}://wechat.test"))
    assert error is not None
    assert proxy.requests
    assert leaks(shown_by(error)) == []
    assert leaks("\n".join(log)) == []


class _Stop(BaseException):
    """What a signal handler raises, as Ctrl-C and a task's time limit do."""


@pytest.mark.parametrize("call", [send, fetch_token, fetch_stable_token])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, _Stop, RuntimeError])
def test_an_interrupt_keeps_its_class_and_shows_no_secret(
    serve: Serve, connect: Connect, stop: type[BaseException], call: Call
) -> None:
    main = threading.main_thread().ident
    assert main is not None
    assert threading.get_ident() == main

    def interrupt(connection: socket.socket, request: Request) -> None:
        signal.pthread_kill(main, signal.SIGUSR1)
        says_nothing(connection, request)

    def handler(*_: object) -> None:
        raise stop(f"stopped at ?access_token={quote(TOKEN, safe='')}")

    server = serve(interrupt)
    client = connect(server.url(password=PASSWORD))
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        error = provoke(call, client)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert type(error) is stop
    assert error.__context__ is None
    assert "frames withheld" in error.__notes__[0]
    assert leaks(_shown_by_an_interrupt(error)) == []


def _shown_by_an_interrupt(error: BaseException) -> str:
    shown = [str(error), repr(error), *error.__notes__]
    shown += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    shown += [_drawn_by_rich(error), *_everything_in_frames(error.__traceback__)]
    return "\n".join(shown)


def test_an_error_keeps_no_library_object_alive(serve: Serve, connect: Connect) -> None:
    error = provoke(send, connect(serve(closes).url()))
    assert error is not None
    gc.collect()
    reachable, rest = set[int](), [vars(error)]
    while rest:
        each = rest.pop()
        if id(each) in reachable:
            continue
        reachable.add(id(each))
        assert not type(each).__module__.startswith(("requests", "urllib3", "http"))
        rest += [held for held in gc.get_referents(each) if not isinstance(held, type)]
