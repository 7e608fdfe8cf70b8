"""Keys of the HTTP API: made and revoked; what was revoked stays as a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Engine, select

from broadcast.errors import UnknownIdError
from broadcast.rules.api_keys import APIKey, Scope, StoredKey
from models import base
from models.base import change_where, insert_row
from models.engine import now
from models.installation import APIKeyRow
from models.ledger.rows.transaction import reading, writing


@writing
def add(connection: Connection, key: APIKey, *, who: str) -> str:
    """Store what is kept of a key; return its id. Raises DatabaseAwayError."""
    key_id = _new_id(connection)
    insert_row(
        connection,
        APIKeyRow,
        id=key_id,
        name=key.name,
        scopes=joined(key.scopes),
        accounts=None if key.accounts is None else joined(key.accounts),
        digest=key.digest,
        created_at=now(connection),
        created_by=who,
    )
    return key_id


def _new_id(connection: Connection) -> str:
    while True:
        drawn = f"key-{base.drawn()}"
        if base.value_of(connection, drawn, APIKeyRow.id) is None:
            return drawn


@writing
def revoke(connection: Connection, key_id: str, *, who: str) -> bool:
    """Revoke a key; return False if it was revoked already. Raises UnknownIdError."""
    if base.value_of(connection, key_id, APIKeyRow.id) is None:
        raise UnknownIdError("error.api_keys.unknown", id=key_id)
    mine = (APIKeyRow.id == key_id, APIKeyRow.revoked_at.is_(None))
    revoked = {"revoked_at": now(connection), "revoked_by": who}
    return change_where(connection, APIKeyRow, *mine, **revoked) == 1


def joined(words: Iterable[str]) -> str:
    """Return words as one column has them."""
    return " ".join(sorted(words))


def good(engine: Engine) -> Sequence[APIKey]:
    """Return the keys that were not revoked. Raises DatabaseAwayError."""
    return [one.key for one in stored(engine) if one.revoked_at is None]


@reading
def stored(connection: Connection) -> Sequence[StoredKey]:
    """Return every key, the newest first. Raises DatabaseAwayError."""
    query = select(APIKeyRow.__table__).order_by(APIKeyRow.created_at.desc(), APIKeyRow.id)
    rows = connection.execute(query).mappings().all()
    return [
        StoredKey(
            id=row["id"],
            created_at=row["created_at"],
            created_by=row["created_by"],
            revoked_at=row["revoked_at"],
            revoked_by=row["revoked_by"],
            key=APIKey(
                name=row["name"],
                digest=row["digest"],
                # One that only a newer release knows gives no right here.
                scopes=frozenset(Scope(w) for w in row["scopes"].split() if w in set(Scope)),
                accounts=None if row["accounts"] is None else frozenset(row["accounts"].split()),
            ),
        )
        for row in rows
    ]
