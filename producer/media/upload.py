"""Uploading files once: the same file has one media_id while that lives."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine

from broadcast import media
from broadcast.accounts import Account
from broadcast.content import Content
from broadcast.crashpoints import Point, passing
from broadcast.errors import MediaError
from broadcast.media import LocalFile, Media, MediaKind
from models.ledger import media as ledger
from models.ledger.reading import media as stored
from producer.media.content import ContentWithFiles


class Uploader(Protocol):
    """Gives files to WeChat. Every method raises what kept WeChat from taking one."""

    def upload(
        self, account: Account, file: LocalFile, *, title: str, description: str
    ) -> tuple[str | None, str | None]:
        """Upload a file; return its media_id and its address, where it has them.

        The words are those of a permanent video.
        """

    def mass_video(
        self, account: Account, media_id: str, *, title: str, description: str
    ) -> str | None:
        """Turn an uploaded video into one that can be mass-sent; return the new media_id.

        None: WeChat has no such video (40007).
        """


class Shelf:
    """An account's uploads: each is looked for before it is made, and written down after."""

    def __init__(
        self,
        engine: Engine,
        account: Account,
        *,
        at: datetime | None = None,
        lasting: timedelta = timedelta(),
    ) -> None:
        """Take whose they are; they must live for as long as *lasting* after *at*, None: now."""
        self._engine = engine
        self._account = account
        self._at = at
        self._lasting = lasting

    def find(
        self,
        file: LocalFile,
        *,
        title: str = "",
        description: str = "",
        dead: Collection[str] = (),
    ) -> Media | None:
        """Return the upload of *file* that lives long enough, or is one of *dead*, if any."""
        found = stored.of_file(
            self._engine, self._account, kind=file.kind, permanent=file.permanent,
            fingerprint=fingerprint(file, title=title, description=description),
        )  # fmt: skip
        until = max(found.now, self._at or found.now) + self._lasting
        reused = (one for one in found.media if one.media_id in dead)
        living = [one for one in found.media if one.lives(until)]
        return next(reused, None) or self._not_denied(living)

    def _not_denied(self, living: Sequence[Media]) -> Media | None:
        """Return the newest that WeChat did not deny to have: a console can delete one early."""
        for one in living:
            if not stored.is_denied(self._engine, self._account, one):
                return one
        return None

    def put(
        self, file: LocalFile, uploader: Uploader, *, title: str = "", description: str = ""
    ) -> Media:
        """Return the upload of *file*, made now where there is none that lives."""
        there = self.find(file, title=title, description=description)
        if there is not None:
            return there
        return self.renew(file, uploader, title=title, description=description)

    def renew(
        self, file: LocalFile, uploader: Uploader, *, title: str = "", description: str = ""
    ) -> Media:
        """Upload *file* whatever is there: somebody may have deleted that at WeChat."""
        if file.kind is MediaKind.MPVIDEO:
            media_id: str | None = self._mass_video(
                file, uploader, title=title, description=description
            )
            url = None
        else:
            media_id, url = uploader.upload(
                self._account, file, title=title, description=description
            )
        passing(Point.MEDIA_UPLOADED)
        return ledger.remember(
            self._engine, self._account, kind=file.kind, permanent=file.permanent,
            fingerprint=fingerprint(file, title=title, description=description),
            name=file.path.name, size=len(file.data), media_id=media_id, url=url,
        )  # fmt: skip

    def _mass_video(
        self, file: LocalFile, uploader: Uploader, *, title: str, description: str
    ) -> str:
        """Return the id of a mass video, of a video that is uploaded anew if WeChat lost it."""
        words = {"title": title, "description": description}
        for _ in range(2):
            video = self.put(_as_video(file), uploader, **words)
            assert video.media_id
            made = uploader.mass_video(self._account, video.media_id, **words)
            if made is not None:
                return made
            ledger.lost(self._engine, self._account, [video.media_id])
        raise MediaError("error.media.video_lost", path=file.path)


def fingerprint(file: LocalFile, *, title: str, description: str) -> str:
    """Return what distinguishes an upload: the file, and of a video the words that go with it."""
    if file.kind is MediaKind.MPVIDEO or (file.kind is MediaKind.VIDEO and file.permanent):
        return media.worded(file.fingerprint, title=title, description=description)
    return file.fingerprint


def with_known_ids(content: Content, *, shelf: Shelf, dead: Collection[str]) -> Content:
    """Return *content* with the ids of files that are uploaded already.

    *dead*: ids that are taken although they died, as those of the same content submitted before.
    """
    if not isinstance(content, ContentWithFiles):
        return content
    words = media.words_of(json.loads(content.canonical))
    found = {name: shelf.find(file, dead=dead, **words) for name, file in content.files.items()}
    ids = {name: one.media_id for name, one in found.items() if one is not None and one.media_id}
    return content.saying(ids)


def uploaded(content: Content, *, shelf: Shelf, uploader: Uploader) -> Content:
    """Return *content* with every file uploaded. Raises what the uploader does."""
    if not isinstance(content, ContentWithFiles):
        return content
    words = media.words_of(json.loads(content.canonical))
    made = {name: shelf.put(file, uploader, **words) for name, file in content.files.items()}
    return content.saying({name: one.media_id for name, one in made.items() if one.media_id})


def _as_video(file: LocalFile) -> LocalFile:
    """Return the same file as what is uploaded of it."""
    return LocalFile(
        path=file.path, kind=MediaKind.VIDEO, permanent=file.permanent, format=file.format,
        data=file.data, seconds=file.seconds,
    )  # fmt: skip
