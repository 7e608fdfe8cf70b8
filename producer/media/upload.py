"""Uploading files once: the same file has one media_id while that lives."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine

from broadcast import day
from broadcast.crashpoints import Point, failpoint
from broadcast.errors import MediaError
from broadcast.message import Message
from broadcast.rules import media
from broadcast.rules.accounts import Account
from broadcast.rules.content import Content
from broadcast.rules.media import NO_WORDS, LocalFile, Media, MediaKind, VideoWords
from models.ledger.lists import media as ledger_media
from producer.media.file import ContentWithFiles


class Uploader(Protocol):
    """Uploads files to WeChat. Every method raises what kept WeChat from taking one."""

    def upload(
        self, account: Account, file: LocalFile, words: VideoWords
    ) -> tuple[str | None, str | None]:
        """Upload a file; return its media_id and its address, where it has them.

        *words*: of a permanent video.
        """

    def mass_video(self, account: Account, media_id: str, words: VideoWords) -> str | None:
        """Turn an uploaded video into one that can be mass-sent; return the new media_id.

        None: WeChat has no such video (40007).
        """


class UploadCache:
    """Uploads of an account, each looked up before it is made and stored after."""

    def __init__(
        self,
        engine: Engine,
        account: Account,
        *,
        at: datetime | None = None,
        lasting: timedelta = timedelta(),
    ) -> None:
        """The uploads must live for as long as *lasting* after *at*, None: now."""
        self._engine = engine
        self._account = account
        self._at = at
        self._lasting = lasting

    def find(
        self, file: LocalFile, words: VideoWords = NO_WORDS, *, dead: Collection[str] = ()
    ) -> Media | None:
        """Return the upload of *file* that lives long enough, or is one of *dead*, if any."""
        found = ledger_media.of_file(
            self._engine,
            self._account,
            kind=file.kind,
            permanent=file.permanent,
            fingerprint=_fingerprint(file, words),
        )
        until = max(found.now, self._at or found.now) + self._lasting
        reused = (one for one in found.media if one.media_id in dead)
        living = [one for one in found.media if one.lives(until)]
        return next(reused, None) or self._not_denied(living)

    def _not_denied(self, living: Sequence[Media]) -> Media | None:
        """Return the newest that WeChat did not deny to have: a console can delete one early."""
        for one in living:
            if not ledger_media.is_denied(self._engine, self._account, one):
                return one
        return None

    def get_or_upload(
        self, file: LocalFile, uploader: Uploader, words: VideoWords = NO_WORDS
    ) -> Media:
        """Return the upload of *file*, made now where there is none that lives."""
        existing = self.find(file, words)
        return self.upload(file, uploader, words) if existing is None else existing

    def upload(self, file: LocalFile, uploader: Uploader, words: VideoWords = NO_WORDS) -> Media:
        """Upload *file* whatever is stored: somebody may have deleted that at WeChat."""
        if file.kind is MediaKind.MPVIDEO:
            media_id: str | None = self._mass_video(file, uploader, words)
            url = None
        else:
            media_id, url = uploader.upload(self._account, file, words)
        failpoint(Point.MEDIA_UPLOADED)
        return ledger_media.remember(
            self._engine,
            self._account,
            kind=file.kind,
            permanent=file.permanent,
            fingerprint=_fingerprint(file, words),
            name=file.path.name,
            size=len(file.data),
            media_id=media_id,
            url=url,
        )

    def _mass_video(self, file: LocalFile, uploader: Uploader, words: VideoWords) -> str:
        """Return the id of a mass video, of a video that is uploaded anew if WeChat lost it."""
        plain = replace(file, kind=MediaKind.VIDEO)
        for _ in range(2):
            video = self.get_or_upload(plain, uploader, words)
            assert video.media_id
            made = uploader.mass_video(self._account, video.media_id, words)
            if made is not None:
                return made
            ledger_media.mark_lost(self._engine, self._account, [video.media_id])
        raise MediaError("error.media.video_lost", path=file.path)


def _fingerprint(file: LocalFile, words: VideoWords) -> str:
    """Return the marks of an upload: the file, and of a video the words that go with it."""
    if file.kind is MediaKind.MPVIDEO or (file.kind is MediaKind.VIDEO and file.permanent):
        return media.worded(file.fingerprint, words)
    return file.fingerprint


def with_known_ids(content: Content, *, cache: UploadCache, dead: Collection[str]) -> Content:
    """Return *content* with the ids of files that are uploaded already.

    *dead*: ids that are taken although they died, as those of the same content submitted before.
    """
    if not isinstance(content, ContentWithFiles):
        return content
    words = media.words_of(content.value)
    found = {name: cache.find(file, words, dead=dead) for name, file in content.files.items()}
    ids = {name: one.media_id for name, one in found.items() if one is not None and one.media_id}
    return content.saying(ids)


def uploaded(content: Content, *, cache: UploadCache, uploader: Uploader) -> Content:
    """Return *content* with every file uploaded. Raises what the uploader does."""
    if not isinstance(content, ContentWithFiles):
        return content
    words = media.words_of(content.value)
    made = {
        name: cache.get_or_upload(file, uploader, words) for name, file in content.files.items()
    }
    return content.saying({name: one.media_id for name, one in made.items() if one.media_id})


def last_start(starts: datetime, *, days: int) -> datetime:
    """Return when the last calls of a plan may start that begins at *starts* and takes *days*."""
    if days <= 1:
        return starts
    return day.start(starts) + timedelta(days=days - 1)


def must_be_kept(engine: Engine, content: Content, *, now: datetime, last: datetime) -> bool:
    """Return whether files of *content* die before *last*, so that they are uploaded again then."""
    if not isinstance(content, ContentWithFiles):
        return False
    uploads = ledger_media.of_ids(engine, list(content.uploaded)).media
    dies = [one.expires_at for one in uploads] + [
        media.dies_at(file.kind, now, permanent=file.permanent) for file in content.files.values()
    ]
    return any(moment is not None and moment <= last + media.MARGIN for moment in dies)


def refuse_what_dies(
    engine: Engine, account: Account, content: Content, *, now: datetime, last: datetime
) -> None:
    """Raise MediaError for media_ids that cannot be used until *last*, as far as is known here.

    A file that is here can be uploaded again. An id that nobody uploaded through this ledger is
    WeChat's to judge.
    """
    for one in _usable(engine, account, content, now=now):
        if one.expires_at is not None and one.expires_at <= last + media.MARGIN:
            raise MediaError("error.media.dies_before", name=one.name, at=one.expires_at, last=last)


def refuse_unusable(engine: Engine, account: Account, content: Content, *, now: datetime) -> None:
    """Raise MediaError for media_ids that cannot be used at once, as far as is known here."""
    for _ in _usable(engine, account, content, now=now):
        pass


def refuse_unusable_cover(
    engine: Engine, account: Account, media_id: str, *, now: datetime
) -> None:
    """Raise MediaError for a media_id that is no cover of an article, as far as is known here.

    A cover is permanent (WeChat page "draft/add"); a permanent picture is as good.
    """
    named = ledger_media.of_ids(engine, [media_id]).media
    if not named:
        return
    kinds = (MediaKind.THUMB, MediaKind.IMAGE)
    if not _good(named, account, kinds=kinds, now=now).permanent:
        raise MediaError("error.media.temporary_cover", media_id=media_id, name=named[0].name)


def _usable(
    engine: Engine, account: Account, content: Content, *, now: datetime
) -> Iterator[Media]:
    """Yield the media of a content that the ledger knows, each good for it now."""
    value = content.value
    used: list[tuple[str, tuple[MediaKind, ...]]] = [
        (media_id, (kind,)) for media_id, kind in media.used(value)
    ]
    if value["msgtype"] == "mpnews":
        used = [(value["mpnews"]["media_id"], ())]
    if isinstance(content, ContentWithFiles):
        files = {**content.files, **content.uploaded}
        used = [(media_id, kinds) for media_id, kinds in used if media_id not in files]
    known = ledger_media.of_ids(engine, [media_id for media_id, _ in used]).media if used else ()
    for media_id, kinds in used:
        named = [one for one in known if one.media_id == media_id]
        if named:
            yield _good(named, account, kinds=kinds, now=now)


def _good(
    named: Sequence[Media], account: Account, *, kinds: Sequence[MediaKind], now: datetime
) -> Media:
    """Return one media_id's entry. Raises MediaError for what is not good for this.

    *kinds*: as what it may have been uploaded; none: it is to be an article.
    """
    own = next((one for one in named if one.appid == account.appid), None)
    if own is None:
        raise MediaError(
            "error.media.other_account",
            media_id=named[0].media_id,
            account=account.name,
            other=named[0].account,
        )
    if own.kind not in kinds:
        raise _of_other_kind(own, wanted=kinds[0] if kinds else None)
    if own.expires_at is not None and own.expires_at <= now:
        raise MediaError(
            "error.media.expired", media_id=own.media_id, name=own.name, at=own.expires_at
        )
    return own


def _of_other_kind(one: Media, *, wanted: MediaKind | None) -> MediaError:
    facts = {
        "media_id": one.media_id,
        "name": one.name,
        "kind": Message(f"media_kind.{one.kind}"),
    }
    if wanted is None:
        return MediaError("error.media.no_article", **facts)
    if (one.kind, wanted) == (MediaKind.VIDEO, MediaKind.MPVIDEO):
        return MediaError("error.media.plain_video", **facts)
    return MediaError("error.media.other_kind", **facts, wanted=Message(f"media_kind.{wanted}"))
