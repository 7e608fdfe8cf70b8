"""Writing down what was uploaded to WeChat, and what WeChat has no more."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Engine, insert, or_, update

from broadcast.accounts import Account
from broadcast.media import Media, MediaKind, dies_at
from models.engine import now
from models.ledger.transaction import write
from models.media import LONGEST_NAME, MediaRow


def remember(
    engine: Engine,
    account: Account,
    *,
    kind: MediaKind,
    permanent: bool,
    fingerprint: str,
    name: str,
    size: int,
    media_id: str | None,
    url: str | None = None,
) -> Media:
    """Store an upload that WeChat took just now, and return it."""

    def work(connection: Connection) -> Media:
        moment = now(connection)
        made = Media(
            appid=account.appid, account=account.name, kind=kind, permanent=permanent,
            fingerprint=fingerprint, name=name[-LONGEST_NAME:], size=size, media_id=media_id,
            url=url, uploaded_at=moment, expires_at=dies_at(kind, moment, permanent=permanent),
        )  # fmt: skip
        connection.execute(insert(MediaRow), {name: getattr(made, name) for name in _COLUMNS})
        return made

    return write(engine, work)


def lost(engine: Engine, account: Account, ids: Collection[str]) -> None:
    """Write down that WeChat has none of these media_ids (40007): their files are uploaded anew."""

    def work(connection: Connection) -> None:
        moment = now(connection)
        connection.execute(
            update(MediaRow)
            .where(MediaRow.appid == account.appid, MediaRow.media_id.in_(ids))
            .where(or_(MediaRow.expires_at.is_(None), MediaRow.expires_at > moment))
            .values(expires_at=moment)
        )

    write(engine, work)


_COLUMNS = tuple(Media.__dataclass_fields__)
