"""WeChat as a lane sees it: the client with every failure turned into a fact."""

from __future__ import annotations

from dataclasses import replace

from broadcast.call.outcomes import Endpoint
from broadcast.call.result import CallResult, NoAnswer, storable_status
from broadcast.plan import Quota
from coordination.tokens import Token
from wechat.client import WeChatClient
from wechat.errors import APIError, InvalidRequestError, TransportError
from wechat.values import MassSend
from worker import translate
from worker.ports import Message

MASS_SEND = "/cgi-bin/message/mass/send"
NOT_VISIBLE = 40059


class WeChatGateway:
    """:class:`worker.ports.Gateway` on the real client."""

    def __init__(self, client: WeChatClient) -> None:
        """Take the client of the account's API base."""
        self._client = client

    def warm(self) -> None:
        """Have a connection open; a failure is told by the call that follows."""
        self._client.warm()

    def ready(self, message: Message) -> Message:
        """Return *message* with its body made; one that cannot be sent is told by ``send``."""
        try:
            return replace(message, body=self._client.mass_send_body(_request(message)))
        except InvalidRequestError:
            return message

    def send(self, token: Token, message: Message) -> CallResult:
        """Make the call and return what it ended as: every failure that the client knows is a fact.

        Anything else that is raised is a bug, and leaves an attempt whose outcome is unknown.
        """
        request = message.body or _request(message)
        try:
            reply = self._client.mass_send(token.value, request, send_by=message.send_by)
            return translate.of_reply(Endpoint.MASS_SEND, reply)
        except TransportError as error:
            return translate.of_failure(error)
        except InvalidRequestError as error:
            return translate.of_invalid(error)

    def status(self, token: Token, msg_id: int) -> str | NoAnswer | None:
        """Return mass/get's word, None for 40059, or why it gave none."""
        try:
            return storable_status(self._client.mass_get(token.value, msg_id).msg_status)
        except (APIError, TransportError) as error:
            if isinstance(error, APIError) and error.errcode == NOT_VISIBLE:
                return None
            return translate.no_answer(Endpoint.MASS_GET, error)

    def quota(self, token: Token) -> Quota | NoAnswer:
        """Return today's calls of mass/send, or why WeChat gave no answer."""
        try:
            said = self._client.quota(token.value, MASS_SEND)
        except (APIError, TransportError) as error:
            return translate.no_answer(Endpoint.QUOTA, error)
        return Quota(
            daily_limit=_countable(said.daily_limit),
            used=_countable(said.used),
            remain=_countable(said.remain),
        )


def _request(message: Message) -> MassSend:
    return MassSend(
        openids=message.openids, content=message.content, clientmsgid=message.clientmsgid
    )


def _countable(calls: int) -> int:
    """Return a number of calls as the ledger can hold it; nobody has two thousand million."""
    return max(0, min(calls, 2**31 - 1))
