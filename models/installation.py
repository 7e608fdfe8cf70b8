"""Tables of no account: the installation itself, and the keys of its HTTP API."""

from datetime import datetime
from typing import Final

from sqlalchemy import UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Ascii16,
    Ascii32,
    Ascii64,
    Ascii128,
    Base,
    BigCount,
    LongWords,
    RowID,
    Text128,
)


class APIKeyRow(Base):
    """One key, good until it is revoked."""

    __tablename__ = "bc_api_keys"

    id: Mapped[Ascii16] = mapped_column(primary_key=True)
    name: Mapped[Ascii64]
    #: With spaces between them.
    scopes: Mapped[Ascii128]
    #: With spaces between them; NULL: every account.
    accounts: Mapped[LongWords | None]
    #: SHA-256 of the key.
    digest: Mapped[Ascii64]
    created_at: Mapped[datetime]
    created_by: Mapped[Text128]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[Text128 | None]

    __table_args__ = (UniqueConstraint("digest"),)


class Installation(Base):
    """One row, made by the first revision."""

    __tablename__ = "bc_installation"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: Random; a copy of the database has the same.
    id: Mapped[Ascii32]
    created_at: Mapped[datetime]
    #: The oldest schema number (``models.schema.NUMBER``) whose programs may work on this one.
    oldest_compatible: Mapped[int]
    #: Where it was when it first had something to send (``models.place``); a copy is elsewhere.
    place: Mapped[LongWords | None]
    #: When a worker was last at work on it, to the minute.
    seen_at: Mapped[datetime | None]
    #: Grows with each such note; Redis has the same number, and a restored database a smaller one.
    notes: Mapped[BigCount]
    #: When a worker last found Redis without that number.
    emptied_at: Mapped[datetime | None]


class RestoreRow(Base):
    """A person's answer after the database was restored, copied or moved."""

    __tablename__ = "bc_restores"

    id: Mapped[RowID]
    at: Mapped[datetime]
    who: Mapped[Text128]
    why: Mapped[LongWords | None]
    #: Up to when it knows what was sent; NULL: it was moved, and knows all.
    since: Mapped[datetime | None]
    #: Claims of the accounts that it had no lane of, as Redis counted them: a JSON object.
    forgotten: Mapped[LongWords]


#: Of the newest answer: their lanes begin with these claims.
FORGOTTEN: Final = (
    select(RestoreRow.forgotten).order_by(RestoreRow.id.desc()).limit(1).scalar_subquery()
)
