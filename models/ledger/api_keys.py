"""Keys of the HTTP API: made and revoked; what was revoked stays as a row."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, insert, select, update

from broadcast.api_keys import APIKey
from broadcast.errors import UnknownIdError
from models import drawn_ids
from models.api_key import APIKeyRow
from models.engine import now
from models.ledger.reading.api_keys import joined
from models.ledger.transaction import write


def add(engine: Engine, key: APIKey, *, who: str) -> str:
    """Store what is kept of a key; return its id. Raises DatabaseAwayError."""

    def work(connection: Connection) -> str:
        key_id = _new_id(connection)
        connection.execute(
            insert(APIKeyRow).values(
                id=key_id, name=key.name, scopes=joined(key.scopes),
                accounts=None if key.accounts is None else joined(key.accounts),
                digest=key.digest, created_at=now(connection), created_by=who,
            )
        )  # fmt: skip
        return key_id

    return write(engine, work)


def _new_id(connection: Connection) -> str:
    while True:
        drawn = f"key-{drawn_ids.drawn()}"
        if connection.scalar(select(APIKeyRow.id).where(APIKeyRow.id == drawn)) is None:
            return drawn


def revoke(engine: Engine, key_id: str, *, who: str) -> bool:
    """Let a key be good no more; return False if it was revoked already. Raises UnknownIdError."""

    def work(connection: Connection) -> bool:
        if connection.scalar(select(APIKeyRow.id).where(APIKeyRow.id == key_id)) is None:
            raise UnknownIdError("error.api_keys.unknown", id=key_id)
        done = connection.execute(
            update(APIKeyRow)
            .where(APIKeyRow.id == key_id, APIKeyRow.revoked_at.is_(None))
            .values(revoked_at=now(connection), revoked_by=who)
        )
        return done.rowcount == 1

    return write(engine, work)
