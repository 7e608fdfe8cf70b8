"""Stops: a lane stands still until a human lifts it."""

from __future__ import annotations

from sqlalchemy import Connection, update

from broadcast.call.attempts import Reason
from broadcast.events import EventKind
from models.account import Lane
from models.engine import now
from models.ledger.transaction import WORKER, note


def stop(
    connection: Connection, account: str, *, reason: Reason, errcode: int | None, errmsg: str | None
) -> bool:
    """Stand the lane still until a human says so; return False if it stood still before.

    Why it stood still first is kept: that is what is to be mended.
    """
    stopped = connection.execute(
        update(Lane)
        .where(Lane.account == account, Lane.stopped_at.is_(None))
        .values(
            stopped_at=now(connection),
            stop_reason=reason,
            stop_errcode=errcode,
            stop_errmsg=errmsg,
        )
    )
    if stopped.rowcount == 1:
        note(
            connection,
            EventKind.LANE_STOP,
            who=WORKER,
            account=account,
            reason=reason,
            errcode=errcode,
        )
    return stopped.rowcount == 1
