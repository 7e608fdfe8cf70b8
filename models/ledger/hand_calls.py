"""Calls by hand: begun before they are made, ended with what WeChat said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection, Engine, insert

from broadcast.accounts import Account
from broadcast.by_hand import HandCall, HandResult
from broadcast.events import EventKind
from broadcast.reports import Did
from models.engine import now
from models.hand_call import HandCallRow
from models.ledger.known_accounts import meet
from models.ledger.quotas import day_of
from models.ledger.rows import change
from models.ledger.transaction import note, write


def begin(engine: Engine, account: Account, call: HandCall) -> int:
    """Write down a call that is made next; return its number.

    Raises SettingsError for an account whose appid is another's.
    """

    def work(connection: Connection) -> int:
        meet(connection, account)
        moment = now(connection)
        made = connection.execute(
            insert(HandCallRow).values(
                account=account.name, at=moment, day=day_of(moment), **asdict(call)
            )
        )
        return int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0

    return write(engine, work)


def end(engine: Engine, number: int, result: HandResult) -> None:
    """Write down what WeChat said of a call."""
    write(engine, lambda connection: _end(connection, number, result))


def end_recall(
    engine: Engine, number: int, result: HandResult, *, call: HandCall, broadcasts: Iterable[str]
) -> None:
    """Write down what WeChat said of a recall, and, where it was done, in the history.

    *broadcasts*: every one whose followers now find no page.
    """

    def work(connection: Connection) -> None:
        _end(connection, number, result)
        for broadcast_id in broadcasts if result.done else ():
            through = None if broadcast_id == call.broadcast_id else call.broadcast_id
            note(
                connection, EventKind.OPERATOR_ACTION, who=call.who, why=call.why,
                broadcast_id=broadcast_id, did=Did.RECALL, article=call.article,
                msg_id=call.msg_id, through=through,
            )  # fmt: skip

    write(engine, work)


def _end(connection: Connection, number: int, result: HandResult) -> None:
    change(
        connection,
        HandCallRow,
        number,
        outcome=result.outcome,
        errcode=result.errcode,
        errmsg=result.errmsg and result.errmsg[:_LONGEST_ERRMSG],
        ended_at=now(connection),
    )


_LONGEST_ERRMSG = 512
