"""Followers who come and go by WeChat's pushes, which may be doubled, late and out of order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, insert, select

from broadcast.frozen import frozen
from broadcast.openid import is_openid
from models.engine import now
from models.follower import FollowerChange, ListName
from models.ledger import list_changes
from models.ledger.rows import columns, every
from models.ledger.transaction import write_new


@frozen
class Move:
    """That somebody subscribed, or unsubscribed, at a moment of WeChat's clock."""

    openid: str
    at: datetime
    left: bool


@frozen
class _Known:
    """The last moments of one person; each only grows, so the order of pushes is nothing."""

    openid: str
    followed_at: datetime | None = None
    left_at: datetime | None = None
    left_change: int = 0


def moved(engine: Engine, account: str, moves: Sequence[Move]) -> None:
    """Record who came and went, in one transaction.

    Who subscribed again after they left follows; that never undoes a suppression. Raises
    ValueError where one of them is no OpenID.
    """
    said = dict[str, _Known]()
    for move in moves:
        if not is_openid(move.openid.encode()):
            raise ValueError(f"{move.openid[:40]!r} is no OpenID")
        said[move.openid] = _with(said.get(move.openid), move)

    def work(connection: Connection) -> None:
        change = 1 + list_changes.hold(connection, account, ListName.LEFT)
        mine = (FollowerChange.account == account, FollowerChange.openid.in_(said))
        query = select(*columns(_Known, FollowerChange)).where(*mine)
        there = {one.openid: one for one in every(connection, query, _Known)}
        newer = _newer(there, said)
        if not newer:
            return
        gone = [one for one in newer if _left_at(there.get(one.openid)) != one.left_at]
        if gone:
            list_changes.count(connection, account, ListName.LEFT, change=change)
        moment, new = now(connection), {one.openid for one in gone}
        # All at once: an update of each would cost a statement a person.
        connection.execute(
            delete(FollowerChange).where(
                FollowerChange.account == account,
                FollowerChange.openid.in_([one.openid for one in newer]),
            )
        )
        connection.execute(
            insert(FollowerChange),
            [
                {
                    "account": account, "openid": one.openid, "followed_at": one.followed_at,
                    "left_at": one.left_at, "changed_at": moment,
                    "left_change": change if one.openid in new else one.left_change,
                }
                for one in newer
            ],
        )  # fmt: skip

    if said:
        write_new(engine, work)


def _with(known: _Known | None, move: Move) -> _Known:
    said = _Known(
        openid=move.openid, followed_at=None if move.left else move.at,
        left_at=move.at if move.left else None,
    )  # fmt: skip
    return said if known is None else _later(known, said)


def _later(one: _Known, other: _Known) -> _Known:
    return _Known(
        openid=one.openid, followed_at=_max(one.followed_at, other.followed_at),
        left_at=_max(one.left_at, other.left_at), left_change=one.left_change,
    )  # fmt: skip


def _max(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _left_at(known: _Known | None) -> datetime | None:
    return None if known is None else known.left_at


def _newer(there: Mapping[str, _Known], said: Mapping[str, _Known]) -> list[_Known]:
    """Return what is known now of those of whom something new was said."""
    both = (_later(there.get(openid, one), one) for openid, one in sorted(said.items()))
    return [one for one in both if one != there.get(one.openid)]
