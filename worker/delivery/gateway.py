"""WeChat as a lane sees it: the account's client with every failure turned into a value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

from broadcast.rules.calls.attempts import CallResult, NoAnswer, storable_status
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.drafts import Gone, Look
from broadcast.rules.media import NO_SUCH_MEDIA, LocalFile, VideoWords
from broadcast.rules.plan.audience import Tag
from broadcast.rules.plan.proof import Quota
from broadcast.tokens.token_service import Token
from broadcast.wechat.api.drafts import NO_SUCH_DRAFT, DraftGet
from broadcast.wechat.api.mass import NO_SUCH_JOB, MassGet, MassSend, MassSendAll
from broadcast.wechat.api.media import UploadVideo
from broadcast.wechat.api.quotas import QuotaGet
from broadcast.wechat.call_errors import APIError, InvalidRequestError, TransportError
from broadcast.wechat.endpoint import Body, Request
from broadcast.wechat_account import media, translate
from broadcast.wechat_account.account_client import INTERFACES, AccountClient
from worker.delivery.ports import MassCall

P = ParamSpec("P")
T = TypeVar("T")


def _or_why(ask: Callable[P, T]) -> Callable[P, T | NoAnswer]:
    """Have a question return why WeChat gave no answer, where it gave none."""

    @functools.wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T | NoAnswer:
        try:
            return ask(*args, **kwargs)
        except translate.NO_ANSWER as error:
            return translate.no_answer(error)

    return asked


class WeChatGateway:
    """:class:`~worker.delivery.ports.Gateway` on the client; each method raises RedisAwayError."""

    def __init__(self, client: AccountClient) -> None:
        """*client*: that of the account."""
        self._client = client

    def warm(self) -> None:
        """Open a connection; the call that follows reports a failure."""
        self._client.warm()

    @_or_why
    def token(self) -> Token:
        """Return a token, or why WeChat gave none."""
        return self._client.token()

    @_or_why
    def replace(self, refused: Token) -> None:
        """Replace a refused token; return why it was not."""
        self._client.replace(refused)

    @_or_why
    def ask_despite_refusal(self) -> None:
        """Ask for a token, though this machine was refused one; return why it has none."""
        self._client.ask_despite_refusal()

    @_or_why
    def refresh(self, *, only_expiring: bool) -> None:
        """Fetch the token again, or only one that is missing or expiring; as ``replace``."""
        if only_expiring:
            self._client.token()
        else:
            self._client.refresh(reason="beat")

    def ready(self, message: MassCall) -> MassCall:
        """Return *message* with its body, or with the problem that keeps it from having one."""
        try:
            body = request_of(message).body()
        except InvalidRequestError as error:
            return replace(message, problem=str(error))
        return replace(message, body=body.data if isinstance(body.data, bytes) else None)

    def send(self, token: Token, message: MassCall) -> CallResult:
        """Make the call and return what it ended as: every failure that the client knows is a fact.

        Anything else that is raised is a bug, and leaves an attempt whose outcome is unknown.
        """
        request = request_of(message)
        body = None if message.body is None else Body(data=message.body)
        try:
            reply = self._client.send(request, token, body=body, send_by=message.send_by)
        except TransportError as error:
            return translate.of_failure(error)
        return translate.of_reply(request, reply)

    @_or_why
    def status(self, msg_id: int) -> str | None:
        """Return mass/get's word, None for 40059, or why it gave none."""
        reply = self._asked(MassGet(msg_id=msg_id), none=NO_SUCH_JOB)
        return None if reply is None else storable_status(reply.msg_status)

    def _asked(self, request: Request[T], *, none: int) -> T | None:
        """Return WeChat's answer; *none*: the errcode by which there is no such thing."""
        try:
            return self._client.ask(request)
        except APIError as error:
            if error.errcode != none:
                raise
        return None

    @_or_why
    def draft(self, media_id: str) -> Look:
        """Return a draft's facts, that there is none, or why WeChat did not say."""
        articles = self._asked(DraftGet(media_id=media_id), none=NO_SUCH_DRAFT)
        return Gone() if articles is None else translate.marks(articles)

    @_or_why
    def upload(self, file: LocalFile, words: VideoWords) -> tuple[str | None, str | None]:
        """Upload a file; return its media_id and address, or why WeChat gave none."""
        request = media.upload_request_of(file, words)
        return media.media_ids_of(self._client.ask(request))

    @_or_why
    def mass_video(self, media_id: str, words: VideoWords) -> str | None:
        """Return the id of a video for mass sends, None for 40007, or why WeChat gave none."""
        request = UploadVideo(media_id=media_id, title=words.title, description=words.description)
        made = self._asked(request, none=NO_SUCH_MEDIA)
        return None if made is None else made.media_id

    @_or_why
    def tagged(self, tag_id: int) -> Sequence[bytes]:
        """Return the packed OpenIDs of all who have a tag, sorted, or why WeChat gave none."""
        # numpy, which only a plan with tags needs.
        from broadcast.wechat_account import tags

        return list(tags.members(self._client, tag_id))

    @_or_why
    def quota(self, path: SendPath) -> Quota:
        """Return today's calls of one interface, or why WeChat gave no answer."""
        quota = self._client.ask(QuotaGet(cgi_path=INTERFACES[path].path))
        return Quota(
            daily_limit=_countable(quota.daily_limit),
            used=_countable(quota.used),
            remain=_countable(quota.remain),
        )


def request_of(message: MassCall) -> MassSend | MassSendAll:
    """Return the mass send of *message*."""
    content, clientmsgid = message.content, message.clientmsgid
    if message.openids is not None:
        return MassSend(openids=message.openids, content=content, clientmsgid=clientmsgid)
    if isinstance(message.filter, Tag):
        tag_id = message.filter.tag_id
        return MassSendAll(tag_id=tag_id, content=content, clientmsgid=clientmsgid)
    return MassSendAll(is_to_all=True, content=content, clientmsgid=clientmsgid)


def _countable(calls: int) -> int:
    """Return a number of calls as the ledger can hold it; nobody has two thousand million."""
    return max(0, min(calls, 2**31 - 1))
