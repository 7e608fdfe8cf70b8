"""One account's way to WeChat: a refused token is replaced once, and no mass send is repeated."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from broadcast import redaction
from broadcast.rules import accounts
from broadcast.rules.calls.attempts import LONGEST_MSG_STATUS, CallResult, NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope, SendPath
from broadcast.rules.plan.audience import Everyone, Tag
from broadcast.rules.plan.proof import Quota
from broadcast.tokens.redis_access import connect
from broadcast.tokens.token_service import Token, TokenService
from broadcast.tokens.token_store import TokenFetchError
from broadcast.views.texts import Texts
from broadcast.wechat.api.mass import MassGet, MassSend, MassSendAll
from broadcast.wechat.api.quotas import QuotaGet
from broadcast.wechat.call_errors import APIError, UnknownOutcomeError
from broadcast.wechat.client import WeChatClient
from broadcast.wechat_account.account_client import AccountClient, ClientTokenFetcher
from tests.integration.wechat.servers import RawServer, Request, closes, http, says
from tests.servers.valkey import Valkey
from worker.delivery.gateway import WeChatGateway
from worker.delivery.ports import MassCall

TEXT = {"msgtype": "text", "text": {"content": "您好"}}
OPENIDS = b"oTEST0000000000000000000001A" + b"oTEST0000000000000000000002B"
LEFT = {"errcode": 0, "quota": {"daily_limit": 100, "used": 7, "remain": 93}}
REFUSED = {"errcode": 40001, "errmsg": "invalid credential"}
BY_OPENID = MassCall(openids=OPENIDS, content=TEXT, clientmsgid="b-1")


@dataclass
class WeChat:
    """Gives a new token for each asking, and answers the rest as it is told to."""

    #: By path: what is answered to a token that is not refused.
    answers: dict[str, Any] = field(default_factory=dict)
    refuses: Callable[[str], bool] = lambda _token: False
    asked: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __call__(self, connection: socket.socket, request: Request) -> None:
        token = request.query.get("access_token", "")
        self.asked.append((request.path.rpartition("/")[2], token))
        self.bodies.append(request.body)
        if request.path == "/cgi-bin/token":
            given = sum(path == "token" for path, _ in self.asked)
            answer: Any = {"access_token": f"the-token-number-{given}", "expires_in": 7200}
        else:
            answer = REFUSED if self.refuses(token) else self.answers[request.path]
        if callable(answer):
            answer(connection, request)
            return
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        connection.sendall(http(body))


@pytest.fixture
def wechat() -> WeChat:
    return WeChat({QuotaGet.path: LEFT})


@pytest.fixture
def client(wechat: WeChat, valkey: Valkey) -> Iterator[AccountClient]:
    account = accounts.make(
        "default",
        appid="wx0123456789abcdef",
        appsecret="0123456789abcdef0123456789abcdef",
        token_mode="classic",
    )
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(RawServer(wechat).running())
        redis = stack.enter_context(connect(valkey.url))
        http_client = WeChatClient(server.url())
        stack.callback(http_client.close)
        fetcher = ClientTokenFetcher({account.appid: account}, {account.appid: http_client})
        yield AccountClient(http_client, TokenService(redis, fetcher), account)


@pytest.fixture
def gateway(client: AccountClient) -> WeChatGateway:
    return WeChatGateway(client)


def token_of(gateway: WeChatGateway) -> Token:
    token = gateway.token()
    assert isinstance(token, Token)
    return token


def test_a_refused_token_is_replaced_and_the_question_repeated(
    wechat: WeChat, client: AccountClient
) -> None:
    wechat.refuses = lambda token: token.endswith("1")

    quota = client.ask(QuotaGet(cgi_path=MassSend.path))

    assert quota.remain == 93
    assert wechat.asked == [
        ("token", ""),
        ("get", "the-token-number-1"),
        ("token", ""),
        ("get", "the-token-number-2"),
    ]


def test_a_question_is_repeated_once_whatever_becomes_of_it(
    wechat: WeChat, client: AccountClient
) -> None:
    wechat.refuses = lambda _token: True

    with pytest.raises(APIError, match="40001"):
        client.ask(QuotaGet(cgi_path=MassSend.path))

    assert [path for path, _ in wechat.asked] == ["token", "get", "token", "get"]


def test_a_refusal_of_anything_else_is_not_repeated(wechat: WeChat, client: AccountClient) -> None:
    wechat.answers[QuotaGet.path] = {"errcode": 48001, "errmsg": "api unauthorized"}

    with pytest.raises(APIError, match="48001"):
        client.ask(QuotaGet(cgi_path=MassSend.path))

    assert [path for path, _ in wechat.asked] == ["token", "get"]


@pytest.mark.parametrize(
    "request_",
    [
        MassSend(openids=OPENIDS, content=TEXT, clientmsgid="b-1"),
        MassSendAll(is_to_all=True, content=TEXT, clientmsgid="b-1"),
    ],
)
def test_a_mass_send_is_no_question(
    wechat: WeChat, client: AccountClient, request_: MassSend | MassSendAll
) -> None:
    with pytest.raises(ValueError, match="without a claim"):
        client.ask(request_)
    assert wechat.asked == []


def test_a_token_in_use_is_shown_by_no_log(wechat: WeChat, client: AccountClient) -> None:
    wechat.refuses = lambda token: token.endswith("1")
    redaction.forget_all()
    client.ask(QuotaGet(cgi_path=MassSend.path))
    assert redaction.redact("the-token-number-1 the-token-number-2") == "*** ***"


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (BY_OPENID, MassSend.path),
        (MassCall(filter=Everyone(), content=TEXT, clientmsgid="all"), MassSendAll.path),
    ],
)
def test_a_mass_send_with_a_refused_token_is_made_once(
    wechat: WeChat, gateway: WeChatGateway, message: MassCall, path: str
) -> None:
    wechat.refuses = lambda token: token.endswith("1")
    token = token_of(gateway)

    result = gateway.send(token, message)
    gateway.replace(token)

    assert (result.outcome, result.errcode) == (Outcome.TOKEN, 40001)
    # The token alone is fetched anew: the repeat is a new claim's.
    assert [one for one, _ in wechat.asked] == ["token", path.rpartition("/")[2], "token"]


@pytest.mark.parametrize(
    ("filter_", "written"),
    [(Tag(tag_id=2), {"is_to_all": False, "tag_id": 2}), (Everyone(), {"is_to_all": True})],
)
def test_a_message_without_recipients_goes_to_wechats_own_list(
    wechat: WeChat, gateway: WeChatGateway, filter_: Tag | Everyone, written: dict[str, Any]
) -> None:
    wechat.answers[MassSendAll.path] = {"errcode": 0, "msg_id": 1000000001}
    message = gateway.ready(MassCall(filter=filter_, content=TEXT, clientmsgid="all"))

    result = gateway.send(token_of(gateway), message)

    assert (result.outcome, result.msg_id) == (Outcome.ACCEPTED, 1000000001)
    assert json.loads(wechat.bodies[-1]) == {"filter": written, **TEXT, "clientmsgid": "all"}
    assert wechat.bodies[-1] == message.body


@pytest.mark.parametrize("audience", [{}, {"openids": OPENIDS, "filter": Everyone()}])
def test_a_message_has_one_audience(audience: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either"):
        MassCall(content=TEXT, clientmsgid="x", **audience)


def test_a_message_that_cannot_be_written_says_why(gateway: WeChatGateway) -> None:
    content = {"msgtype": "text", "text": {"content": "half \ud83d"}}
    ready = gateway.ready(MassCall(openids=OPENIDS, content=content, clientmsgid="b-1"))
    assert ready.body is None
    assert "surrogate" in (ready.problem or "")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"errcode": 40003, "errmsg": "invalid openid"}, Outcome.BAD_RECIPIENTS),
        ({"errcode": 40003, "errmsg": "invalid openid", "msg_id": 7}, Outcome.UNKNOWN),
        ({"errcode": 45065, "msg_id": 7}, Outcome.ALREADY_ACCEPTED),
        (b'{"errcode":40003,"errcode":40003}', Outcome.UNKNOWN),
        (b'{"errcode":40003,"errcode":0,"msg_id":7}', Outcome.UNKNOWN),
        (b"<html>", Outcome.UNKNOWN),
    ],
)
def test_a_reply_that_contradicts_itself_is_no_refusal(
    wechat: WeChat, gateway: WeChatGateway, answer: Any, outcome: Outcome
) -> None:
    wechat.answers[MassSend.path] = answer
    assert gateway.send(token_of(gateway), BY_OPENID).outcome is outcome


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"msg_id": 7, "msg_status": "SEND_SUCCESS"}, "SEND_SUCCESS"),
        ({"msg_id": 7, "msg_status": "X" * 500}, "X" * LONGEST_MSG_STATUS),
        ({"msg_id": 7, "msg_status": "SEND_FAIL\0"}, "SEND_FAIL?"),
        ({"errcode": 40059, "errmsg": "invalid msg id"}, None),
    ],
)
def test_mass_get_brings_a_word_that_every_database_takes(
    wechat: WeChat, gateway: WeChatGateway, answer: Any, status: str | None
) -> None:
    wechat.answers[MassGet.path] = answer
    assert gateway.status(7) == status


@pytest.mark.parametrize(
    ("answer", "outcome", "scope"),
    [
        ({"errcode": 45009}, Outcome.QUOTA_TODAY, Scope.PATH),
        ({"errcode": 48001}, Outcome.STOP_ACCOUNT, Scope.PATH),
        ({"errcode": 50002}, Outcome.STOP_ACCOUNT, Scope.ACCOUNT),
        ({"msg_id": 8, "msg_status": "SEND_FAIL"}, Outcome.WAIT, Scope.PATH),
        (b"<html>", Outcome.WAIT, Scope.PATH),
        (closes, Outcome.WAIT, Scope.PATH),
    ],
)
def test_a_question_without_an_answer_says_whom_that_concerns(
    wechat: WeChat, gateway: WeChatGateway, answer: Any, outcome: Outcome, scope: Scope
) -> None:
    wechat.answers[MassGet.path] = wechat.answers[QuotaGet.path] = answer

    for said in (gateway.status(7), gateway.quota(SendPath.MASS_SEND)):
        assert isinstance(said, NoAnswer)
        assert (said.outcome, said.scope) == (outcome, scope)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"errcode": 40125, "errmsg": "invalid appsecret"}, Outcome.STOP_ACCOUNT),
        ({"errcode": 40001, "errmsg": "invalid credential"}, Outcome.STOP_ACCOUNT),
        ({"errcode": 45009}, Outcome.QUOTA_TODAY),
        ({"errcode": -1}, Outcome.WAIT),
        (b"<html>", Outcome.WAIT),
    ],
)
def test_without_a_token_the_account_calls_nothing(
    valkey: Valkey, answer: Any, outcome: Outcome
) -> None:
    account = accounts.make(
        "default", appid="wx0123456789abcdef", appsecret="0123456789abcdef0123456789abcdef"
    )
    with RawServer(says(answer)).running() as server, connect(valkey.url) as redis:
        http_client = WeChatClient(server.url())
        fetcher = ClientTokenFetcher({account.appid: account}, {account.appid: http_client})
        gateway = WeChatGateway(AccountClient(http_client, TokenService(redis, fetcher), account))
        # The second is told of the first one's failure and asks nobody.
        quota = gateway.quota(SendPath.MASS_SEND)
        told = [gateway.token(), quota, gateway.refresh(only_expiring=True)]
        http_client.close()

    assert len(server.requests) == 1
    for one in told:
        assert isinstance(one, NoAnswer)
        assert (one.outcome, one.scope) == (outcome, Scope.ACCOUNT)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"errcode": -1, "errmsg": "system error"}, "WeChat answered -1 (`broadcast explain -1`)."),
        (closes, "WeChat gave no answer."),
    ],
)
def test_failed_token_of_a_moment_ago_names_the_account_and_what_wechat_answered(
    valkey: Valkey, answer: Any, words: str
) -> None:
    account = accounts.make(
        "shop", appid="wx0123456789abcdef", appsecret="0123456789abcdef0123456789abcdef"
    )
    with (
        RawServer(answer if callable(answer) else says(answer)).running() as server,
        connect(valkey.url) as redis,
    ):
        http_client = WeChatClient(server.url())
        fetcher = ClientTokenFetcher({account.appid: account}, {account.appid: http_client})
        client = AccountClient(http_client, TokenService(redis, fetcher), account)
        with pytest.raises((APIError, UnknownOutcomeError)):
            client.token()
        with pytest.raises(TokenFetchError) as caught:
            client.token()
        http_client.close()

    shown = Texts("en")(caught.value)
    assert shown.startswith("The access_token of account shop could not be fetched moments ago: ")
    assert words in shown
    assert account.appid not in shown


def test_figures_of_a_quota_are_such_as_the_ledger_holds(
    wechat: WeChat, gateway: WeChatGateway
) -> None:
    wechat.answers[QuotaGet.path] = {"quota": {"daily_limit": 10**15, "used": -3, "remain": 93}}
    assert gateway.quota(SendPath.MASS_SEND) == Quota(daily_limit=2**31 - 1, used=0, remain=93)
    assert not isinstance(gateway.quota(SendPath.MASS_SEND), CallResult)
