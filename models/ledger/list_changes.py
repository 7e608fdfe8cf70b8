"""Each change of a list of people has a number, by which those that came later are found.

Its row is the lock of the list, too: rows of people that are removed and written anew would be
missed by another transaction that waits for them.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from models.follower import ListChanges, ListName


def hold(connection: Connection, account: str, which: ListName) -> int:
    """Keep all others from changing a list until the commit; return the number of its last change.

    Raises IntegrityError where somebody else is the first one to hold it at once.
    """
    query = select(ListChanges.changes).where(
        ListChanges.account == account, ListChanges.list == which
    )
    number: int | None = connection.scalar(query.with_for_update())
    if number is None:
        connection.execute(insert(ListChanges).values(account=account, list=which, changes=0))
    return number or 0


def count(connection: Connection, account: str, which: ListName, *, change: int) -> None:
    """Record the number of the last change of a list that is held."""
    mine = (ListChanges.account == account, ListChanges.list == which)
    connection.execute(update(ListChanges).where(*mine).values(changes=change))
