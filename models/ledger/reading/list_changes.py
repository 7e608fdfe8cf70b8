"""How often the lists of people changed by whom an account sends nothing."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from broadcast.suppression import ALL_ACCOUNTS
from models.follower import ListChanges, ListName


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of the suppression lists of an account and of all, and of who left."""

    own: int
    of_all: int
    left: int

    def __str__(self) -> str:
        """Write them in one word."""
        return f"{self.own}.{self.of_all}.{self.left}"

    @classmethod
    def parse(cls, text: str) -> Changes:
        """Read what was written. Raises ValueError for anything else."""
        own, of_all, left = text.split(".")
        return cls(int(own), int(of_all), int(left))


def changes(connection: Connection, account: str) -> Changes:
    """Return the changes that are committed."""
    query = select(ListChanges.account, ListChanges.list, ListChanges.changes)
    mine = query.where(ListChanges.account.in_([account, ALL_ACCOUNTS]))
    found = {(row.account, row.list): row.changes for row in connection.execute(mine)}
    return Changes(
        own=found.get((account, ListName.SUPPRESSED), 0),
        of_all=found.get((ALL_ACCOUNTS, ListName.SUPPRESSED), 0),
        left=found.get((account, ListName.LEFT), 0),
    )
