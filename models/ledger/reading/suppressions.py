"""Who is suppressed, as sorted lists in pieces: memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import groupby, islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    bindparam,
    exists,
    func,
    or_,
    select,
)

from broadcast import openid
from broadcast.enums import recognised
from broadcast.suppression import ALL_ACCOUNTS, Suppressed, SuppressionKind
from models.follower import Suppression
from models.ledger.reading.list_changes import Changes
from models.ledger.transaction import read

#: Rows that one transaction reads, and OpenIDs of one piece.
AT_ONCE = 5_000
_KEY = (Suppression.account, Suppression.openid, Suppression.kind)
_COLUMNS = (*_KEY, Suppression.since, Suppression.who, Suppression.why)


def since(engine: Engine, account: str, known: Changes, *, most: int) -> list[str] | None:
    """Return who was put on the lists after *known*; None: they are more than *most*."""
    later = or_(
        (Suppression.account == account) & (Suppression.change > known.own),
        (Suppression.account == ALL_ACCOUNTS) & (Suppression.change > known.of_all),
    )
    query = select(Suppression.openid).distinct().where(later, Suppression.lifted_at.is_(None))
    with read(engine) as connection:
        found = list(connection.scalars(query.limit(most + 1)))
    return sorted(found) if len(found) <= most else None


def pieces(
    engine: Engine, account: str, *, between: tuple[str, str] | None = None
) -> Iterator[bytes]:
    """Yield the packed OpenIDs of all to whom the account sends nothing, sorted, each once.

    *between*: only from the first of two OpenIDs to the second, both included.
    """
    both = merge(*(_openids(engine, one, between) for one in (account, ALL_ACCOUNTS)))
    each = (one for one, _ in groupby(both))
    while some := "".join(islice(each, AT_ONCE)):
        yield openid.pack(some.encode())


def any_of(engine: Engine, account: str) -> bool:
    """Return whether there is anybody to whom the account sends nothing."""
    with read(engine) as connection:
        return bool(connection.scalar(_ANY, {"accounts": [account, ALL_ACCOUNTS]}))


# Built once, as each submit runs it.
_ANY = select(
    exists().where(
        Suppression.lifted_at.is_(None),
        Suppression.account.in_(bindparam("accounts", expanding=True)),
    )
)


def count(engine: Engine, account: str) -> int:
    """Return to how many people the account sends nothing."""
    with read(engine) as connection:
        return count_in(connection, account)


def count_in(connection: Connection, account: str) -> int:
    """Do the work of :func:`count` in a transaction of the caller's."""
    people = func.count(Suppression.openid.distinct())
    return int(connection.scalar(select(people).where(_stands(account))) or 0)


def of_openid(engine: Engine, account: str, one: str) -> list[Suppressed]:
    """Return why somebody gets nothing from the account: nothing where they do."""
    query = select(*_COLUMNS).where(_stands(account), Suppression.openid == one)
    with read(engine) as connection:
        rows = connection.execute(query.order_by(Suppression.since)).mappings()
        return [_suppressed(row) for row in rows]


def every(engine: Engine, account: str | None) -> Iterator[Suppressed]:
    """Yield what stands for an account, with what stands for all; without an account everything."""
    if account is None:
        with read(engine) as connection:
            each = connection.scalars(select(Suppression.account).distinct()).all()
    else:
        each = [account, ALL_ACCOUNTS]
    for one in sorted(set(each)):
        yield from _of_account(engine, one)


def _of_account(engine: Engine, account: str) -> Iterator[Suppressed]:
    openid_, kind = "", ""
    while True:
        with read(engine) as connection:
            rows = connection.execute(_behind(account, openid_, kind)).mappings().all()
        yield from map(_suppressed, rows)
        if len(rows) < AT_ONCE:
            return
        openid_, kind = rows[-1]["openid"], rows[-1]["kind"]


def _behind(account: str, openid_: str, kind: str) -> Select[*tuple[Any, ...]]:
    """Return what stands for one account behind a row.

    Every server finds the place of one bound of one column in its index; of a comparison of rows
    MariaDB does not, and of one in parts PostgreSQL does not.
    """
    return (
        select(*_COLUMNS)
        .where(Suppression.account == account, Suppression.lifted_at.is_(None))
        .where(Suppression.openid >= openid_)
        .where(or_(Suppression.openid > openid_, Suppression.kind > kind))
        .order_by(Suppression.openid, Suppression.kind)
        .limit(AT_ONCE)
    )


def _stands(account: str) -> ColumnElement[bool]:
    stands = Suppression.lifted_at.is_(None)
    return stands & Suppression.account.in_([account, ALL_ACCOUNTS])


def _openids(engine: Engine, account: str, between: tuple[str, str] | None) -> Iterator[str]:
    """Yield whom one account has on the list, sorted; who is there twice may come twice."""
    after = ""
    query = (
        select(Suppression.openid)
        .where(Suppression.account == account, Suppression.lifted_at.is_(None))
        .order_by(Suppression.openid)
        .limit(AT_ONCE)
    )
    if between is not None:
        query = query.where(Suppression.openid.between(*between))
    while True:
        with read(engine) as connection:
            found = connection.scalars(query.where(Suppression.openid > after)).all()
        yield from found
        if len(found) < AT_ONCE:
            return
        after = found[-1]


def _suppressed(row: Mapping[Any, Any]) -> Suppressed:
    return Suppressed(**{**row, "kind": recognised(SuppressionKind, row["kind"])})
