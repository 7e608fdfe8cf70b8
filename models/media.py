"""Files that were uploaded to WeChat, by what is in them: the same file is uploaded once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.media import MediaKind
from models.base import Base
from models.types import Ascii64, RowID, Text512, ascii_string, text_string

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
