"""The command line asks for today's calls with one new token where the shared one is refused."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from broadcast.rules.calls.outcomes import MAPS, Endpoint, Outcome, SendPath
from broadcast.rules.plan.proof import Quota
from broadcast.settings.program_settings import Settings
from broadcast.tokens.token_service import FetchedToken
from broadcast.wechat.api.mass import MassSend, MassSendAll
from broadcast.wechat.api.quotas import Quota as Answer
from broadcast.wechat.api.quotas import QuotaGet
from broadcast.wechat.call_errors import APIError
from producer.wiring import wechat
from tests.kit import ledger

LEFT = Answer(daily_limit=100, used=1, remain=99)


class Tokens:
    """The shared token is refused, the next one is good."""

    def get(self, appid: str) -> FetchedToken:
        return FetchedToken(value=SecretStr("refused"), expires_in=7200)

    def replace(self, appid: str, failed: FetchedToken) -> FetchedToken:
        assert failed.value.get_secret_value() == "refused"
        return FetchedToken(value=SecretStr("good"), expires_in=7200)


class WeChat:
    """Refuses the first token."""

    def __init__(self, errcode: int) -> None:
        self.errcode = errcode
        self.asked: list[str] = []

    def call(self, request: QuotaGet, *, token: SecretStr) -> Answer:
        self.asked.append(request.cgi_path)
        if token.get_secret_value() == "good":
            return LEFT
        raise APIError(errcode=self.errcode, errmsg="words", rid=None, endpoint="quota")


def wired(monkeypatch: pytest.MonkeyPatch, errcode: int) -> tuple[wechat.WeChat, WeChat]:
    asked = wechat.WeChat(Settings(), on_drift=print)
    monkeypatch.setitem(asked.__dict__, "tokens", Tokens())
    answers = WeChat(errcode)
    monkeypatch.setattr(asked, "_client", lambda *_of: answers)
    return asked, answers


@pytest.mark.parametrize(
    "errcode", [c for c, means in MAPS[Endpoint.QUOTA].items() if means.outcome is Outcome.TOKEN]
)
def test_each_code_that_refuses_a_token_gets_a_new_one(
    monkeypatch: pytest.MonkeyPatch, errcode: int
) -> None:
    asked, wechat_itself = wired(monkeypatch, errcode)
    assert asked.quota(ledger.account()) == Quota(daily_limit=100, used=1, remain=99)
    assert wechat_itself.asked == [MassSend.path] * 2


def test_the_calls_are_those_of_the_interface_that_is_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, wechat_itself = wired(monkeypatch, 40001)
    asked.quota(ledger.account(), SendPath.SENDALL)
    assert set(wechat_itself.asked) == {MassSendAll.path}


def test_another_refusal_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _ = wired(monkeypatch, 48001)
    with pytest.raises(wechat.WeChatRefusedError) as caught:
        asked.quota(ledger.account())
    assert caught.value.facts["errcode"] == 48001
