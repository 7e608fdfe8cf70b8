"""Keys of the HTTP API: those that are good, and all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, select

from broadcast.api_keys import APIKey, Scope, StoredKey
from models.api_key import APIKeyRow
from models.ledger.transaction import read


def joined(words: Iterable[str]) -> str:
    """Return words as one column has them."""
    return " ".join(sorted(words))


def good(engine: Engine) -> Sequence[APIKey]:
    """Return the keys that were not revoked. Raises DatabaseAwayError."""
    return [one.key for one in stored(engine) if one.revoked_at is None]


def stored(engine: Engine) -> Sequence[StoredKey]:
    """Return every key, the newest first. Raises DatabaseAwayError."""
    query = select(APIKeyRow.__table__).order_by(APIKeyRow.created_at.desc(), APIKeyRow.id)
    with read(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return [
        StoredKey(
            id=row["id"], created_at=row["created_at"], created_by=row["created_by"],
            revoked_at=row["revoked_at"], revoked_by=row["revoked_by"],
            key=APIKey(
                name=row["name"], digest=row["digest"],
                # One that only a newer release knows gives no right here.
                scopes=frozenset(Scope(w) for w in row["scopes"].split() if w in set(Scope)),
                accounts=None if row["accounts"] is None else frozenset(row["accounts"].split()),
            ),
        )
        for row in rows
    ]  # fmt: skip
