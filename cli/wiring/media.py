"""Giving files to WeChat, for one command."""

from __future__ import annotations

from typing import TypeVar

from broadcast.accounts import Account
from broadcast.content import Content
from broadcast.errors import MediaError
from broadcast.media import NO_SUCH_MEDIA, LocalFile
from cli.wiring.run import Run
from cli.wiring.wechat import WeChat, WeChatRefusedError
from presentation.elsewhere import fix_of_upload
from presentation.words import Code
from producer.media import upload
from wechat.api.media import UploadVideo
from wechat.deadline import Timeouts
from wechat.request import Request
from worker import uploads

Reply = TypeVar("Reply")

#: A person waits, and 10 MB need their time.
TIMEOUTS = Timeouts(connect_s=3, read_s=120, total_s=150)


class Uploads:
    """:class:`producer.media.upload.Uploader` on the real WeChat.

    Every method raises WeChatAwayError, WeChatRefusedError, RedisAwayError and alike.
    """

    def __init__(self, wechat: WeChat) -> None:
        """Take the way to WeChat."""
        self._wechat = wechat

    def upload(
        self, account: Account, file: LocalFile, *, title: str, description: str
    ) -> tuple[str | None, str | None]:
        """Upload a file; return its media_id and its address, where it has them.

        Raises MediaError for one that WeChat does not take, too.
        """
        try:
            return self._upload(account, file, title=title, description=description)
        except WeChatRefusedError as error:
            code = Code(int(str(error.facts["errcode"])), str(error.facts["errmsg"]))
            fix = fix_of_upload(code.errcode or 0)
            if fix is None:
                raise
        raise MediaError("error.media.refused", path=file.path, code=code, fix=fix)

    def _upload(
        self, account: Account, file: LocalFile, *, title: str, description: str
    ) -> tuple[str | None, str | None]:
        request = uploads.request_of(file, title=title, description=description)
        return uploads.ids_of(self._ask(account, request))

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


def uploaded(run: Run, account: Account, content: Content) -> Content:
    """Return *content* with its files uploaded, each once while it lives.

    Raises what :class:`Uploads` raises, and DatabaseAwayError.
    """
    shelf = upload.Shelf(run.engine, account)
    return upload.uploaded(content, shelf=shelf, uploader=Uploads(run.wechat))
