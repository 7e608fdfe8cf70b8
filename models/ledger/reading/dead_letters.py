"""Dead letters as people and programs look at them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, not_, or_, select

from broadcast import dead_letters, stored_message
from broadcast.dead_letters import KeptLetter, LetterState
from broadcast.errors import InputError, UnknownIdError
from models import drawn_ids
from models.account import AccountRow
from models.broadcast import Submission
from models.dead_letter import DeadLetterRow
from models.engine import now
from models.ledger.rows import columns
from models.ledger.transaction import read

_COLUMNS: Final = columns(KeptLetter, DeadLetterRow)
#: Ids that are named where a part fits several.
_NAMED: Final = 5
#: How many of the characters of an id that were drawn a part must hold: what is dropped or sent
#: should not be hit by what all ids share, nor by chance.
_SHORTEST_PART: Final = 4


def newest(
    engine: Engine,
    *,
    state: LetterState | None,
    most: int,
    accounts: Collection[str] | None = None,
    before: tuple[datetime, str] | None = None,
) -> Sequence[KeptLetter]:
    """Return the letters in a state, or in any, that came last; one that came again came now.

    Of *accounts* alone, those that came before *before*: a moment and an id.
    """
    query = select(*_COLUMNS).order_by(DeadLetterRow.last_at.desc(), DeadLetterRow.id.desc())
    if state is not None:
        query = query.where(DeadLetterRow.state == state)
    if accounts is not None:
        query = query.where(DeadLetterRow.account.in_(accounts))
    if before is not None:
        at, last = before
        same = and_(DeadLetterRow.last_at == at, DeadLetterRow.id < last)
        query = query.where(or_(DeadLetterRow.last_at < at, same))
    with read(engine) as connection:
        return [_kept(row) for row in connection.execute(query.limit(most)).mappings()]


def count(engine: Engine, state: LetterState | None = LetterState.DEAD) -> int:
    """Return how many letters are in a state, or in any; on the dead ones nobody has acted."""
    query = select(func.count()).select_from(DeadLetterRow)
    if state is not None:
        query = query.where(DeadLetterRow.state == state)
    with read(engine) as connection:
        return connection.scalar(query) or 0


def waiting(engine: Engine, accounts: Collection[str] | None = None) -> tuple[int, datetime]:
    """Return on how many letters of *accounts*, or of any, nobody acted, and by which moment."""
    query = select(func.count()).where(DeadLetterRow.state == LetterState.DEAD)
    if accounts is not None:
        query = query.where(DeadLetterRow.account.in_(accounts))
    with read(engine) as connection:
        # First: one that comes while they are counted is none of those a person is asked about.
        moment = now(connection)
        return connection.scalar(query.where(DeadLetterRow.last_at <= moment)) or 0, moment


def possibly_sent(engine: Engine, letter_id: str | None = None) -> Sequence[str]:
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
        .where(DeadLetterRow.state == LetterState.DEAD, DeadLetterRow.is_cut.is_(False))
        .where(Submission.body_digest.is_not(None), which)
        .distinct()
    )
    with read(engine) as connection:
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
        .where(DeadLetterRow.id == letter_id, DeadLetterRow.state == LetterState.SENT)
    )
    return connection.scalar(query) is not None


def is_full(engine: Engine) -> bool:
    """Return whether so many are open that no further one is kept whole."""
    with read(engine) as connection:
        return is_full_in(connection)


def is_full_in(connection: Connection) -> bool:
    """Do the work of :func:`is_full` inside a transaction."""
    query = select(func.count(), func.coalesce(func.sum(DeadLetterRow.characters), 0))
    count, characters = connection.execute(
        query.where(DeadLetterRow.state == LetterState.DEAD)
    ).one()
    return dead_letters.is_full(count, int(characters))


def one(engine: Engine, name: str) -> tuple[KeptLetter, str]:
    """Return the letter whose id is, or contains, *name*, and its body.

    Raises UnknownIdError, and InputError where *name* fits several.
    """
    with read(engine) as connection:
        letter_id = _id(connection, name)
        row = connection.execute(
            select(*_COLUMNS, DeadLetterRow.body).where(DeadLetterRow.id == letter_id)
        ).mappings().one()  # fmt: skip
        return _kept({name: row[name] for name in row if name != "body"}), row["body"]


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
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        raise UnknownIdError("error.dead.unknown_near", id=name, near=", ".join(near))
    raise UnknownIdError("error.dead.unknown", id=name)


def _drawn_in(part: str, letter_id: str) -> int:
    """Return how many of the drawn characters of an id stand in a part of it."""
    end = letter_id.lower().rindex(part.lower()) + len(part)
    return min(len(part), end - (len(letter_id) - drawn_ids.LENGTH))


def _kept(row: object) -> KeptLetter:
    values = dict(row)  # type: ignore[call-overload] # a mapping of SQLAlchemy's
    return KeptLetter(**{**values, "reason": stored_message.parse(values["reason"])})
