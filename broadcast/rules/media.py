"""Media: what WeChat takes as a file of which kind, how long its id lives, and what a content uses.

The limits are WeChat's (``docs/wechat-api.md`` section 7).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from broadcast.data_files import rows
from broadcast.digests import sha256
from broadcast.frozen import frozen
from broadcast.rules.content import without_defaults

#: Use of a media_id.
MediaKind = StrEnum(
    "MediaKind",
    [
        "IMAGE",
        "VOICE",
        "VIDEO",  #: as it was uploaded; mass sends do not take it
        "MPVIDEO",  #: what media/uploadvideo makes of a video, with a title and description
        "THUMB",  #: the cover of an article
        "ARTICLE_IMAGE",  #: a picture in an article: an address and no id
    ],
)


#: Format of a file, by its content.
MediaFormat = StrEnum(
    "MediaFormat",
    {
        "JPEG": "jpg",
        "PNG": "png",
        "GIF": "gif",
        "BMP": "bmp",
        "MP3": "mp3",
        "AMR": "amr",
        "WAV": "wav",
        "WMA": "wma",
        "MP4": "mp4",
    },
)


KIB: Final = 1024
MIB: Final = 1024 * KIB


@frozen
class Limit:
    """WeChat's limit for a file of one kind."""

    most_bytes: int
    #: Of a temporary one; ``permanent`` are those of a permanent one.
    formats: tuple[MediaFormat, ...]
    permanent: tuple[MediaFormat, ...]
    most_seconds: int | None = None


def _formats(text: str) -> tuple[MediaFormat, ...]:
    return tuple(map(MediaFormat, text.split()))


LIMITS: Final = {
    MediaKind(row["kind"]): Limit(
        most_bytes=int(row["most_kib"]) * KIB,
        most_seconds=int(row["most_seconds"] or 0) or None,
        formats=_formats(row["formats"]),
        permanent=_formats(row["permanent"]),
    )
    for row in rows(__file__, "media_limits.csv")
}
_FORMATS: Final = rows(__file__, "media_formats.csv")
#: The kind of a file for which none was named.
USUAL_KIND: Final = {MediaFormat(row["format"]): MediaKind(row["usual_kind"]) for row in _FORMATS}
CONTENT_TYPES: Final = {row["format"]: row["content_type"] for row in _FORMATS}

#: WeChat has no such media_id, be it expired, deleted, or another account's (page "Return codes").
NO_SUCH_MEDIA: Final = 40007
#: How long a temporary media_id lives. What uploadvideo makes is taken to live no longer.
LIFE: Final = timedelta(days=3)
#: What dies within this of its use is too old: an upload took its time, a call may wait its turn.
MARGIN: Final = timedelta(hours=1)

#: Says of a word that it is a media_id, whatever its form and whatever files there are.
ID_MARK: Final = "id:"
#: What stands in a content for a file that is not uploaded yet; its fingerprint follows.
STAND_IN: Final = "file:"
#: Those that were seen have 43 (permanent) and 64 (temporary) of these; a shorter word is likelier
#: a mistyped name of a file.
_LIKE_AN_ID: Final = re.compile(r"[A-Za-z0-9_-]{20,256}")
_LONGEST_STEM: Final = 60


@frozen
class LocalFile:
    """A file that WeChat takes as *kind*, as far as that can be known here."""

    path: Path
    kind: MediaKind
    permanent: bool
    format: MediaFormat
    data: bytes = field(repr=False)
    #: Of a picture, in pixels.
    width: int | None = None
    height: int | None = None
    #: Of a voice message or a video.
    seconds: float | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what is in it, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def name(self) -> str:
        """Its name for WeChat, which goes by the extension: that of what is in it."""
        stem = "".join(c for c in self.path.stem if c.isprintable())[:_LONGEST_STEM]
        return f"{stem.strip() or self.kind.value}.{self.format.value}"

    @property
    def shown(self) -> str:
        """Its name and what it is, for a person."""
        facts = [self.format.value.upper()]
        if self.width:
            facts.append(f"{self.width} × {self.height}")
        if self.seconds:
            facts.append(f"{self.seconds:.0f} s")
        return f"{self.path.name} ({', '.join([*facts, in_bytes(len(self.data))])})"


def in_bytes(size: int) -> str:
    """Return a size as people read it."""
    if size < KIB:
        return f"{size} B"
    return f"{size / KIB:.0f} kB" if size < MIB else f"{size / MIB:.1f} MB"


@frozen
class Media:
    """One file at WeChat, as the ledger has it."""

    appid: str
    account: str
    kind: MediaKind
    permanent: bool
    #: SHA-256 of the file, in hex; of an mpvideo that of the video with its words.
    fingerprint: str
    name: str
    size: int
    #: None for a picture of an article.
    media_id: str | None
    url: str | None
    uploaded_at: datetime
    #: None for never.
    expires_at: datetime | None

    def lives(self, until: datetime) -> bool:
        """Return whether it can be used at *until*, with a margin."""
        return self.expires_at is None or until + MARGIN < self.expires_at


@frozen
class KeptFile:
    """A file of a broadcast whose time lies after the death of its media_id: uploaded again."""

    #: What stands for it in the broadcast's content.
    media_id: str
    kind: MediaKind
    #: The video of an mpvideo is permanent material: that lives on, the mpvideo does not.
    permanent: bool
    format: MediaFormat
    name: str
    data: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def is_like_an_id(text: str) -> bool:
    """Return whether *text* has the form of a media_id."""
    return _LIKE_AN_ID.fullmatch(text) is not None


def dies_at(kind: MediaKind, uploaded_at: datetime, *, permanent: bool) -> datetime | None:
    """Return when the id of a file dies; None for never."""
    return uploaded_at + LIFE if is_mortal(kind, permanent=permanent) else None


def is_mortal(kind: MediaKind, *, permanent: bool) -> bool:
    """Return whether the id of a file dies."""
    if kind is MediaKind.ARTICLE_IMAGE:
        return False
    return kind is MediaKind.MPVIDEO or not permanent


def used(content: Mapping[str, Any]) -> Iterator[tuple[str, MediaKind]]:
    """Yield each media_id of a content, and of which kind it must be.

    An article's is that of a draft, and no file's.
    """
    match content.get("msgtype"):
        case "image":
            for media_id in content["images"]["media_ids"]:
                yield media_id, MediaKind.IMAGE
        case "voice":
            yield content["voice"]["media_id"], MediaKind.VOICE
        case "mpvideo":
            yield content["mpvideo"]["media_id"], MediaKind.MPVIDEO


@frozen
class VideoWords:
    """The words that go with a video."""

    title: str = ""
    description: str = ""


#: Of what is no video.
NO_WORDS: Final = VideoWords()


def worded(fingerprint: str, words: VideoWords) -> str:
    """Return the fingerprint of a file that is uploaded with these words."""
    return sha256(json.dumps([fingerprint, words.title, words.description]))


def words_of(content: Mapping[str, Any]) -> VideoWords:
    """Return title and description of a video; other contents have none."""
    part = content.get("mpvideo", {})
    return VideoWords(title=part.get("title", ""), description=part.get("description", ""))


def identity(content: Mapping[str, Any], fingerprints: Mapping[str, str]) -> str:
    """Return a digest of what a content is, whatever media_ids its files have at the moment.

    *fingerprints*: of uploads, by media_id. What has none, and is no stand-in, is its media_id.
    """
    words = words_of(content)

    def named(media_id: str, kind: MediaKind) -> str:
        if media_id in fingerprints:
            return STAND_IN + fingerprints[media_id]
        if kind is MediaKind.MPVIDEO and media_id.startswith(STAND_IN):
            return STAND_IN + worded(media_id.removeprefix(STAND_IN), words)
        return media_id

    ids = {media_id: named(media_id, kind) for media_id, kind in used(content)}
    said = replaced(without_defaults(content), ids)
    return sha256(json.dumps(said, sort_keys=True))


def replaced(content: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return *content* with other media_ids in the place of those that *ids* has."""

    def new(value: object, name: str) -> object:
        if isinstance(value, Mapping):
            return {key: new(item, key) for key, item in value.items()}
        if name == "media_ids" and isinstance(value, list):
            return [new(item, "media_id") for item in value]
        return ids.get(str(value), value) if name == "media_id" else value

    return {key: new(item, key) for key, item in content.items()}
