"""The client and the stand-in, written apart from the same pages, understand each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from broadcast.wechat.api.mass import MassGet, MassSend, MassSendAll
from broadcast.wechat.api.quotas import QuotaGet
from broadcast.wechat.api.token import ClassicToken, StableToken
from broadcast.wechat.call_errors import APIError
from broadcast.wechat.client import WeChatClient
from tests.integration.wechat.conftest import Connect
from tests.kit.simulator import SimulatedAccount, Simulator

ACCOUNT = SimulatedAccount()
TEXT = {"msgtype": "text", "text": {"content": '您好 <a href="https://example.com">x</a> & 😀'}}


@pytest.fixture(scope="module")
def wechat() -> Iterator[Simulator]:
    with Simulator((ACCOUNT,), followers=20, calls_per_minute=0) as running:
        yield running


@pytest.fixture
def client(wechat: Simulator, connect: Connect) -> WeChatClient:
    return connect(wechat.url)


@pytest.fixture
def token(client: WeChatClient) -> SecretStr:
    return client.call(
        StableToken(appid=ACCOUNT.appid, secret=SecretStr(ACCOUNT.secret))
    ).access_token


def mass(wechat: Simulator, clientmsgid: str) -> MassSend:
    openids = "".join(wechat.openids(10)).encode()
    return MassSend(openids=openids, content=TEXT, clientmsgid=clientmsgid)


def test_a_mass_send_is_accepted_once(
    wechat: Simulator, client: WeChatClient, token: SecretStr
) -> None:
    first = client.call(mass(wechat, "once"), token=token)
    again = client.call(mass(wechat, "once"), token=token)
    assert (first.errcode, again.errcode) == (0, 45065)
    assert first.msg_id is not None
    assert again.msg_id == first.msg_id
    assert client.call(MassGet(msg_id=first.msg_id), token=token).msg_id == first.msg_id


def test_sendall_reaches_everybody_when_asked(client: WeChatClient, token: SecretStr) -> None:
    reply = client.call(MassSendAll(content=TEXT, clientmsgid="all", is_to_all=True), token=token)
    assert reply.errcode == 0


def test_quota_counts_the_calls(wechat: Simulator, client: WeChatClient, token: SecretStr) -> None:
    path = "/cgi-bin/message/mass/send"
    before = client.call(QuotaGet(cgi_path=path), token=token)
    client.call(mass(wechat, "counted"), token=token)
    after = client.call(QuotaGet(cgi_path=path), token=token)
    assert after.used == before.used + 1
    assert after.daily_limit == after.used + after.remain


def test_both_tokens_work(wechat: Simulator, client: WeChatClient) -> None:
    classic = client.call(ClassicToken(appid=ACCOUNT.appid, secret=SecretStr(ACCOUNT.secret)))
    assert client.call(mass(wechat, "classic"), token=classic.access_token).errcode == 0


def test_a_wrong_token_and_a_wrong_secret_are_named(
    wechat: Simulator, client: WeChatClient
) -> None:
    reply = client.call(mass(wechat, "wrong"), token=SecretStr("82_nonsense"))
    assert reply.errcode in {40001, 40014}
    assert reply.rid
    with pytest.raises(APIError) as caught:
        client.call(ClassicToken(appid=ACCOUNT.appid, secret=SecretStr("f" * 32)))
    assert caught.value.errcode in {40001, 40125}
    with pytest.raises(APIError) as caught:
        client.call(MassGet(msg_id=1), token=SecretStr("82_nonsense"))
    assert caught.value.errcode in {40001, 40014}
