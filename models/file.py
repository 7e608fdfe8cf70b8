"""Files of broadcasts that are kept for another upload, and the contents that these lead to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.media import MediaFormat, MediaKind
from models.base import Base
from models.media import LONGEST_NAME, MEDIA_ID_LENGTH
from models.types import (
    Ascii64,
    Count,
    LongWords,
    OfBroadcast,
    PackedBytes,
    RowID,
    ascii_string,
    text_string,
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
    """What the batches of a broadcast with kept files say: 0 as submitted, then after each upload.

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
