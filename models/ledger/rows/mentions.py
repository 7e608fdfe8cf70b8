"""Mentions: the rows of any table that have a person's OpenID in a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    String,
    Table,
    and_,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.types import TypeDecorator

from broadcast import openid
from broadcast.frozen import frozen
from broadcast.rules.suppressions import ALL_ACCOUNTS
from models.base import EnumText, place_in
from models.broadcast_tables import BroadcastRow
from models.every_table import Base
from models.ledger.rows.transaction import read, write

#: What a program or an operator wrote, for everybody or to name a broadcast: it is no record of a
#: person, and the keys of batches are made of it. And the edges of packed lists, which change with
#: these.
_NOT_OF_A_PERSON: Final = frozenset({"content", "key", "first_openid", "last_openid"})


@frozen
class Mention:
    """One row."""

    table: Table
    row: Mapping[str, Any]

    @property
    def condition(self) -> ColumnElement[bool]:
        """What is true of this row alone."""
        return and_(*(key == self.row[key.name] for key in self.table.primary_key))


def mentions(engine: Engine, account: str, one: str) -> Iterator[Mention]:
    """Yield every row with an OpenID in clear, table by table; each is read whole once.

    Rows of other accounts are left out: an OpenID is of one, so theirs are another's concern.
    """
    for table in Base.metadata.sorted_tables:
        texts = [column for column in table.c if _may_hold(column)]
        if not texts:
            continue
        found = [_has(column, one) for column in texts]
        with read(engine) as connection:
            mine = select(table).where(_is_of(table, account), or_(*found))
            rows = connection.execute(mine).mappings().all()
        yield from (Mention(table=table, row=dict(row)) for row in rows)


def _is_of(table: Table, account: str) -> ColumnElement[bool]:
    """What is true of the rows of an account, and of those of none or all."""
    if "account" in table.c:
        own = table.c.account
        return or_(own.is_(None), own.in_([account, ALL_ACCOUNTS]))
    if "broadcast_id" in table.c:
        theirs = select(BroadcastRow.id).filter_by(account=account)
        return table.c.broadcast_id.in_(theirs)
    return true()


def _has(column: Column[Any], one: str) -> ColumnElement[bool]:
    return place_in(column, literal(one)) > 0


def _may_hold(column: Column[Any]) -> bool:
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    if not isinstance(kind, String) or isinstance(column.type, EnumText):
        return False
    return column.name not in _NOT_OF_A_PERSON and (kind.length or openid.LENGTH) >= openid.LENGTH


def blot(engine: Engine, mention: Mention, one: str) -> None:
    """Write the word for an erased person over an OpenID, wherever a row has it."""
    table, erased = mention.table, openid.ERASED.decode()
    columns = [column for column in table.c if _may_hold(column)]
    values = {column: func.replace(column, one, erased) for column in columns}
    change = table.update().where(mention.condition).values(values)
    write(engine, lambda connection: connection.execute(change))
