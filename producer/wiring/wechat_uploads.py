"""Files on their way to WeChat."""

from __future__ import annotations

from typing import TypeVar

from broadcast.rules.accounts import Account
from broadcast.rules.media import NO_SUCH_MEDIA, LocalFile
from broadcast.wechat.api.media import UploadVideo
from broadcast.wechat.deadline import Timeouts
from broadcast.wechat.endpoint import Request
from broadcast.wechat_account import media
from producer.wiring.wechat import WeChat, WeChatRefusedError

Reply = TypeVar("Reply")

#: A person waits, and 10 MB need their time.
TIMEOUTS = Timeouts(connect_s=3, read_s=120, total_s=150)


class Uploads:
    """:class:`producer.media.upload.Uploader` on the real WeChat.

    Every method raises WeChatAwayError, WeChatRefusedError, RedisAwayError and alike.
    """

    def __init__(self, wechat: WeChat) -> None:
        """*wechat*: the way to WeChat."""
        self._wechat = wechat

    def upload(
        self, account: Account, file: LocalFile, *, title: str, description: str
    ) -> tuple[str | None, str | None]:
        """Upload a file; return its media_id and its address, where it has them."""
        request = media.upload_request_of(file, title=title, description=description)
        return media.media_ids_of(self._ask(account, request))

    def mass_video(
        self, account: Account, media_id: str, *, title: str, description: str
    ) -> str | None:
        """Turn an uploaded video into one that can be mass-sent; return the new media_id.

        None: WeChat has no such video.
        """
        request = UploadVideo(media_id=media_id, title=title, description=description)
        try:
            return self._ask(account, request).media_id
        except WeChatRefusedError as error:
            if error.facts.get("errcode") != NO_SUCH_MEDIA:
                raise
        return None

    def _ask(self, account: Account, request: Request[Reply]) -> Reply:
        return self._wechat.ask(account, request, timeouts=TIMEOUTS)
