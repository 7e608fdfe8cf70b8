"""Files on their way to WeChat."""

from __future__ import annotations

from broadcast.rules.accounts import Account
from broadcast.rules.media import NO_SUCH_MEDIA, LocalFile, VideoWords
from broadcast.wechat.api.media import UploadVideo
from broadcast.wechat.deadline import Timeouts
from broadcast.wechat_account import media
from producer.wiring.wechat import WeChat

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
        self, account: Account, file: LocalFile, words: VideoWords
    ) -> tuple[str | None, str | None]:
        """Upload a file; return its media_id and its address, where it has them."""
        request = media.upload_request_of(file, words)
        return media.media_ids_of(self._wechat.ask(account, request, timeouts=TIMEOUTS))

    def mass_video(self, account: Account, media_id: str, words: VideoWords) -> str | None:
        """Turn an uploaded video into one that can be mass-sent; return the new media_id.

        None: WeChat has no such video.
        """
        request = UploadVideo(media_id=media_id, title=words.title, description=words.description)
        made = self._wechat.ask_for(account, request, absent=NO_SUCH_MEDIA, timeouts=TIMEOUTS)
        return None if made is None else made.media_id
