"""One account's way to WeChat: the shared access_token, and every call that needs it.

A question is repeated once if its token is refused: WeChat refuses a token before it looks at
anything else. A mass send is made once and never repeated here: its repeat is a new claim, always.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

from broadcast.message import Message
from broadcast.redaction import remember
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import REFUSES_TOKEN, SendPath
from broadcast.tokens.token_service import FetchedToken, Token, TokenService
from broadcast.tokens.token_store import TokenFetchError, TokenRefusedError, TokenWaitError
from broadcast.wechat.api.mass import MassReply, MassSend, MassSendAll
from broadcast.wechat.api.token import ClassicToken, StableToken, TokenReply
from broadcast.wechat.call_errors import APIError
from broadcast.wechat.client import WeChatClient
from broadcast.wechat.deadline import SendBy
from broadcast.wechat.endpoint import Body, Request

Reply = TypeVar("Reply")

#: WeChat's own request of each path.
INTERFACES: Final[Mapping[SendPath, type[MassSend | MassSendAll]]] = {
    SendPath.MASS_SEND: MassSend,
    SendPath.SENDALL: MassSendAll,
}


class AccountClient:
    """Calls WeChat for one account.

    Every method raises what kept it from an answer: ``WeChatError`` of the client, and of the
    shared token ``RedisAwayError``, ``TokenFetchError``, ``TokenWaitError``, ``TokenRefusedError``.
    """

    def __init__(self, client: WeChatClient, tokens: TokenService, account: Account) -> None:
        """Take the client of the account's API base and the tokens of all accounts."""
        self._client = client
        self._tokens = tokens
        self._appid, self._name = account.appid, account.name

    def warm(self) -> None:
        """Open a connection for a mass send; the call that follows reports a failure."""
        self._client.warm(MassSend)

    def token(self) -> Token:
        """Return the shared token, fetched if there is none."""
        with self._named():
            return _masked(self._tokens.get(self._appid))

    def replace(self, refused: Token) -> Token:
        """Return the token that takes the place of *refused*."""
        with self._named():
            return _masked(self._tokens.replace(self._appid, refused))

    def ask_despite_refusal(self) -> None:
        """Have a token, though WeChat refused this machine's address a moment ago."""
        with self._named():
            _masked(self._tokens.ask_despite_refusal(self._appid))

    def refresh(self, *, reason: str) -> Token:
        """Return a token that was fetched now."""
        with self._named():
            return _masked(self._tokens.refresh(self._appid, reason=reason))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors name the account as a person does: the token service knows its appid alone."""
        try:
            yield
        except (TokenFetchError, TokenWaitError, TokenRefusedError) as error:
            error.message = Message(error.message_id, **{**error.facts, "account": self._name})
            raise

    def ask(self, request: Request[Reply]) -> Reply:
        """Return WeChat's answer, with one other token if the first one is refused.

        Raises ``ValueError`` for a request that must not be made twice.
        """
        if not request.repeatable:
            raise ValueError(f"{request.path} must not be repeated without a claim")
        token = self.token()
        try:
            return self._client.call(request, token=token.value)
        except APIError as error:
            if error.errcode not in REFUSES_TOKEN:
                raise
        return self._client.call(request, token=self.replace(token).value)

    def send(
        self,
        request: MassSend | MassSendAll,
        token: Token,
        *,
        body: Body | None = None,
        send_by: SendBy | None = None,
    ) -> MassReply:
        """Make a mass send once, with *token*, whatever WeChat says of it."""
        return self._client.call(request, token=token.value, body=body, send_by=send_by)


def _masked(token: Token) -> Token:
    """Return *token*, which no log of this process shows from now on."""
    remember(token.value.get_secret_value())
    return token


class ClientTokenFetcher:
    """:class:`broadcast.tokens.token_service.TokenFetcher`: asks WeChat by the mode of the account.

    The service knows accounts by their appid, which cannot change its meaning.
    """

    def __init__(
        self, accounts: Mapping[str, Account], clients: Mapping[str, WeChatClient]
    ) -> None:
        """Take the accounts and the clients, both by appid."""
        self._accounts = accounts
        self._clients = clients

    def fetch(self, account: str, *, force: bool) -> FetchedToken:
        """Return a token. Raises the client's APIError or TransportError."""
        known = self._accounts[account]
        request: ClassicToken | StableToken
        if known.token_mode == "classic":  # noqa: S105 - a mode's name
            request = ClassicToken(appid=known.appid, secret=known.appsecret)
        else:
            request = StableToken(appid=known.appid, secret=known.appsecret, force_refresh=force)
        reply: TokenReply = self._clients[account].call(request)
        remember(reply.access_token.get_secret_value())
        return FetchedToken(value=reply.access_token, expires_in=reply.expires_in)
