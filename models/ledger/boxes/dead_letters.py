"""Dead letters: each body kept once, closed by a person or by a try that went well."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    func,
    not_,
    or_,
    select,
)

from broadcast import stored_message
from broadcast.errors import DatabaseAwayError, InputError, UnknownIdError
from broadcast.message import Message
from broadcast.rules import dead_letters
from broadcast.rules.dead_letters import KeptLetter, Letter, LetterState
from models import base
from models.accounts import AccountRow
from models.base import among, change, change_where, count_of, insert_row
from models.box_tables import DeadLetterRow
from models.broadcast_tables import Submission
from models.engine import now
from models.ledger.rows import locked_rows, transaction
from models.ledger.rows.transaction import every_row, reading, selected, write, write_new, writing

log = logging.getLogger(__name__)

#: A try that died does not keep its letter for longer; one that lives is done sooner.
TRIED_FOR: Final = timedelta(minutes=10)
_WAITS: Final = DeadLetterRow.state == LetterState.DEAD
#: Rows of one transaction.
_DROPPED_AT_ONCE: Final = 500
_LONGEST_KEY: Final = 128
_LONGEST_ACCOUNT: Final = 64


def store_letter(engine: Engine, letter: Letter) -> str:
    """Store a letter, or count its repeat; return its id. Raises DatabaseAwayError.

    One that was closed and comes again is dead again: somebody sent it once more. One that became a
    broadcast is that broadcast still: a worker may have looked for its key before that.
    """
    # Another worker may take the same one meanwhile.
    return write_new(engine, lambda connection: store_letter_in(connection, letter))


def store_letter_in(connection: Connection, letter: Letter) -> str:
    """Do the work of :func:`store_letter` inside a transaction, begun by ``write_new``.

    Where too many are open, a further one is counted in the letter of its reason.
    """
    moment = now(connection)
    there = _id_of(connection, letter)
    if there is None and is_full_in(connection):
        log.error("dead letters are full: one is counted, and not kept: %s", letter.reason)
        letter = letter.one_of_many
        there = _id_of(connection, letter)
    if there is not None:
        _count_repeat(connection, there, letter.reason)
        return there
    letter_id, body = f"dead-{base.dated(moment)}", letter.kept_body
    insert_row(
        connection,
        DeadLetterRow,
        id=letter_id,
        source=letter.source,
        digest=letter.digest,
        state=LetterState.DEAD,
        key=_fitting(letter.key, _LONGEST_KEY),
        account=_fitting(letter.account, _LONGEST_ACCOUNT),
        body=body,
        characters=len(body),
        is_cut=letter.is_cut,
        reason=letter.reason,
        times=1,
        first_at=moment,
        last_at=moment,
    )
    return letter_id


def _id_of(connection: Connection, letter: Letter) -> str | None:
    """Return the id of the letter that says the same, and lock its row."""
    return connection.scalar(
        select(DeadLetterRow.id)
        .filter_by(source=letter.source, digest=letter.digest)
        .with_for_update()
    )


def _count_repeat(connection: Connection, letter_id: str, reason: Message) -> None:
    values: dict[str, object] = {"times": DeadLetterRow.times + 1, "last_at": now(connection)}
    if not is_sent(connection, letter_id):
        values |= {
            "state": LetterState.DEAD,
            "reason": reason,
            "broadcast_id": None,
            "closed_at": None,
            "closed_by": None,
        }
    change(connection, DeadLetterRow, letter_id, **values)


def _fitting(text: str | None, most: int) -> str | None:
    return text if text is not None and len(text) <= most and text.isprintable() else None


@writing
def reserve_letter(connection: Connection, letter_id: str) -> bool:
    """Reserve a letter for a try; nobody can drop it before :func:`release_letter`.

    Returns False where it is being tried already, or was closed.
    """
    moment = now(connection)
    return _change(connection, letter_id, _nobody_tries(moment), tried_at=moment)


def release_letter(engine: Engine, letter_id: str) -> None:
    """Release a letter after a try; with the database away, :data:`TRIED_FOR` does."""
    with contextlib.suppress(DatabaseAwayError):
        write(engine, lambda one: change(one, DeadLetterRow, letter_id, tried_at=None))


@writing
def mark_sent(connection: Connection, letter_id: str, broadcast_id: str, *, who: str) -> None:
    """Mark a letter as sent, even if it was dropped while a try took too long."""
    closed = {"broadcast_id": broadcast_id, "closed_at": now(connection), "closed_by": who}
    change(connection, DeadLetterRow, letter_id, state=LetterState.SENT, **closed)


@writing
def mark_found_sent(connection: Connection, letter_id: str, broadcast_id: str) -> None:
    """Note that the message of a letter that waits is a broadcast: nobody sent the letter."""
    found = {"broadcast_id": broadcast_id, "closed_at": now(connection)}
    _change(connection, letter_id, _WAITS, state=LetterState.SENT, **found)


@writing
def doubt(connection: Connection, reason: Message, *, before: datetime) -> int:
    """Give another *reason* to the letters that wait since before a moment; return how many."""
    old = DeadLetterRow.last_at <= before
    return change_where(connection, DeadLetterRow, _WAITS, old, reason=reason)


@writing
def drop(connection: Connection, letter_id: str, *, who: str) -> bool:
    """Drop a letter; return False if it was closed already, or is being tried again."""
    moment = now(connection)
    dropped = {"state": LetterState.DROPPED, "closed_at": moment, "closed_by": who}
    return _change(connection, letter_id, _nobody_tries(moment), **dropped)


def drop_all(
    engine: Engine, *, who: str, until: datetime, accounts: Collection[str] | None = None
) -> int:
    """Drop all letters that came last by *until*, of *accounts* or of any; return how many.

    One that is being tried again is left.
    """
    mine = [DeadLetterRow.last_at <= until]
    if accounts is not None:
        mine.append(DeadLetterRow.account.in_(accounts))

    def work(connection: Connection) -> int:
        moment = now(connection)
        open_ones = select(DeadLetterRow.id).where(*mine, _nobody_tries(moment))
        ids = connection.scalars(open_ones.limit(_DROPPED_AT_ONCE).with_for_update()).all()
        if ids:
            closed = {"state": LetterState.DROPPED, "closed_at": moment, "closed_by": who}
            change_where(connection, DeadLetterRow, DeadLetterRow.id.in_(ids), **closed)
        return len(ids)

    dropped = 0
    # In portions: nobody else writes while one is dropped.
    while some := write(engine, work):
        dropped += some
    return dropped


def _nobody_tries(moment: datetime) -> ColumnElement[bool]:
    tried = DeadLetterRow.tried_at
    return and_(_WAITS, or_(tried.is_(None), tried < moment - TRIED_FOR))


def _change(
    connection: Connection, letter_id: str, which: ColumnElement[bool], **values: object
) -> bool:
    mine = DeadLetterRow.id == letter_id
    return change_where(connection, DeadLetterRow, mine, which, **values) == 1


@writing
def mark_refused_again(connection: Connection, letter_id: str, reason: Message) -> None:
    """Note why a letter that was tried again is still none that can be sent."""
    _change(connection, letter_id, _WAITS, reason=reason)


def forget(engine: Engine) -> int:
    """Remove some letters that were closed long ago; return how many."""
    return transaction.forget(
        engine, DeadLetterRow, lambda moment: DeadLetterRow.closed_at < moment
    )


_LETTERS: Final = selected(KeptLetter, DeadLetterRow)
#: Ids that are named where a part fits several.
_NAMED: Final = 5
#: How many of the characters of an id that were drawn a part must hold: what is dropped or sent
#: should not be hit by what all ids share, nor by chance.
_SHORTEST_PART: Final = 4


@reading
def newest(
    connection: Connection,
    *,
    state: LetterState | None,
    most: int,
    accounts: Collection[str] | None = None,
    before: tuple[datetime, str] | None = None,
) -> Sequence[KeptLetter]:
    """Return the letters in a state, or in any, that came last; one that came again came now.

    Of *accounts* alone, those that came before *before*: a moment and an id.
    """
    query = _LETTERS.order_by(DeadLetterRow.last_at.desc(), DeadLetterRow.id.desc())
    if state is not None:
        query = query.filter_by(state=state)
    query = among(query, DeadLetterRow.account, accounts)
    if before is not None:
        at, last = before
        same = and_(DeadLetterRow.last_at == at, DeadLetterRow.id < last)
        query = query.where(or_(DeadLetterRow.last_at < at, same))
    return every_row(connection, query.limit(most), KeptLetter)


@reading
def count(connection: Connection, state: LetterState | None = LetterState.DEAD) -> int:
    """Return how many letters are in a state, or in any; on the dead ones nobody has acted."""
    which = () if state is None else (DeadLetterRow.state == state,)
    return count_of(connection, DeadLetterRow, *which)


@reading
def waiting(
    connection: Connection, accounts: Collection[str] | None = None
) -> tuple[int, datetime]:
    """Return on how many letters of *accounts*, or of any, nobody acted, and by which moment."""
    query = select(func.count()).where(_WAITS)
    query = among(query, DeadLetterRow.account, accounts)
    # First: one that comes while they are counted is none of those a person is asked about.
    moment = now(connection)
    return connection.scalar(query.where(DeadLetterRow.last_at <= moment)) or 0, moment


@reading
def possibly_sent(connection: Connection, letter_id: str | None = None) -> Sequence[str]:
    """Return the letters that wait though their key was used, so that they may have been sent.

    Without *letter_id* those are left out whose reason says that they were not.
    """
    which = _may_be_stored() if letter_id is None else DeadLetterRow.id == letter_id
    its_account = or_(DeadLetterRow.account.is_(None), AccountRow.name == DeadLetterRow.account)
    query = (
        select(DeadLetterRow.id)
        # By way of the accounts, as a letter need not name one.
        .join(AccountRow, its_account)
        .join(
            Submission,
            and_(Submission.account == AccountRow.name, Submission.key == DeadLetterRow.key),
        )
        .where(_WAITS, DeadLetterRow.is_cut.is_(False))
        .where(Submission.body_digest.is_not(None), which)
        .distinct()
    )
    return connection.scalars(query).all()


def _may_be_stored() -> ColumnElement[bool]:
    def begins(name: str) -> ColumnElement[bool]:
        return DeadLetterRow.reason.startswith(stored_message.beginning(name), autoescape=True)

    never = or_(*map(begins, dead_letters.NEVER_STORED))
    return or_(not_(never), *map(begins, sorted(dead_letters.OF_SETTINGS)))


def is_sent(connection: Connection, letter_id: str) -> bool:
    """Return whether a letter was sent, and its key stands for that broadcast."""
    query = (
        select(DeadLetterRow.id)
        .join(
            Submission,
            and_(
                Submission.account.in_(select(AccountRow.name)),
                Submission.key == DeadLetterRow.key,
                Submission.broadcast_id == DeadLetterRow.broadcast_id,
            ),
        )
        .filter_by(id=letter_id, state=LetterState.SENT)
    )
    return connection.scalar(query) is not None


@reading
def is_full(connection: Connection) -> bool:
    """Return whether the open letters leave no room for another whole one."""
    return is_full_in(connection)


def is_full_in(connection: Connection) -> bool:
    """Do the work of :func:`is_full` inside a transaction."""
    query = select(func.count(), func.coalesce(func.sum(DeadLetterRow.characters), 0))
    count, characters = connection.execute(query.where(_WAITS)).one()
    return dead_letters.is_full(count, int(characters))


@reading
def letter_named(connection: Connection, name: str) -> tuple[KeptLetter, str]:
    """Return the letter whose id is, or contains, *name*, and its body.

    Raises UnknownIdError, and InputError where *name* fits several.
    """
    letter_id = _id(connection, name)
    row = (
        connection.execute(_LETTERS.add_columns(DeadLetterRow.body).filter_by(id=letter_id))
        .mappings()
        .one()
    )
    return KeptLetter(**{name: row[name] for name in row if name != "body"}), row["body"]


def _id(connection: Connection, name: str) -> str:
    holds = func.lower(DeadLetterRow.id).contains(name.lower(), autoescape=True)
    newest_first = DeadLetterRow.first_at.desc()
    found = connection.scalars(
        select(DeadLetterRow.id).where(holds).order_by(newest_first).limit(_NAMED + 1)
    ).all()
    if name in found:
        return name
    if len(found) == 1:
        if _drawn_in(name, found[0]) >= _SHORTEST_PART:
            return found[0]
        raise UnknownIdError("error.dead.unknown_near", id=name, near=found[0])
    if len(found) > 1:
        raise InputError("error.dead.several", part=name, ids=", ".join(found[:_NAMED]))
    known = connection.scalars(select(DeadLetterRow.id).order_by(newest_first).limit(500)).all()
    raise locked_rows.not_among("dead", name, known)


def _drawn_in(part: str, letter_id: str) -> int:
    """Return how many of the drawn characters of an id stand in a part of it."""
    end = letter_id.lower().rindex(part.lower()) + len(part)
    return min(len(part), end - (len(letter_id) - base.LENGTH))
