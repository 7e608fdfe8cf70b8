"""The shared access_token of one account, fetched by the account's own client."""

from __future__ import annotations

from collections.abc import Mapping

from broadcast.accounts import Account
from broadcast.call.outcomes import Outcome, of_errcode
from broadcast.call.result import CallResult
from broadcast.errors import RedisAwayError
from coordination.errors import TokenFetchError, TokenRefusedError, TokenWaitError
from coordination.tokens import FetchedToken, Token, TokenService
from wechat.client import WeChatClient
from wechat.errors import APIError, TransportError
from worker import translate


class ClientTokenFetcher:
    """:class:`coordination.tokens.TokenFetcher`: asks WeChat by the mode of the account.

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
        known, client = self._accounts[account], self._clients[account]
        if known.token_mode == "classic":  # noqa: S105 - a mode's name
            reply = client.token(known.appid, known.appsecret)
        else:
            reply = client.stable_token(known.appid, known.appsecret, force_refresh=force)
        return FetchedToken(value=reply.access_token, expires_in=reply.expires_in)


class AccountTokens:
    """:class:`worker.ports.Tokens` on the shared service."""

    def __init__(self, service: TokenService, account: Account) -> None:
        """Take the service and whose token this is."""
        self._service = service
        self._appid = account.appid

    def get(self) -> Token | CallResult:
        """Return a token, or the fact that kept WeChat from giving one. Raises RedisAwayError."""
        try:
            return self._service.get(self._appid)
        except TokenRefusedError as error:
            return _refused(error)
        except (APIError, TransportError, TokenFetchError, TokenWaitError) as error:
            return _fact(error)

    def replace(self, failed: Token) -> CallResult | None:
        """Have a refused token replaced; return the fact that kept it from being so."""
        try:
            self._service.replace(self._appid, failed)
        except TokenRefusedError as error:
            return _refused(error)
        except (APIError, TransportError, TokenFetchError, TokenWaitError) as error:
            return _fact(error)
        return None


#: `force_refresh` is allowed every 30 s; a longer wait is the limit of the day.
SHORT_WAIT_S = 60


def _refused(error: TokenRefusedError) -> CallResult:
    """Tell a refused token: one that WeChat's rules forbid to replace just now only waits."""
    seconds = error.facts.get("seconds")
    short = isinstance(seconds, int | float) and seconds <= SHORT_WAIT_S
    return CallResult(outcome=Outcome.WAIT if short else Outcome.STOP_ACCOUNT, errmsg=str(error))


def _fact(error: APIError | TransportError | TokenFetchError | TokenWaitError) -> CallResult:
    """Tell a token that could not be had: no call was made, so nothing can be unknown."""
    if isinstance(error, APIError):
        return translate.of_refusal(error)
    if isinstance(error, TokenFetchError) and error.errcode is not None:
        # WeChat's own words went to the process that asked.
        return CallResult(outcome=of_errcode(error.errcode, msg_id=0), errcode=error.errcode)
    return CallResult(outcome=Outcome.WAIT, errmsg=str(error))


def refresh(service: TokenService, account: Account, *, only_expiring: bool) -> CallResult | None:
    """Refresh the account's token (or only one that is missing or expiring).

    Returns the fact that kept it from being so, or None.
    """
    try:
        if only_expiring:
            service.get(account.appid)
        else:
            service.refresh(account.appid, reason="beat")
    except RedisAwayError as error:
        return CallResult(outcome=Outcome.WAIT, errmsg=str(error))
    except (APIError, TransportError, TokenFetchError, TokenWaitError) as error:
        return _fact(error)
    return None
