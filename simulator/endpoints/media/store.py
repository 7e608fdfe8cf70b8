"""The files that accounts have uploaded (sections 7 and 13)."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from simulator.core.accounts import Account
from simulator.core.errors import RefusalError
from simulator.core.world import World

Kind = Literal["image", "voice", "video", "thumb", "mass video"]

TEMPORARY_LENGTH = 64
PERMANENT_LENGTH = 43
_ALPHABET = string.ascii_letters + string.digits + "-_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One file. A "mass video" is what `uploadvideo` makes of a video."""

    media_id: str
    appid: str
    kind: Kind
    permanent: bool
    created_at: float
    expires_at: float | None
    filename: str = ""
    content_type: str = ""
    content: bytes = field(default=b"", repr=False)
    url: str | None = None
    title: str = ""
    description: str = ""

    def lives(self, now: float) -> bool:
        """Say whether it can still be used."""
        return self.expires_at is None or now < self.expires_at


class MediaStore:
    """Every file of every account, in the order of the uploads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._media: dict[str, Media] = {}
        self.deleted: set[str] = set()
        """The ids of those that are gone for good."""

    def __iter__(self) -> Iterator[Media]:
        return iter(self._media.values())

    def new_id(self, length: int) -> str:
        """Return a media_id of the form of section 13."""
        return "".join(self._world.random.choices(_ALPHABET, k=length))

    def add(self, media: Media) -> Media:
        """Keep a file."""
        self._media[media.media_id] = media
        return media

    def known(self, media_id: str) -> Media | None:
        """Return the media of this id that was given out and not deleted, whosever it is."""
        return self._media.get(media_id)

    def get(self, account: Account, media_id: object) -> Media:
        """Return a file of the account that still lives.

        Raises:
            RefusalError: 41006 no id, 40007.
        """
        if not isinstance(media_id, str) or not media_id:
            raise RefusalError(41006)
        media = self._media.get(media_id)
        if media is None or media.appid != account.appid or media_id in account.dead_media:
            raise RefusalError(40007)
        if not media.lives(self._world.now()):
            raise RefusalError(40007)
        return media

    def permanent(self, account: Account, kind: str) -> list[Media]:
        """Return the account's material of one kind, newest first."""
        own = (one for one in self._media.values() if one.appid == account.appid)
        return [one for one in own if one.permanent and one.kind == kind][::-1]

    def delete(self, media: Media) -> None:
        """Delete a file; its id is never good again."""
        del self._media[media.media_id]
        self.deleted.add(media.media_id)
