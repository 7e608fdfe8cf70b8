"""Transactions: begin, commit, and again from the start when two of them met."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Pool,
    Select,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from broadcast.errors import IllegalMoveError
from broadcast.frozen import frozen
from broadcast.logs import request_ids
from broadcast.names import EventKind
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from models import engine as engines
from models.base import delete_some
from models.box_tables import DeadLetterRow, PushRow, WebhookRow
from models.engine import now
from models.event import Event

P = ParamSpec("P")
T = TypeVar("T")
#: By the names of a statement's parameters.
_Given: TypeAlias = Mapping[str, Any] | None
#: Who writes history where no person spoke; everybody else in it is a person.
WORKER = "worker"

#: PostgreSQL: serialization failure, deadlock. MySQL: lock wait time-out, deadlock.
_MET_SQLSTATES = {"40001", "40P01"}
_MET_ERRNOS = {1205, 1213}


def _is_deadlock(error: BaseException) -> bool:
    """Return whether the server rolled the transaction back because of another one."""
    if not isinstance(error, DBAPIError):
        return False
    first = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return getattr(error.orig, "sqlstate", None) in _MET_SQLSTATES or first in _MET_ERRNOS


def write(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run *work* in one transaction and commit; run it again from its start after a deadlock.

    *work* must hold nothing but statements: never a call to WeChat. Raises
    :class:`~broadcast.errors.DatabaseAwayError` when the database cannot be reached; whether the
    commit arrived is then unknown, and the caller looks it up.
    """
    import tenacity  # noqa: PLC0415 - a command that only reads has no use for it

    tries = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_deadlock),
        stop=tenacity.stop_after_attempt(8),
        wait=tenacity.wait_random_exponential(multiplier=0.02, max=1),
        reraise=True,
    )
    with engines.reachable():
        done: T = tries(_once, engine, work)
    return done


def write_or_keep(
    engine: Engine,
    work: Callable[[Connection], T],
    keep: Callable[[Connection, IllegalMoveError], T],
) -> T:
    """Run *work* as :func:`write` does; where it asks for an illegal move, *keep* in its place.

    That is a bug of ours, and no reason to lose what WeChat said, or to ask for it for ever.
    """
    try:
        return write(engine, work)
    except IllegalMoveError as error:
        illegal = error
    return write(engine, lambda connection: keep(connection, illegal))


def write_new(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run *work* as :func:`write` does, again where somebody else inserted the same row at once.

    Its next look finds the row. Raises IntegrityError where that did not help.
    """
    import tenacity  # noqa: PLC0415 - as above

    tries = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_duplicate),
        stop=tenacity.stop_after_attempt(3),
        reraise=True,
    )
    done: T = tries(write, engine, work)
    return done


#: Of a row that is there already: SQLite's codes (unique, primary key), PostgreSQL's, MySQL's.
_DUPLICATES: Final = frozenset({2067, 1555, "23505", 1062})


def _is_duplicate(error: BaseException) -> bool:
    """Return whether another row has the key; a foreign key or a NOT NULL fails each time."""
    if not isinstance(error, IntegrityError) or error.orig is None:
        return False
    names = ("sqlite_errorcode", "sqlstate")
    codes = {getattr(error.orig, name, None) for name in names} | {*error.orig.args[:1]}
    return bool(codes & _DUPLICATES)


def _once(engine: Engine, work: Callable[[Connection], T]) -> T:
    with _in_turn(engine) as until, engine.connect() as connection:
        if until is not None:
            connection.execution_options(sqlite_waits_until=until)
        with connection.begin():
            return work(connection)


@contextmanager
def _in_turn(engine: Engine) -> Iterator[float | None]:
    """Queue threads for the one writer of SQLite here; there they sleep between their tries.

    Who waited is given the moment, by the monotonic clock, until which SQLite may wait on.
    """
    if engine.dialect.name != "sqlite":
        yield None
        return
    turn = _turn(engine.pool)
    mine, until = turn.acquire(blocking=False), None
    if not mine:
        until = time.monotonic() + engines.BUSY_TIMEOUT_S
        # Whoever waits in vain is refused by SQLite, and says so.
        mine = turn.acquire(timeout=engines.BUSY_TIMEOUT_S)
    try:
        yield until
    finally:
        if mine:
            turn.release()


def _turn(pool: Pool) -> Lock:
    with _turns_guard:
        return _turns.setdefault(pool, Lock())


#: One for each pool, for as long as that lives.
_turns: WeakKeyDictionary[Pool, Lock] = WeakKeyDictionary()
_turns_guard: Final = Lock()


_shared: ContextVar[Connection | None] = ContextVar("shared", default=None)


@contextmanager
def shared_snapshot(engine: Engine) -> Iterator[None]:
    """Reads inside the block use one snapshot.

    For short ones, one behind the other: the server ends a transaction that is silent for long.
    """
    with snapshot(engine) as connection:
        token = _shared.set(connection)
        try:
            yield
        finally:
            _shared.reset(token)


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads."""
    shared = _shared.get()
    if shared is not None and shared.engine.pool is engine.pool:
        with engines.reachable():
            yield shared
        return
    with engines.reachable(), engines.reader(engine).begin() as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads, and whose statements all see one moment.

    Figures that are read one after the other must agree, whatever workers commit in between.
    """
    with read(snapshots(engine)) as connection:
        yield connection


@functools.lru_cache(maxsize=8)
def snapshots(engine: Engine) -> Engine:
    """Return *engine* for transactions that see one moment: those of SQLite that read do so."""
    if engine.dialect.name == "sqlite":
        return engine
    if engine.dialect.name == "mysql":
        # For the next transaction alone: the level of the session need not be set back.
        return engine.execution_options(mysql_begin=_REPEATABLE)
    return engine.execution_options(isolation_level="REPEATABLE READ")


_REPEATABLE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"


class _Within:
    """Makes functions of a connection ones of an engine: each call is one transaction."""

    def __init__(self, run: Callable[..., Any]) -> None:
        """*run*: what runs work on a connection of an engine."""
        self._run = run

    def __call__(
        self, work: Callable[Concatenate[Connection, P], T]
    ) -> Callable[Concatenate[Engine, P], T]:
        """Return *work* as a function of an engine."""

        @functools.wraps(work)
        def within(engine: Engine, /, *args: P.args, **kwargs: P.kwargs) -> T:
            done: T = self._run(engine, lambda connection: work(connection, *args, **kwargs))
            return done

        return within


def _in_read(engine: Engine, work: Callable[[Connection], T]) -> T:
    with read(engine) as connection:
        return work(connection)


#: As :func:`write` and :func:`write_new` run work, in a :func:`read`, and in a :func:`snapshot`.
writing: Final = _Within(write)
writing_new: Final = _Within(write_new)
reading: Final = _Within(_in_read)
at_one_moment: Final = _Within(lambda engine, work: _in_read(snapshots(engine), work))


@reading
def present(connection: Connection) -> datetime:
    """Return the database's present moment, aware UTC. Raises DatabaseAwayError."""
    return engines.now(connection)


# Built once, like every statement of a call: building one costs as much as running it. The columns
# are those of the parameters that it is run with.
_NOTE = insert(Event).values(at=engines.database_now())


def note(
    connection: Connection, kind: EventKind, *, who: str, why: str | None = None, **facts: object
) -> None:
    """Write one line of history. *facts* named like a column go there, the rest into the detail.

    *why* are a person's own words, if there are any.
    """
    if why:
        facts["why"] = why
    if request_id := request_ids.current.get():
        facts["request_id"] = request_id
    columns = {key: facts.pop(key, None) for key in ("account", "broadcast_id", "batch_id")}
    detail = json.dumps(facts, ensure_ascii=False, sort_keys=True, default=str)
    connection.execute(_NOTE, {"kind": kind, "who": who, "detail": detail, **columns})


#: Of dead letters, pushes and webhooks. For a push it is longer than its signature is accepted, so
#: that one which somebody else repeats is known.
KEPT_FOR: Final = timedelta(days=30)
#: Rows of one transaction; a dead letter may have megabytes.
_AT_ONCE: Final = 200


def remove(
    engine: Engine, key: InstrumentedAttribute[Any], *which: ColumnElement[bool], most: int
) -> None:
    """Remove rows, found by the column *key*, up to *most* in each transaction."""
    while write(engine, lambda c: delete_some(c, key, *which, most=most)) == most:
        pass


@writing
def forget(
    connection: Connection,
    table: type[DeadLetterRow | PushRow | WebhookRow],
    settled_before: Callable[[datetime], ColumnElement[bool]],
    *,
    most: int = _AT_ONCE,
) -> int:
    """Remove up to *most* rows that were settled :data:`KEPT_FOR` ago; return how many."""
    settled = settled_before(now(connection) - KEPT_FOR)
    return delete_some(connection, table.id, settled, most=most)


def selected(kind: type[Any], table: Any, **others: Any) -> Select[Any]:
    """Return the query for a *kind*: its fields are columns of *table*, or *others* by name.

    A field that is neither keeps its default.
    """
    names = [field.name for field in fields(kind) if field.name not in others]
    own = [getattr(table, name) for name in names if hasattr(table, name)]
    return select(*own, *(one.label(name) for name, one in others.items()))


def first(  # noqa: PLR0917 - as Connection.execute, and what to make of a row
    connection: Connection, statement: Executable, kind: type[T], parameters: _Given = None
) -> T | None:
    """Return the first row as a *kind*, or None."""
    row = connection.execute(statement, parameters).mappings().first()
    return None if row is None else kind(**row)


def one_row(  # noqa: PLR0917 - as above
    connection: Connection, statement: Executable, kind: type[T], parameters: _Given = None
) -> T:
    """Return the only row as a *kind*; raise NoResultFound where there is none."""
    return kind(**connection.execute(statement, parameters).mappings().one())


def every_row(  # noqa: PLR0917 - as above
    connection: Connection, statement: Executable, kind: type[T], parameters: _Given = None
) -> Sequence[T]:
    """Return all rows as *kind*s."""
    return [kind(**row) for row in connection.execute(statement, parameters).mappings()]


@frozen
class LockedLane:
    """A lane whose row is locked until the commit."""

    account: str
    fence: int
    leased_until: datetime | None
    not_before: datetime | None
    wait_reason: Reason | None
    gate_counter: int
    claims: int
    claimed_at: datetime | None
    recorded_at: datetime | None
    day_wait_until: datetime | None
    doubt_wait_until: datetime | None
    unsure_until: datetime | None


@frozen
class LockedBroadcast:
    """A broadcast that no other transaction moves, because its lane is locked."""

    id: str
    account: str
    path: SendPath
    phase: Phase
    result: BroadcastState | None
    planned: int | None
    spread_days: bool
    scheduled_at: datetime | None
    late_by_s: int
    unattended_s: int
    unattended_at: datetime | None
    published_at: datetime | None
    started_at: datetime | None
    #: A gate of it, its account or a path stands that nobody opened.
    has_gates: bool
    #: The database's moment of the reading.
    now: datetime


@frozen
class LockedBatch:
    """A batch that no other transaction moves, because its lane is locked."""

    id: int
    broadcast_id: str
    account: str
    path: SendPath
    n: int
    list: str | None
    start: int
    size: int | None
    depth: int
    state: BatchState
    reason: Reason | None
    msg_id: int | None
    msg_status: str | None
    attempts: int
    not_before: datetime | None
    #: Of its lane.
    gate_counter: int
    lane_waits_until: datetime | None
    #: Of its broadcast.
    due_at: datetime | None
    cancelled: bool
    #: Another batch of the broadcast is not at rest.
    others_open: bool
    #: A person said of one of its calls that WeChat did not take it.
    any_denied: bool
    #: The database's moment of the reading.
    now: datetime
