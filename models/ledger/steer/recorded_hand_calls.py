"""Calls by hand: begun before they are made, ended with what WeChat said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict

from sqlalchemy import ColumnElement, Connection, Engine, exists, insert, or_, select
from sqlalchemy.orm import aliased

from broadcast import day
from broadcast.names import EventKind
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import MAYBE_SENT, Outcome
from broadcast.rules.hand_calls import ByHand, HandCall, HandResult, Recalled, Unanswered
from broadcast.rules.reports import Did, OperatorAction
from models.accounts import HandCallRow
from models.base import change, count_of
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.gates.quotas import day_of
from models.ledger.rows.known_accounts import register_account
from models.ledger.rows.transaction import every_row, note, reading, selected, writing


@writing
def begin(connection: Connection, account: Account, call: HandCall) -> int:
    """Write down a call that is made next; return its number.

    Raises SettingsError for an account whose appid is another's.
    """
    register_account(connection, account)
    moment = now(connection)
    made = connection.execute(
        insert(HandCallRow).values(
            account=account.name, at=moment, day=day_of(moment), **asdict(call)
        )
    )
    return int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0


@writing
def end(connection: Connection, number: int, result: HandResult) -> None:
    """Write down what WeChat said of a call."""
    _end(connection, number, result)


@writing
def end_recall(
    connection: Connection,
    number: int,
    result: HandResult,
    *,
    call: HandCall,
    broadcasts: Iterable[str],
) -> None:
    """Write down what WeChat said of a recall, and, where it was done, in the history.

    *broadcasts*: every one whose followers now find no page.
    """
    _end(connection, number, result)
    for broadcast_id in broadcasts if result.done else ():
        through = None if broadcast_id == call.broadcast_id else call.broadcast_id
        note(
            connection,
            EventKind.OPERATOR_ACTION,
            who=call.who,
            why=call.why,
            broadcast_id=broadcast_id,
            did=Did.RECALL,
            article=call.article,
            msg_id=call.msg_id,
            through=through,
        )


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


def today(engine: Engine, account: str, kind: ByHand) -> int:
    """Return how many calls of a kind left this system today, by WeChat's day."""
    return _count(engine, account, kind, written="%Y-%m-%d")


def this_month(engine: Engine, account: str, kind: ByHand) -> int:
    """Return how many calls of a kind left this system, and were not refused, this month."""
    return _count(engine, account, kind, written="%Y-%m-", refused=False)


@reading
def _count(
    connection: Connection, account: str, kind: ByHand, *, written: str, refused: bool = True
) -> int:
    done = (Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.UNLISTED)
    outcome = HandCallRow.outcome
    counted = outcome != Outcome.NOT_CALLED if refused else outcome.in_(done)
    days = now(connection).astimezone(day.SHANGHAI).strftime(written)
    return count_of(
        connection,
        HandCallRow,
        HandCallRow.account == account,
        HandCallRow.kind == kind,
        HandCallRow.day.startswith(days),
        or_(outcome.is_(None), counted),
    )


#: Its reply was lost, or its command was ended, or is still at it.
_MAYBE: ColumnElement[bool] = or_(
    HandCallRow.outcome.is_(None), HandCallRow.outcome.in_(MAYBE_SENT)
)


@reading
def unanswered(connection: Connection, account: str, kind: ByHand) -> Sequence[Unanswered]:
    """Return the calls of today that WeChat may have carried out, the last one last."""
    today = day_of(now(connection))
    query = (
        selected(Unanswered, HandCallRow)
        .filter_by(account=account, kind=kind, day=today)
        .where(_MAYBE)
        .order_by(HandCallRow.id)
    )
    return every_row(connection, query, Unanswered)


@reading
def recalls(
    connection: Connection, account: str, *, msg_ids: Collection[int], msg_data_id: int | None
) -> Sequence[Recalled]:
    """Return the recalls that WeChat carried out of a page, by any of its sends, oldest first."""
    pages = [] if msg_data_id is None else [msg_data_id]
    same = or_(HandCallRow.msg_id.in_(msg_ids), HandCallRow.msg_data_id.in_(pages))
    query = (
        selected(Recalled, HandCallRow)
        .filter_by(account=account, kind=ByHand.RECALL, outcome=Outcome.ACCEPTED)
        .where(same)
        .order_by(HandCallRow.id)
    )
    return every_row(connection, query, Recalled)


def possibly_recalled(connection: Connection, broadcast_id: str) -> Sequence[OperatorAction]:
    """Return the recalls of a broadcast whose reply is not known, and that none settled since."""
    later = aliased(HandCallRow)
    of_it = (HandCallRow.broadcast_id == broadcast_id, HandCallRow.kind == ByHand.RECALL)
    settled = exists().where(
        later.account == HandCallRow.account,
        later.msg_id == HandCallRow.msg_id,
        later.kind == ByHand.RECALL,
        later.id > HandCallRow.id,
        later.outcome == Outcome.ACCEPTED,
        or_(later.article.is_(None), later.article == HandCallRow.article),
    )
    query = (
        select(
            HandCallRow.at,
            HandCallRow.who,
            HandCallRow.why,
            HandCallRow.msg_id,
            HandCallRow.article,
        )
        .join(BroadcastRow, BroadcastRow.account == HandCallRow.account)
        .where(BroadcastRow.id == broadcast_id, *of_it)
        .where(_MAYBE, ~settled)
        .order_by(HandCallRow.id)
    )
    return [
        OperatorAction(did=Did.RECALL, maybe=True, **row)
        for row in connection.execute(query).mappings()
    ]
