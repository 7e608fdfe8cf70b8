"""Refusing, before anything is stored, media that WeChat would refuse when the time comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
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
    used = list(media.used(json.loads(content.canonical)))
    if isinstance(content, ContentWithFiles):
        files = {**content.files, **content.uploaded}
        used = [(media_id, kind) for media_id, kind in used if media_id not in files]
    if not used:
        return
    known = stored.of_ids(engine, [media_id for media_id, _ in used]).media
    for media_id, kind in used:
        named = [one for one in known if one.media_id == media_id]
        for life in _lives(named, account, kind=kind, now=now):
            _refuse_early_death(life, last=last)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Life:
    name: str
    dies: datetime | None


def _lives(
    named: list[Media], account: Account, *, kind: MediaKind, now: datetime
) -> Iterator[_Life]:
    """Yield until when one media_id lives. Raises MediaError for what is not good for this."""
    if not named:
        return
    mine = next((one for one in named if one.appid == account.appid), None)
    if mine is None:
        raise MediaError(
            "error.media.other_account", media_id=named[0].media_id, account=account.name,
            other=named[0].account,
        )  # fmt: skip
    if mine.kind is not kind:
        video = (mine.kind, kind) == (MediaKind.VIDEO, MediaKind.MPVIDEO)
        raise MediaError(
            "error.media.plain_video" if video else "error.media.other_kind",
            media_id=mine.media_id, kind=Message(f"media_kind.{mine.kind}"),
            wanted=Message(f"media_kind.{kind}"), name=mine.name,
        )  # fmt: skip
    if mine.expires_at is not None and mine.expires_at <= now:
        raise MediaError(
            "error.media.expired", media_id=mine.media_id, name=mine.name, at=mine.expires_at
        )
    yield _Life(name=mine.name, dies=mine.expires_at)


def _refuse_early_death(life: _Life, *, last: datetime) -> None:
    if life.dies is None or last + media.MARGIN < life.dies:
        return
    raise MediaError("error.media.dies_before", name=life.name, at=life.dies, last=last)
