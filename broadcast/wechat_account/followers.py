"""Questions about followers: repeated where a refusal passes, since a question changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from broadcast.wechat.api.quotas import QuotaGet
from broadcast.wechat.api.users import MOST_ASKED, NO_SUCH_OPENID, UserInfo, UserInfos
from broadcast.wechat.call_errors import APIError, TransportError
from broadcast.wechat.endpoint import Request
from broadcast.wechat_account.account_client import AccountClient

Reply = TypeVar("Reply")
NO_CALLS_LEFT = 45009
#: These pass: WeChat is busy, or was asked too fast.
_TOO_FAST = 45011
_PASSING = {-1, _TOO_FAST}
_TRIES = 5
#: WeChat counts calls by the minute.
_MINUTE_S = 60


class Calls:
    """Asks WeChat about the followers of one account.

    Every method raises what :meth:`AccountClient.ask` does.
    """

    def __init__(self, client: AccountClient) -> None:
        """Take the account's way to WeChat."""
        self._client = client

    def ask(self, request: Request[Reply]) -> Reply:
        """Ask, and again where it passes."""
        tries = Retrying(
            retry=retry_if_exception(_passes),
            stop=stop_after_attempt(_TRIES),
            wait=_wait,
            reraise=True,
        )
        answer: Reply = tries(self._client.ask, request)
        return answer

    def left_today(self, path: str) -> int | None:
        """Return how many calls of *path* WeChat counts as left; None where it does not say."""
        try:
            return self.ask(QuotaGet(cgi_path=path)).remain
        except APIError:
            # quota/get was refused for itself; 45009 of the call will show it.
            return None

    def infos(self, openids: Sequence[str]) -> Mapping[str, UserInfo]:
        """Return what WeChat says of each; those whom it does not know are left out."""
        found: dict[str, UserInfo] = {}
        for start in range(0, len(openids), MOST_ASKED):
            found |= self._infos(openids[start : start + MOST_ASKED])
        return found

    def _infos(self, openids: Sequence[str]) -> Mapping[str, UserInfo]:
        try:
            return self.ask(UserInfos(openids=openids))
        except APIError as error:
            if error.errcode != NO_SUCH_OPENID:
                raise
        if len(openids) == 1:
            return {}
        # One of them is refused, and WeChat does not say which.
        half = len(openids) // 2
        return {**self._infos(openids[:half]), **self._infos(openids[half:])}


def _passes(error: BaseException) -> bool:
    return isinstance(error, TransportError) or (
        isinstance(error, APIError) and error.errcode in _PASSING
    )


def _wait(state: RetryCallState) -> float:
    """Return the seconds until the next try."""
    error = state.outcome and state.outcome.exception()
    if isinstance(error, APIError) and error.errcode == _TOO_FAST:
        return _MINUTE_S / _TRIES
    return float(2 ** (state.attempt_number - 2))
