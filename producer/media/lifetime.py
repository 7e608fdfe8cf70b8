"""Refusing, before anything is stored, media that WeChat would refuse at the time of its use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine

from broadcast import day, media
from broadcast.accounts import Account
from broadcast.content import Content
from broadcast.errors import MediaError
from broadcast.media import Media, MediaKind
from broadcast.message import Message
from models.ledger.reading import media as stored
from producer.media.content import ContentWithFiles


def last_start(starts: datetime, *, days: int) -> datetime:
    """Return when the last calls of a plan may start that begins at *starts* and takes *days*."""
    if days <= 1:
        return starts
    return day.start(starts) + timedelta(days=days - 1)


def must_be_kept(engine: Engine, content: Content, *, now: datetime, last: datetime) -> bool:
    """Return whether files of *content* die before *last*, so that they are uploaded again then."""
    if not isinstance(content, ContentWithFiles):
        return False
    there = stored.of_ids(engine, list(content.uploaded)).media
    dies = [one.expires_at for one in there] + [
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
    named = stored.of_ids(engine, [media_id]).media
    if not named:
        return
    kinds = (MediaKind.THUMB, MediaKind.IMAGE)
    if not _good(named, account, kinds=kinds, now=now).permanent:
        raise MediaError("error.media.temporary_cover", media_id=media_id, name=named[0].name)


def _usable(
    engine: Engine, account: Account, content: Content, *, now: datetime
) -> Iterator[Media]:
    """Yield the media of a content that the ledger knows, each good for it now."""
    said = json.loads(content.canonical)
    used: list[tuple[str, tuple[MediaKind, ...]]] = [
        (media_id, (kind,)) for media_id, kind in media.used(said)
    ]
    if said["msgtype"] == "mpnews":
        used = [(said["mpnews"]["media_id"], ())]
    if isinstance(content, ContentWithFiles):
        files = {**content.files, **content.uploaded}
        used = [(media_id, kinds) for media_id, kinds in used if media_id not in files]
    known = stored.of_ids(engine, [media_id for media_id, _ in used]).media if used else ()
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
    mine = next((one for one in named if one.appid == account.appid), None)
    if mine is None:
        raise MediaError(
            "error.media.other_account", media_id=named[0].media_id, account=account.name,
            other=named[0].account,
        )  # fmt: skip
    if mine.kind not in kinds:
        raise _of_other_kind(mine, wanted=kinds[0] if kinds else None)
    if mine.expires_at is not None and mine.expires_at <= now:
        raise MediaError(
            "error.media.expired", media_id=mine.media_id, name=mine.name, at=mine.expires_at
        )
    return mine


def _of_other_kind(one: Media, *, wanted: MediaKind | None) -> MediaError:
    facts = {
        "media_id": one.media_id, "name": one.name, "kind": Message(f"media_kind.{one.kind}"),
    }  # fmt: skip
    if wanted is None:
        return MediaError("error.media.no_article", **facts)
    if (one.kind, wanted) == (MediaKind.VIDEO, MediaKind.MPVIDEO):
        return MediaError("error.media.plain_video", **facts)
    return MediaError("error.media.other_kind", **facts, wanted=Message(f"media_kind.{wanted}"))
