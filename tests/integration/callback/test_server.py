"""The callback server over HTTP: what it takes, what it answers, and what it keeps."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import func, make_url, select

from broadcast.names import EventKind
from broadcast.wechat.callback.push_body import MOST_BYTES, Form
from models.every_table import Event
from models.ledger.views import refused_pushes
from tests.integration.callback.conftest import Served, settings, started, url_of
from tests.kit import pushes, template
from tests.kit.commands import run
from tests.kit.pushes import AES_KEY, Sender, event, finished, text
from tests.kit.wait import until
from tests.servers.fixtures import MakeProxy
from tests.servers.postgresql import PostgreSQL

NUMBERS = itertools.count(1_000_000)


def refused(answer: requests.Response) -> bool:
    """Return whether it is the one answer to all that is not WeChat's."""
    return (answer.status_code, answer.text) == (403, "refused\n")


@pytest.mark.parametrize("account", ["plain", "safe"])
def test_the_check_of_the_url_is_answered(served: Served, account: str) -> None:
    answer = served.to(account).check("5838479218127813673")

    assert (answer.status_code, answer.text) == (200, "5838479218127813673")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("account", ["plain", "safe"])
def test_an_event_is_stored_once_in_every_mode(
    served: Served, account: str, both: bool, form: Form
) -> None:
    wechat = replace(served.to(account), form=form, both=both)
    followed = event("subscribe", at=next(NUMBERS))
    before = len(served.stored(account))

    answers = [wechat.push(followed) for _ in range(3)]

    assert {(answer.status_code, answer.text) for answer in answers} == {(200, "success")}
    *_, row = served.stored(account)
    assert len(served.stored(account)) == before + 1
    assert (row.kind, row.openid, row.handled_at) == ("subscribe", pushes.OPENID, None)
    assert row.body == ""
    assert wechat.push(finished(next(NUMBERS))).text == "success"
    *_, ended = served.stored(account)
    assert "MASSSENDJOBFINISH" in ended.body
    assert "Encrypt" not in ended.body


def test_jobs_that_end_in_the_same_second_are_all_stored(served: Served) -> None:
    before = len(served.stored("plain"))
    ends = [finished(3_147_483_700 + n) for n in range(20)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(served.to("plain").push, ends * 2))

    assert {answer.text for answer in answers} == {"success"}
    assert len(served.stored("plain")) == before + 20


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("account", ["plain", "safe"])
def test_a_keyword_is_answered_each_time_and_stored_without_its_words(
    served: Served, account: str, form: Form
) -> None:
    wechat = replace(served.to(account), form=form)
    number = next(NUMBERS)

    heard = {wechat.heard(wechat.push(text(" td ", number=number))) for _ in range(2)}

    assert heard == {"您已退订，不会再收到我们的群发消息。回复“订阅”即可恢复。"}
    *_, row = served.stored(account)
    assert (row.kind, row.action, row.body) == ("message.text", "unsubscribe", "")


def test_any_other_word_gets_the_answer_that_is_set_or_none(served: Served) -> None:
    wechat = served.to("safe")

    assert wechat.heard(wechat.push(text("你好", number=next(NUMBERS)))) == "您好！"
    silent = wechat.push(text("我的电话是 13800138000", number=next(NUMBERS)))

    assert silent.text == "success"
    kept = b"".join(path.read_bytes() for path in Path(served.engine.url.database).parent.iterdir())  # type: ignore[arg-type]
    assert b"13800138000" not in kept


@pytest.mark.parametrize("name", ["TEMPLATESENDJOBFINISH", "PUBLISHJOBFINISH", "未知", "E" * 300])
def test_every_other_event_is_stored_answered_and_ignored(served: Served, name: str) -> None:
    answer = served.to("plain").push(event(name, at=next(NUMBERS)))

    *_, row = served.stored("plain")
    assert (answer.text, row.kind) == ("success", name[:64])
    assert row.handled_at is not None


@pytest.mark.parametrize("account", ["plain", "safe", "none", "nobody", "..%2Fplain", ""])
def test_whatever_is_not_wechats_gets_the_same_answer(served: Served, account: str) -> None:
    forged = replace(served.to(account), token="another", aes_key=None)

    answers = [
        forged.push(event("subscribe")),
        forged.check("1"),
        requests.get(forged.url, timeout=240),
        requests.delete(forged.url, timeout=240),
        requests.put(forged.url, b"x", timeout=60),
    ]

    assert all(refused(answer) for answer in answers)
    assert not {"server", "x-powered-by"} & {name.lower() for name in answers[0].headers}


def test_a_request_that_is_signed_with_another_token_is_in_the_history_until_a_push_is_accepted(
    served: Served,
) -> None:
    def refused_at() -> datetime | None:
        return refused_pushes.refused_at(served.engine, "refusing", timedelta(hours=1))

    wechat = served.to("refusing")
    requests.get(wechat.url, timeout=240)
    for _ in range(3):
        assert refused(replace(wechat, token="another").push(event("subscribe")))
    until(refused_at, 30, "the refusal in the history")
    with served.engine.connect() as connection:
        noted = connection.scalar(
            select(func.count()).where(
                Event.account == "refusing", Event.kind == EventKind.PUSH_REFUSED
            )
        )

    assert wechat.push(event("CLICK", at=next(NUMBERS))).text == "success"
    assert refused_at() is None
    # Anybody can send them: the history has one line of many.
    assert noted == 1


def test_an_account_with_a_key_takes_nothing_in_clear(served: Served) -> None:
    before = len(served.stored("safe"))

    assert refused(replace(served.to("safe"), aes_key=None).push(event("subscribe")))
    assert len(served.stored("safe")) == before
    assert "choose safe or compatible mode" in served.process.output


def test_a_push_for_another_account_is_refused(served: Served) -> None:
    stray = replace(served.to("safe"), appid="wx0000000000000001")

    assert refused(stray.push(event("subscribe")))


def test_an_old_request_is_refused(served: Served) -> None:
    wechat = served.to("plain")
    query = wechat.query(at=1_714_037_059)

    assert refused(requests.post(wechat.url, params=query, data=b"<xml/>", timeout=240))


def test_a_large_body_is_refused_unread(served: Served) -> None:
    """It is announced, or it comes in pieces that nobody announced."""
    url = served.to("plain").url
    pieces = (b"x" * 65_536 for _ in range(800))

    for body in (b"x" * (MOST_BYTES + 1), pieces):
        # It may have answered and hung up before all was written.
        with contextlib.suppress(requests.ConnectionError):
            assert refused(requests.post(url, data=body, timeout=240))
    assert served.to("plain").check("1").text == "1"


def connected(served: Served) -> socket.socket:
    parts = urlsplit(served.url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 0), timeout=240)


SLOW = {
    b"": b"",
    b"GET /wechat/plain/callb": b"",
    b"POST /wechat/plain/callback HTTP/1.1\r\nHost: a\r\nX-Slow: ": b"",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /hea": b"HTTP/1.1 200 OK",
    b"POST /wechat/plain/callback HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n<": (
        b"HTTP/1.1 403 Forbidden"
    ),
}


def test_a_request_that_never_ends_is_cut_off(served: Served) -> None:
    """Wherever it stops: before its first byte, in its head, in its body, in a second request."""

    def answered(sent: bytes) -> bytes:
        with connected(served) as slow:
            slow.sendall(sent)
            return _until_closed(slow).partition(b"\r\n")[0]

    with ThreadPoolExecutor(len(SLOW)) as threads:
        assert dict(zip(SLOW, threads.map(answered, SLOW), strict=True)) == SLOW


def test_many_idle_and_slow_connections_leave_room_for_wechat(served: Served) -> None:
    """Refused, WeChat would come twice more and then forget the push."""
    wechat = served.to("safe")
    kept_alive = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    beginnings = [b"", kept_alive, next(sent for sent in SLOW if b"Content-Length" in sent)]
    with contextlib.ExitStack() as open_:
        for number in range(660):
            one = open_.enter_context(connected(served))
            one.sendall(sent := beginnings[number % 3])
            if sent == kept_alive:
                assert one.recv(4096).startswith(b"HTTP/1.1 200 OK")

        answers = [wechat.push(text("在吗", number=next(NUMBERS))) for _ in range(3)]

    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "success")] * 3


def test_a_head_that_is_too_long_is_cut_off(served: Served) -> None:
    with connected(served) as wide:
        wide.sendall(b"GET /healthz HTTP/1.1\r\n")
        # Reset, or a pipe that is closed.
        with contextlib.suppress(OSError):
            for _ in range(2000):
                wide.sendall(b"X: " + b"a" * 1000 + b"\r\n")
            wide.sendall(b"\r\n")

        assert _until_closed(wide) == b""
    assert served.to("plain").check("1").text == "1"


@pytest.mark.parametrize("line", [b"a: b\r\n", b"a" * 1000])
def test_what_stands_behind_a_body_is_not_kept_however_much_it_is(
    served: Served, line: bytes
) -> None:
    with connected(served) as endless:
        endless.sendall(
            b"POST /wechat/plain/callback HTTP/1.1\r\nHost: a\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
        )
        # Reset, or a pipe that is closed.
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            _send_over_and_over(endless, line)

    assert served.to("plain").check("1").text == "1"


def test_many_requests_of_one_connection_are_no_long_head(served: Served) -> None:
    with requests.Session() as session:
        for _ in range(150):
            told = session.get(f"{served.url}/healthz", headers={"X-Long": "a" * 500}, timeout=240)
            assert told.text == "ok"


def _send_over_and_over(connection: socket.socket, line: bytes) -> None:
    for _ in range(20_000):
        connection.sendall(line)


def _until_closed(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(4096):
            received += piece
    return received


def test_it_says_that_it_lives(served: Served) -> None:
    assert requests.get(f"{served.url}/healthz", timeout=240).text == "ok"


def test_no_secret_and_no_word_of_a_follower_is_logged(served: Served) -> None:
    served.to("safe").push(text("秘密 13912345678", number=next(NUMBERS)))
    replace(served.to("plain"), token="wrong").push(text("秘密 13912345678", number=1))

    for secret in (pushes.TOKEN, AES_KEY, "13912345678", pushes.OPENID):
        assert secret not in served.process.output


def test_while_the_database_is_away_wechat_is_to_come_again(
    tmp_path: Path, postgresql: PostgreSQL, postgresql_url: str, tcp_proxy: MakeProxy
) -> None:
    """Nothing is lost within its three tries."""
    proxy = tcp_proxy(postgresql.socket)
    engine = template.migrated(postgresql_url)
    through = make_url(postgresql_url).set(host="127.0.0.1", port=proxy.port)
    url = through.difference_update_query(["host"]).render_as_string(hide_password=False)
    with started(tmp_path, settings(tmp_path, url)) as process:
        served = Served(process=process, url=url_of(process), engine=engine)
        wechat = served.to("plain")
        assert wechat.push(event("subscribe", at=1)).text == "success"

        proxy.refuse()
        proxy.cut()
        away = wechat.push(event("subscribe", at=2))
        assert (away.status_code, away.text) == (503, "try again\n")
        assert len(served.stored("plain")) == 1

        proxy.accept()
        until(lambda: wechat.push(event("subscribe", at=2)).ok, 20, "the database is back")
        assert len(served.stored("plain")) == 2
        assert process.stop() == 0
    engine.dispose()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "WECHAT_CALLBACK_TOKEN"),
        ({"WECHAT_CALLBACK_TOKEN": "x"}, "WECHAT_CALLBACK_TOKEN"),
        ({"WECHAT_CALLBACK_TOKEN": "abc", "WECHAT_ENCODING_AES_KEY": "k" * 42}, "43"),
        ({"WECHAT_ENCODING_AES_KEY": AES_KEY}, "WECHAT_CALLBACK_TOKEN"),
        ({"WECHAT_CALLBACK_TOKEN": "abc", "WECHAT_REPLIES": "{"}, "WECHAT_REPLIES"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_line(
    tmp_path: Path, variables: dict[str, str], named: str
) -> None:
    env = {
        **os.environ,
        "WECHAT_APPID": "wx0000000000000001",
        "WECHAT_APPSECRET": "secret-of-nobody",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}",
        "BROADCAST_LANG": "en",
        **variables,
    }

    ended = run(["callback", "--port", "0"], folder=tmp_path, environment=env, timeout_s=60)

    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert named in line
    assert AES_KEY not in line


def test_sigterm_ends_it_with_what_is_under_way(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    with started(tmp_path, settings(tmp_path, url)) as process:
        served = Sender(url=f"{url_of(process)}/wechat/plain/callback", appid="wx0000000000000001")
        assert served.push(event("subscribe")).ok

        assert process.stop() == 0


def test_a_keyword_of_a_sender_who_is_no_follower_gets_no_answer(served: Served) -> None:
    wechat = served.to("plain")

    assert wechat.push(text("退订", number=next(NUMBERS), openid="fromUser")).text == "success"
    *_, row = served.stored("plain")
    assert (row.openid, row.action) == (None, None)
