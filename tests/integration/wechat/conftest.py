"""Servers, clients and calls for the tests of this room."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from broadcast.wechat.api.mass import MassReply, MassSend
from broadcast.wechat.api.token import ClassicToken, StableToken, TokenReply
from broadcast.wechat.client import WeChatClient
from broadcast.wechat.deadline import Timeouts
from tests.integration.wechat.servers import APPSECRET, TOKEN, RawServer

Serve = Callable[..., RawServer]
Connect = Callable[..., WeChatClient]

#: Where an answer comes, however busy the machine is. A test of a time-out shortens that one.
PATIENT = Timeouts(connect_s=60, read_s=60, total_s=60)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests decides nothing."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:
        yield lambda script, **kwargs: stack.enter_context(RawServer(script, **kwargs).running())


@pytest.fixture
def connect() -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:

        def connect(url: str, timeouts: Timeouts = PATIENT, **kwargs: Any) -> WeChatClient:
            client = WeChatClient(url, timeouts=timeouts, **kwargs)
            stack.callback(client.close)
            return client

        yield connect


def hurried(client: WeChatClient, **shorter: float) -> WeChatClient:
    """Return *client* with a connection open, and less time for its calls."""
    assert client.warm(MassSend)
    client._timeouts = replace(PATIENT, **shorter)
    return client


def openids(count: int) -> bytes:
    return b"".join(b"oTEST%023d" % number for number in range(count))


def mass(count: int = 2) -> MassSend:
    return MassSend(
        openids=openids(count),
        content={"msgtype": "text", "text": {"content": "您好"}},
        clientmsgid="b-1",
    )


def send(client: WeChatClient, count: int = 2) -> MassReply:
    return client.call(mass(count), token=SecretStr(TOKEN))


def fetch_token(client: WeChatClient) -> TokenReply:
    return client.call(ClassicToken(appid="wx1234567890abcdef", secret=SecretStr(APPSECRET)))


def fetch_stable_token(client: WeChatClient, *, force: bool = False) -> TokenReply:
    return client.call(
        StableToken(appid="wx1234567890abcdef", secret=SecretStr(APPSECRET), force_refresh=force)
    )
