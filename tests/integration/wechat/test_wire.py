"""What the server sees, byte by byte, and how connections are used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from broadcast.wechat import connections
from broadcast.wechat.api.mass import MassGet, MassSend, MassSendAll, MassStatus
from broadcast.wechat.api.quotas import Quota, QuotaGet
from broadcast.wechat.api.token import StableToken
from broadcast.wechat.client import WeChatClient
from broadcast.wechat.deadline import Timeouts
from tests.integration.wechat.conftest import (
    PATIENT,
    Connect,
    Serve,
    fetch_stable_token,
    fetch_token,
    hurried,
    mass,
    openids,
    send,
)
from tests.integration.wechat.servers import (
    ACCEPTED,
    APPSECRET,
    PASSWORD,
    TOKEN,
    RawServer,
    says,
    self_signed,
    writes,
)

TEXT = '周五 <a href="https://example.com/?a=1&b=2">报名</a> & 😀 "引号" \\u4e2d / \n第二行'


def test_text_arrives_as_it_was_written(serve: Serve, connect: Connect) -> None:
    server = serve(says(ACCEPTED))
    request = MassSend(
        openids=openids(2),
        content={"msgtype": "text", "text": {"content": TEXT}},
        clientmsgid="k7qj2m5x",
    )
    reply = connect(server.url()).call(request, token=SecretStr(TOKEN))

    (seen,) = server.requests
    escaped = TEXT.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    assert (
        seen.body
        == (
            '{"touser":["oTEST00000000000000000000000","oTEST00000000000000000000001"],'
            f'"msgtype":"text","text":{{"content":"{escaped}"}},"clientmsgid":"k7qj2m5x"}}'
        ).encode()
    )
    assert json.loads(seen.body)["text"]["content"] == TEXT
    assert seen.line.startswith("POST /cgi-bin/message/mass/send?access_token=")
    assert seen.query == {"access_token": TOKEN}
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["content-length"] == str(len(seen.body))
    assert "cookie" not in seen.headers
    assert "authorization" not in seen.headers
    assert (reply.errcode, reply.msg_id, reply.msg_data_id) == (0, 3147494276, 2455891298)
    assert reply.http_status == 200
    assert 0 <= reply.elapsed_ms < 60_000


def test_ten_thousand_openids_arrive_in_their_order(serve: Serve, connect: Connect) -> None:
    server = serve(says(ACCEPTED))
    send(connect(server.url()), 10_000)
    touser = json.loads(server.requests[0].body)["touser"]
    assert "".join(touser).encode() == openids(10_000)
    assert len(touser) == 10_000


@pytest.mark.parametrize(
    ("audience", "written"),
    [
        ({"tag_id": 102}, '{"is_to_all":false,"tag_id":102}'),
        ({"is_to_all": True}, '{"is_to_all":true}'),
    ],
)
def test_sendall_says_whom_it_is_for(
    serve: Serve, connect: Connect, audience: dict[str, int], written: str
) -> None:
    server = serve(says(ACCEPTED))
    request = MassSendAll(
        content={"msgtype": "mpnews", "mpnews": {"media_id": "D1"}, "send_ignore_reprint": 0},
        clientmsgid="job43-all",
        **audience,  # type: ignore[arg-type]
    )
    connect(server.url()).call(request, token=SecretStr(TOKEN))
    (seen,) = server.requests
    assert seen.path == "/cgi-bin/message/mass/sendall"
    assert seen.body.decode() == (
        f'{{"filter":{written},"msgtype":"mpnews","mpnews":{{"media_id":"D1"}},'
        '"send_ignore_reprint":0,"clientmsgid":"job43-all"}'
    )


def test_token_is_a_get_with_the_secret_in_the_query(serve: Serve, connect: Connect) -> None:
    server = serve(says({"access_token": TOKEN, "expires_in": 7200}))
    reply = fetch_token(connect(server.url()))
    (seen,) = server.requests
    assert (seen.line.split()[0], seen.path, seen.body) == ("GET", "/cgi-bin/token", b"")
    assert seen.query == {
        "grant_type": "client_credential",
        "appid": "wx1234567890abcdef",
        "secret": APPSECRET,
    }
    assert reply.access_token.get_secret_value() == TOKEN
    assert reply.expires_in == 7200


@pytest.mark.parametrize("force", [False, True])
def test_stable_token_is_a_post_with_the_secret_in_the_body(
    serve: Serve, connect: Connect, force: bool
) -> None:
    server = serve(says({"access_token": TOKEN, "expires_in": 345}))
    fetch_stable_token(connect(server.url()), force=force)
    (seen,) = server.requests
    assert (seen.line.split()[0], seen.path, seen.query) == ("POST", "/cgi-bin/stable_token", {})
    assert json.loads(seen.body) == {
        "grant_type": "client_credential",
        "appid": "wx1234567890abcdef",
        "secret": APPSECRET,
        "force_refresh": force,
    }


def test_mass_get_and_quota_are_read(serve: Serve, connect: Connect) -> None:
    def script(connection, request) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        if request.path.endswith("/mass/get"):
            assert json.loads(request.body) == {"msg_id": "3147494276"}
            answer = {"msg_id": 3147494276, "msg_status": "SENDING"}
        else:
            assert request.path == "/cgi-bin/openapi/quota/get"
            assert json.loads(request.body) == {"cgi_path": "/cgi-bin/message/mass/send"}
            answer = {"errcode": 0, "quota": {"daily_limit": 100, "used": 7, "remain": 93}}
        says(answer)(connection, request)

    client = connect(serve(script).url())
    status = client.call(MassGet(msg_id=3147494276), token=SecretStr(TOKEN))
    assert status == MassStatus(msg_id=3147494276, msg_status="SENDING")
    quota = client.call(QuotaGet(cgi_path="/cgi-bin/message/mass/send"), token=SecretStr(TOKEN))
    assert quota == Quota(daily_limit=100, used=7, remain=93)


def test_the_base_url_may_have_a_path_and_a_login(serve: Serve, connect: Connect) -> None:
    server = serve(says(ACCEPTED))
    client = connect(server.url(password=PASSWORD) + "/relay/")
    send(client)
    (seen,) = server.requests
    assert seen.path == "/relay/cgi-bin/message/mass/send"
    assert seen.headers["authorization"].startswith("Basic ")
    assert PASSWORD not in repr(client)


def test_cookies_and_netrc_are_ignored(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    body = json.dumps(ACCEPTED).encode()
    server = serve(
        writes(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: lane=1\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
    )
    client = connect(server.url())
    send(client)
    send(client)
    for seen in server.requests:
        assert "cookie" not in seen.headers
        assert "authorization" not in seen.headers


def test_a_private_ca_is_trusted_when_the_environment_names_it(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, context = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    server = serve(says(ACCEPTED), tls=context)
    client = connect(server.url())
    assert send(client, 10_000).errcode == 0
    assert send(client).errcode == 0
    assert server.connections == 1


# Connections ----------------------------------------------------------------------------------


def test_a_connection_is_used_again(serve: Serve, connect: Connect) -> None:
    server = serve(says(ACCEPTED))
    client = connect(server.url())
    for _ in range(5):
        send(client)
    assert server.connections == 1


def test_a_connection_that_was_idle_for_long_is_not(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(says(ACCEPTED))
    client = connect(server.url())
    send(client)
    monkeypatch.setattr(connections, "LONGEST_IDLE_S", 0.0)
    send(client)
    assert [request.connection for request in server.requests] == [1, 2]


def test_sixty_four_threads_share_one_client(serve: Serve, connect: Connect) -> None:
    both = threading.Barrier(64)

    def script(connection, request) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        both.wait(60)  # nobody is answered before all 64 are here
        number = int(json.loads(request.body)["clientmsgid"])
        says({**ACCEPTED, "msg_id": 10**10 + number})(connection, request)

    server = serve(script)
    client = connect(server.url())

    def one(number: int) -> int:
        request = MassSend(openids=openids(2), content=mass().content, clientmsgid=f"{number:06d}")
        msg_id = client.call(request, token=SecretStr(TOKEN)).msg_id
        assert msg_id is not None
        return msg_id - 10**10

    with ThreadPoolExecutor(64) as threads:
        assert list(threads.map(one, range(128))) == list(range(128))
    assert server.connections == 64


def test_calls_beyond_the_pool_wait_their_turn(serve: Serve, connect: Connect) -> None:
    server = serve(says(ACCEPTED))
    client = connect(server.url(), pool_size=2)
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: send(client), range(40)))
    assert {reply.errcode for reply in replies} == {0}
    assert server.connections <= 2


def test_a_deadline_that_passes_between_calls_hurts_no_later_call(
    serve: Serve, connect: Connect
) -> None:
    server = serve(says(ACCEPTED))
    client = hurried(connect(server.url()), total_s=2.0)
    passed = time.monotonic() + 2.2
    assert send(client).errcode == 0
    client._timeouts = PATIENT
    while time.monotonic() < passed:
        assert send(client).errcode == 0
    assert server.connections == 1


def test_no_thread_outlives_the_calls(serve: Serve, connect: Connect) -> None:
    client = connect(serve(says(ACCEPTED)).url(), replace(PATIENT, total_s=2.0))
    before = set(threading.enumerate())
    send(client)
    started = set(threading.enumerate()) - before
    watchdogs = [each for each in started if each.name == "wechat-deadline"]
    assert watchdogs
    for each in watchdogs:
        each.join(60)
        assert not each.is_alive()
    assert send(client).errcode == 0


FORKS = """
import os, sys
from pydantic import SecretStr
from tests.integration.wechat.conftest import send
from broadcast.wechat.client import WeChatClient
client = WeChatClient(sys.argv[1])
send(client)
child = os.fork()
send(client)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0)
"""


def test_a_forked_process_opens_its_own_connection(serve: Serve) -> None:
    server: RawServer = serve(says(ACCEPTED))
    environment = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    subprocess.run(
        [sys.executable, "-c", FORKS, server.url()],
        check=True,
        timeout=240,
        env=environment,
        cwd=Path(__file__).parents[3],
    )
    assert sorted(request.connection for request in server.requests) == [1, 1, 2]


def test_the_defaults_are_bounded() -> None:
    client = WeChatClient("https://api.weixin.qq.com")
    assert client._limits(MassSend) == Timeouts(connect_s=5, read_s=30, total_s=45)
    assert client._limits(StableToken) == Timeouts(connect_s=5, read_s=10, total_s=15)
    assert repr(client) == "WeChatClient(Transport(https://api.weixin.qq.com))"
    client.close()


def test_stable_token_keeps_its_remaining_seconds(serve: Serve, connect: Connect) -> None:
    reply = fetch_stable_token(
        connect(serve(says({"access_token": "82_abc", "expires_in": 345})).url())
    )
    assert reply.expires_in == 345
