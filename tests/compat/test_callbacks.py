"""Callback servers of others take the simulator's pushes; pushes of others, our server."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.compat.clients import driver, said
from tests.integration.callback.conftest import served
from tests.kit.pushes import AES_KEY, TOKEN
from tests.kit.simulator import Simulator
from tests.kit.wait import until
from tests.simulator.wire import Wire, text_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.callback.conftest import Served

__all__ = ["served"]  # a fixture
SERVERS = ("wechatpy_server.py", "werobot_server.py")
MODES = ("plain", "compatible", "safe")


class Server:
    """A callback server of a client: its URL, and what its handlers were given."""

    def __init__(self, name: str, appid: str) -> None:
        self.name = name
        command = driver(name, TOKEN, AES_KEY, appid)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        self.url = f"http://127.0.0.1:{self.read()['port']}/"

    def read(self) -> Any:
        """The next line; queue.Empty when none comes."""
        return json.loads(self._lines.get(timeout=240))

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)
        self._reader.join(60)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(followers=20, switches={"job_delay_s": 0}) as simulator:
        yield simulator


@pytest.fixture(scope="module", params=SERVERS)
def server(simulator: Simulator, request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param, simulator.account.appid)
    yield server
    server.stop()


def handled(simulator: Simulator) -> dict[str, Any]:
    """The only attempt of the only push, once it was answered."""
    until(lambda: simulator.pushes()[0]["state"] == "handled", 10, "an answer that WeChat takes")
    (push,) = simulator.pushes()
    (attempt,) = push["attempts"]
    return dict(attempt)


@pytest.mark.parametrize("mode", MODES)
def test_a_follower_is_answered(simulator: Simulator, server: Server, mode: str) -> None:
    """Signature, decryption, parser, reply and encryption are the client's own."""
    (openid,) = simulator.openids(1)
    simulator.reset()
    callback = {"url": server.url, "token": TOKEN, "mode": mode, "aes_key": AES_KEY}
    simulator.change_account(callback=callback)
    path = f"accounts/{simulator.account.appid}"
    assert simulator.admin("POST", f"{path}/check-callback")["echoed"] is True
    simulator.admin("POST", f"{path}/messages", {"openid": openid, "content": "退订"})
    read = server.read()
    assert (read["type"], read["source"], read["content"]) == ("text", openid, "退订")
    reply = handled(simulator)["reply"]
    assert (reply["ToUserName"], reply["Content"]) == (openid, "收到：退订")


@pytest.mark.parametrize("mode", MODES)
def test_who_leaves_and_what_ends_is_read(simulator: Simulator, server: Server, mode: str) -> None:
    openids = simulator.openids(3)
    simulator.reset()
    callback = {"url": server.url, "token": TOKEN, "mode": mode, "aes_key": AES_KEY}
    simulator.change_account(callback=callback)
    simulator.remove_followers(openids[2:])
    left = server.read()
    assert left["source"] == openids[2]
    assert "unsubscribe" in {left["type"].removesuffix("_event"), left.get("event")}
    wire = Wire(simulator.url, simulator.account)
    msg_id = wire.post("message/mass/send", text_message(openids))["msg_id"]
    wire.close()
    ended = server.read()
    if server.name == "wechatpy_server.py":
        assert (ended["event"], ended["status"]) == ("masssendjobfinish", "send success")
        assert (ended["id"], ended["total_count"], ended["filter_count"]) == (msg_id, 3, 2)
    else:
        assert ended["type"] == "masssendjobfinish_event"
    until(lambda: {one["state"] for one in simulator.pushes()} == {"handled"}, 10, "all taken")


def test_our_server_takes_what_wechatpy_has_encrypted(served: Served) -> None:
    """And wechatpy decrypts what ours answers."""
    sender = served.to("safe")
    reply = said("wechatpy_sender.py", sender.url, TOKEN, AES_KEY, sender.appid)
    assert (reply["type"], reply["content"]) == ("text", "您好！")
    assert reply["target"] == "oTEST0000000000000000000001A"
