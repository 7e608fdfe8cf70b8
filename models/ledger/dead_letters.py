"""Dead letters: each body kept once, closed by a person or by a try that went well."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    insert,
    or_,
    select,
    true,
    update,
)

from broadcast import stored_message
from broadcast.dead_letters import Letter, LetterState
from broadcast.errors import DatabaseAwayError
from broadcast.message import Message
from models import drawn_ids
from models.dead_letter import DeadLetterRow
from models.engine import now
from models.ledger import forgetting
from models.ledger.reading import dead_letters as reading
from models.ledger.rows import change
from models.ledger.transaction import write, write_new

log = logging.getLogger(__name__)

#: A try that died does not keep its letter for longer; one that lives is done sooner.
TRIED_FOR: Final = timedelta(minutes=10)
#: Rows of one transaction.
_DROPPED_AT_ONCE: Final = 500
_LONGEST_KEY: Final = 128
_LONGEST_ACCOUNT: Final = 64


def keep(engine: Engine, letter: Letter) -> str:
    """Keep a letter, or count that it came again; return its id. Raises DatabaseAwayError.

    One that was closed and comes again is dead again: somebody sent it once more. One that became a
    broadcast is that broadcast still: a worker may have looked for its key before that.
    """
    # Another worker may take the same one meanwhile.
    return write_new(engine, lambda connection: keep_in(connection, letter))


def keep_in(connection: Connection, letter: Letter) -> str:
    """Do the work of :func:`keep` inside a transaction, begun by ``write_new``.

    Where too many are open, a further one is counted in the letter of its reason.
    """
    moment = now(connection)
    there = _id_of(connection, letter)
    if there is None and reading.is_full_in(connection):
        log.error("dead letters are full: one is counted, and not kept: %s", letter.reason)
        letter = letter.one_of_many
        there = _id_of(connection, letter)
    if there is not None:
        _came_again(connection, there, letter.reason)
        return there
    letter_id, body = f"dead-{drawn_ids.dated(moment)}", letter.kept_body
    connection.execute(
        insert(DeadLetterRow).values(
            id=letter_id, source=letter.source, digest=letter.digest, state=LetterState.DEAD,
            key=_fitting(letter.key, _LONGEST_KEY),
            account=_fitting(letter.account, _LONGEST_ACCOUNT),
            body=body, characters=len(body), is_cut=letter.is_cut,
            reason=stored_message.stored(letter.reason), times=1, first_at=moment, last_at=moment,
        )
    )  # fmt: skip
    return letter_id


def _id_of(connection: Connection, letter: Letter) -> str | None:
    """Return the id of the letter that says the same, and hold its row."""
    return connection.scalar(
        select(DeadLetterRow.id)
        .where(DeadLetterRow.source == letter.source, DeadLetterRow.digest == letter.digest)
        .with_for_update()
    )


def _came_again(connection: Connection, letter_id: str, reason: Message) -> None:
    values: dict[str, object] = {"times": DeadLetterRow.times + 1, "last_at": now(connection)}
    if not reading.is_sent(connection, letter_id):
        values |= {
            "state": LetterState.DEAD, "reason": stored_message.stored(reason),
            "broadcast_id": None, "closed_at": None, "closed_by": None,
        }  # fmt: skip
    change(connection, DeadLetterRow, letter_id, **values)


def _fitting(text: str | None, most: int) -> str | None:
    return text if text is not None and len(text) <= most and text.isprintable() else None


def take(engine: Engine, letter_id: str) -> bool:
    """Take a letter to try it again, so that nobody puts it aside meanwhile; :func:`free` it then.

    Returns False where it is being tried already, or was closed.
    """
    return _change(
        engine, letter_id, which=_nobody_tries, values=lambda moment: {"tried_at": moment}
    )


def free(engine: Engine, letter_id: str) -> None:
    """Let a letter be tried again or put aside; with the database away, :data:`TRIED_FOR` does."""
    statement = update(DeadLetterRow).where(DeadLetterRow.id == letter_id).values(tried_at=None)
    with contextlib.suppress(DatabaseAwayError):
        write(engine, lambda connection: connection.execute(statement))


def sent(engine: Engine, letter_id: str, broadcast_id: str, *, who: str) -> None:
    """Note that a letter became a broadcast, even if it was put aside while a try took too long."""

    def values(moment: datetime) -> dict[str, object]:
        facts = {"broadcast_id": broadcast_id, "closed_at": moment, "closed_by": who}
        return {"state": LetterState.SENT, **facts}

    _change(engine, letter_id, which=lambda _: true(), values=values)


def found_sent(engine: Engine, letter_id: str, broadcast_id: str) -> None:
    """Note that the message of a letter that waits is a broadcast: nobody sent the letter."""

    def values(moment: datetime) -> dict[str, object]:
        return {"state": LetterState.SENT, "broadcast_id": broadcast_id, "closed_at": moment}

    waits = DeadLetterRow.state == LetterState.DEAD
    _change(engine, letter_id, which=lambda _: waits, values=values)


def drop(engine: Engine, letter_id: str, *, who: str) -> bool:
    """Put a letter aside; return False if it was closed already, or is being tried again."""

    def values(moment: datetime) -> dict[str, object]:
        return {"state": LetterState.DROPPED, "closed_at": moment, "closed_by": who}

    return _change(engine, letter_id, which=_nobody_tries, values=values)


def drop_all(
    engine: Engine, *, who: str, until: datetime, accounts: Collection[str] | None = None
) -> int:
    """Put all letters aside that came last by *until*, of *accounts* or of any; return how many.

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
            connection.execute(
                update(DeadLetterRow).where(DeadLetterRow.id.in_(ids)).values(closed)
            )
        return len(ids)

    dropped = 0
    # In portions: nobody else writes while one is dropped.
    while some := write(engine, work):
        dropped += some
    return dropped


def _nobody_tries(moment: datetime) -> ColumnElement[bool]:
    tried = DeadLetterRow.tried_at
    free_again = or_(tried.is_(None), tried < moment - TRIED_FOR)
    return and_(DeadLetterRow.state == LetterState.DEAD, free_again)


def _change(
    engine: Engine,
    letter_id: str,
    *,
    which: Callable[[datetime], ColumnElement[bool]],
    values: Callable[[datetime], dict[str, object]],
) -> bool:
    def work(connection: Connection) -> bool:
        moment = now(connection)
        changed = connection.execute(
            update(DeadLetterRow)
            .where(DeadLetterRow.id == letter_id, which(moment))
            .values(values(moment))
        )
        return changed.rowcount == 1

    return write(engine, work)


def still_dead(engine: Engine, letter_id: str, reason: Message) -> None:
    """Note why a letter that was tried again is still none that can be sent."""
    write(
        engine,
        lambda connection: connection.execute(
            update(DeadLetterRow)
            .where(DeadLetterRow.id == letter_id, DeadLetterRow.state == LetterState.DEAD)
            .values(reason=stored_message.stored(reason))
        ),
    )


def forget(engine: Engine) -> int:
    """Remove some letters that were closed long ago; return how many."""
    return forgetting.forget(engine, DeadLetterRow, lambda moment: DeadLetterRow.closed_at < moment)
