"""Files that were uploaded to WeChat, by what is in them: the same file is uploaded once."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.rules.media import MediaFormat, MediaKind
from models.base import (
    Ascii64,
    Base,
    Count,
    LongWords,
    OfBroadcast,
    PackedBytes,
    RowID,
    Text512,
    ascii_string,
    text_string,
)

MEDIA_ID_LENGTH = 256
#: Of a longer name of a file its end is kept.
LONGEST_NAME = 255


class MediaRow(Base):
    """One upload. A newer row of the same file takes the place of an older one."""

    __tablename__ = "bc_media"

    id: Mapped[RowID]
    #: Whose it is: an account may be renamed, its media stay those of its AppID.
    appid: Mapped[Ascii64]
    account: Mapped[Ascii64]
    kind: Mapped[MediaKind]
    permanent: Mapped[bool]
    #: SHA-256 of the file, in hex; of a mass video that of the file with title and description.
    fingerprint: Mapped[Ascii64]
    name: Mapped[str] = mapped_column(text_string(LONGEST_NAME))
    size: Mapped[int]
    #: NULL for a picture of an article, which has an address alone.
    media_id: Mapped[str | None] = mapped_column(ascii_string(MEDIA_ID_LENGTH))
    url: Mapped[Text512 | None]
    uploaded_at: Mapped[datetime]
    #: NULL: never.
    expires_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_bc_media_fingerprint", "appid", "fingerprint", "kind"),
        Index("ix_bc_media_media_id", "media_id"),
    )


class KeptFileRow(Base):
    """A file whose media_id dies before its broadcast is sent. It goes when the broadcast ends."""

    __tablename__ = "bc_files"

    broadcast_id: Mapped[OfBroadcast] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: In the place of which media_id of the broadcast's content another is put.
    media_id: Mapped[str] = mapped_column(ascii_string(MEDIA_ID_LENGTH))
    kind: Mapped[MediaKind]
    permanent: Mapped[bool]
    format: Mapped[MediaFormat]
    name: Mapped[str] = mapped_column(text_string(LONGEST_NAME))
    #: Bytes, and their SHA-256 in hex: what its pieces must be together.
    size: Mapped[int]
    fingerprint: Mapped[Ascii64]
    #: Its pieces go, and it is uploaded no more, whatever becomes of its broadcast.
    dropped: Mapped[bool]


class FilePieceRow(Base):
    """Some bytes of a kept file, far below what a server takes in one statement."""

    __tablename__ = "bc_file_pieces"

    id: Mapped[RowID]
    broadcast_id: Mapped[OfBroadcast]
    #: Of which file.
    n: Mapped[int]
    place: Mapped[int]
    data: Mapped[PackedBytes]

    __table_args__ = (UniqueConstraint("broadcast_id", "n", "place"),)


class RenewalRow(Base):
    """Contents of a broadcast with kept files: 0 as submitted, then after each upload.

    A batch keeps that of its first call, so that a repeat has the very same body.
    """

    __tablename__ = "bc_renewals"

    broadcast_id: Mapped[OfBroadcast] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: Canonical JSON, as of the broadcast.
    content: Mapped[LongWords]
    #: When the first of its media_ids dies.
    dies_at: Mapped[datetime]
    #: Uploads in a row that were not answered when the next one was due.
    tries: Mapped[Count]
