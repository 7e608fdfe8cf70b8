"""People who were erased: suppressed by a digest of their OpenID, which no row has any more.

The digest is made with the id of the installation, so that tables of digests made elsewhere are of
no use. Whoever has the database and an OpenID can still ask whether it was erased: so does a plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, Engine, select

from broadcast import openid
from broadcast.rules.suppressions import ALL_ACCOUNTS, SuppressionKind
from models.base import count_of
from models.installation import Installation
from models.ledger.rows.transaction import read, reading
from models.suppressions import Suppression

Digest = Callable[[bytes], bytes]

IS_ERASED = Suppression.kind == SuppressionKind.ERASED


def digest_of(connection: Connection) -> Digest:
    """Return what makes the digest of an OpenID, which has its length."""
    salt = hashlib.sha256(str(connection.scalar(select(Installation.id))).encode())

    def digest(one: bytes) -> bytes:
        salted = salt.copy()
        salted.update(one)
        return openid.unpack(salted.digest()[: openid.PACKED_LENGTH])

    return digest


_Person: TypeAlias = tuple[str, str]


def erased_in(connection: Connection, people: Collection[_Person]) -> Collection[_Person]:
    """Return those of some people, each an account and an OpenID, who were erased."""
    digest = digest_of(connection)
    asked = {(account, one): digest(one.encode()).decode() for account, one in people}
    query = select(Suppression.account, Suppression.openid).where(
        Suppression.account.in_([ALL_ACCOUNTS, *(account for account, _ in asked)]),
        Suppression.openid.in_(asked.values()),
        IS_ERASED,
    )
    found = set(map(tuple, connection.execute(query)))
    return {
        person for person, one in asked.items() if found & {(person[0], one), (ALL_ACCOUNTS, one)}
    }


erased_of = reading(erased_in)


def _is_erased_of(account: str) -> tuple[ColumnElement[bool], ...]:
    return Suppression.account.in_([account, ALL_ACCOUNTS]), IS_ERASED


def count_in(connection: Connection, account: str) -> int:
    """Return how many people of an account were erased."""
    return count_of(connection, Suppression, *_is_erased_of(account))


count = reading(count_in)


Among = Callable[[Iterable[bytes]], Collection[bytes]]


def erased_among(engine: Engine, account: str) -> Among | None:
    """Return what finds the erased people of an account among some OpenIDs; None: nobody was.

    All digests are in hand, 28 bytes each: a question for each OpenID would take hours.
    """
    with read(engine) as connection:
        found = connection.scalars(select(Suppression.openid).where(*_is_erased_of(account)))
        digests = {one.encode() for one in found}
        digest = digest_of(connection) if digests else None
    if digest is None:
        return None

    def among(openids: Iterable[bytes]) -> Collection[bytes]:
        return {one for one in openids if digest(one) in digests}

    return among
