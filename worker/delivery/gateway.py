"""WeChat as a lane sees it: the account's client with every failure turned into a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from broadcast.rules.calls.attempts import CallResult, NoAnswer, storable_status
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.drafts import Gone, Look
from broadcast.rules.media import NO_SUCH_MEDIA, LocalFile
from broadcast.rules.plan.proof import Quota
from broadcast.tokens.token_service import Token
from broadcast.wechat.api.drafts import NO_SUCH_DRAFT, DraftGet
from broadcast.wechat.api.mass import NO_SUCH_JOB, MassGet, MassSend, MassSendAll
from broadcast.wechat.api.media import UploadVideo
from broadcast.wechat.api.quotas import QuotaGet
from broadcast.wechat.call_errors import APIError, InvalidRequestError, TransportError
from broadcast.wechat.endpoint import Body
from broadcast.wechat_account import media, translate
from broadcast.wechat_account.account_client import INTERFACES, AccountClient
from worker.delivery.ports import MassCall, ToTag


class WeChatGateway:
    """:class:`~worker.delivery.ports.Gateway` on the client; each method raises RedisAwayError."""

    def __init__(self, client: AccountClient) -> None:
        """*client*: that of the account."""
        self._client = client

    def warm(self) -> None:
        """Open a connection; the call that follows reports a failure."""
        self._client.warm()

    def token(self) -> Token | NoAnswer:
        """Return a token, or why WeChat gave none."""
        try:
            return self._client.token()
        except translate.NO_ANSWER as error:
            return translate.no_answer(error)

    def replace(self, refused: Token) -> NoAnswer | None:
        """Replace a refused token; return why it was not."""
        try:
            self._client.replace(refused)
        except translate.NO_ANSWER as error:
            return translate.no_answer(error)
        return None

    def refresh(self, *, only_expiring: bool) -> NoAnswer | None:
        """Fetch the token again, or only one that is missing or expiring; as ``replace``."""
        try:
            if only_expiring:
                self._client.token()
            else:
                self._client.refresh(reason="beat")
        except translate.NO_ANSWER as error:
            return translate.no_answer(error)
        return None

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

    def status(self, msg_id: int) -> str | NoAnswer | None:
        """Return mass/get's word, None for 40059, or why it gave none."""
        try:
            return storable_status(self._client.ask(MassGet(msg_id=msg_id)).msg_status)
        except translate.NO_ANSWER as error:
            if isinstance(error, APIError) and error.errcode == NO_SUCH_JOB:
                return None
            return translate.no_answer(error)

    def draft(self, media_id: str) -> Look:
        """Return a draft's facts, that there is none, or why WeChat did not say."""
        try:
            return translate.marks(self._client.ask(DraftGet(media_id=media_id)))
        except translate.NO_ANSWER as error:
            if isinstance(error, APIError) and error.errcode == NO_SUCH_DRAFT:
                return Gone()
            return translate.no_answer(error)

    def upload(
        self, file: LocalFile, *, title: str, description: str
    ) -> tuple[str | None, str | None] | NoAnswer:
        """Upload a file; return its media_id and address, or why WeChat gave none."""
        request = media.upload_request_of(file, title=title, description=description)
        try:
            return media.media_ids_of(self._client.ask(request))
        except translate.NO_ANSWER as error:
            return translate.no_answer(error)

    def mass_video(self, media_id: str, *, title: str, description: str) -> str | NoAnswer | None:
        """Return the id of a video for mass sends, None for 40007, or why WeChat gave none."""
        request = UploadVideo(media_id=media_id, title=title, description=description)
        try:
            return self._client.ask(request).media_id
        except translate.NO_ANSWER as error:
            if isinstance(error, APIError) and error.errcode == NO_SUCH_MEDIA:
                return None
            return translate.no_answer(error)

    def tagged(self, tag_id: int) -> Sequence[bytes] | NoAnswer:
        """Return the packed OpenIDs of all who have a tag, sorted, or why WeChat gave none."""
        # numpy, which only a plan with tags needs.
        from broadcast.wechat_account import tags  # noqa: PLC0415

        try:
            return list(tags.members(self._client, tag_id))
        except translate.NO_ANSWER as error:
            return translate.no_answer(error)

    def quota(self, path: SendPath) -> Quota | NoAnswer:
        """Return today's calls of one interface, or why WeChat gave no answer."""
        try:
            quota = self._client.ask(QuotaGet(cgi_path=INTERFACES[path].path))
        except translate.NO_ANSWER as error:
            return translate.no_answer(error)
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
    if isinstance(message.filter, ToTag):
        return MassSendAll(tag_id=message.filter.id, content=content, clientmsgid=clientmsgid)
    return MassSendAll(is_to_all=True, content=content, clientmsgid=clientmsgid)


def _countable(calls: int) -> int:
    """Return a number of calls as the ledger can hold it; nobody has two thousand million."""
    return max(0, min(calls, 2**31 - 1))
