"""Opt-outs of pushes: applied by the transaction that stores the push, or later by a worker."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from broadcast.errors import OutOfReachError
from broadcast.openid import ERASED
from broadcast.rules.pushes import Action, Push
from models.ledger.boxes import pushes
from models.ledger.boxes.pushes import Due
from models.ledger.lists import suppressions
from models.ledger.lists.suppressions import OptOutMessage
from models.ledger.rows import erased_people
from models.ledger.rows.transaction import write

log = logging.getLogger(__name__)

#: Pushes that come so soon come in the order in which they were said: WeChat repeats one later.
IN_ORDER: Final = timedelta(seconds=2)
_SECOND: Final = timedelta(seconds=1)
_LAST: Final = _SECOND - timedelta(microseconds=1)
#: WeChat's clock and the database's differ by less: a push from later counts by when it came, or
#: it would outweigh every later word.
MOST_AHEAD: Final = timedelta(days=1)


def store(engine: Engine, some: Sequence[Push]) -> None:
    """Store those of these pushes that are new, and apply their opt-outs in the same transaction.

    Where an opt-out cannot be applied all are stored, and workers try it again. Raises
    DatabaseAwayError.
    """
    try:
        write(engine, lambda connection: _store_and_apply(connection, some))
    except OutOfReachError:
        raise
    except IntegrityError:
        # Another server stored one of them meanwhile.
        pushes.store_all(engine, some)
    except Exception:
        log.exception("%d pushes: their opt-outs are applied later by a worker", len(some))
        pushes.store_all(engine, some)


def _store_and_apply(connection: Connection, some: Sequence[Push]) -> None:
    new = pushes.store_in(connection, some)
    stored = pushes.stored_in(connection, [push for push in new if is_opt_out(push)])
    erased = erased_in(connection, stored)
    if erased:
        pushes.mark_unread_in(connection, sorted(erased))
    # All servers lock the lists in one order.
    applied = sorted((push for push in stored if push.id not in erased), key=_account_of)
    for account, of_account in groupby(applied, _account_of):
        wishes = [message_of(push) for push in of_account]
        suppressions.apply_in(connection, account, wishes)
    if applied:
        pushes.mark_handled_in(connection, [push.id for push in applied])


def _account_of(push: Due) -> str:
    return push.account


def is_opt_out(push: Push | Due) -> bool:
    """Return whether a follower opts out by *push*, or in again."""
    return push.openid is not None and push.action is not None


def erased_in(connection: Connection, some: Sequence[Due]) -> Collection[int]:
    """Return the ids of those pushes that come from erased people: nothing of them is stored."""
    people = {(push.account, str(push.openid)) for push in some}
    erased = erased_people.erased_in(connection, people) if people else ()
    return {
        push.id
        for push in some
        # Somebody was erased while these waited; the word in their place is nobody.
        if (push.account, push.openid) in erased or push.openid == ERASED.decode()
    }


def apply(engine: Engine, account: str, some: Sequence[Due]) -> None:
    """Apply the opt-outs of some pushes of an account, in one transaction."""
    suppressions.apply_opt_outs(engine, account, [message_of(push) for push in some])


def message_of(push: Due) -> OptOutMessage:
    """Return the opt-out of *push*."""
    assert push.openid is not None
    return OptOutMessage(
        openid=push.openid,
        at=_said_at(push),
        received_at=push.received_at,
        out=push.action is Action.UNSUBSCRIBE,
    )


def _said_at(push: Due) -> datetime:
    """Return when a word was said: within the second of WeChat's clock by the order of receipt.

    What came much later, or by another clock, has no such order: there the word to be left alone
    counts as said last.
    """
    at = moment_of(push)
    behind = push.received_at - at
    if timedelta() <= behind < IN_ORDER:
        return at + behind / (IN_ORDER / _SECOND)
    return at + _LAST if push.action is Action.UNSUBSCRIBE else at


def moment_of(push: Due) -> datetime:
    """Return when it happened, in whole seconds as WeChat's clock has them."""
    if not is_ahead(push.happened_at, push):
        return push.happened_at
    log.warning(
        "push %d of account %s: its CreateTime %s is more than a day ahead: it counts by receipt",
        push.id,
        push.account,
        push.happened_at,
    )
    return push.received_at.replace(microsecond=0)


def is_ahead(moment: datetime, push: Due) -> bool:
    """Return whether a moment in a push lies further behind its receipt than clocks differ."""
    return moment - push.received_at > MOST_AHEAD
