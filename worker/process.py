"""The clock of this machine, held against the database's, by which everything is decided."""

from __future__ import annotations

import logging
import resource
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from broadcast import names
from broadcast.errors import OutOfReachError
from broadcast.message import Message
from models.engine import now
from models.ledger.rows.transaction import read
from worker.wiring import pool_size

log = logging.getLogger(__name__)

#: What is reported; less does no harm, and a busy machine answers late.
FELT = timedelta(minutes=1)


def compare_clocks(engine: Engine) -> None:
    """Log one line if this machine's clock is off by more than ``FELT``."""
    if engine.dialect.name == "sqlite":
        # A file has no clock but ours.
        return
    try:
        with read(engine) as connection:
            ahead = datetime.now(UTC) - now(connection)
    except OutOfReachError as error:
        log.warning("this machine's clock was not compared with the database's: %s", error)
        return
    if abs(ahead) > FELT:
        way = Message("worker.clock.ahead" if ahead > timedelta(0) else "worker.clock.behind")
        seconds = round(abs(ahead).total_seconds())
        log.warning("%s", Message("worker.clock", seconds=seconds, way=way))


#: Libraries, logs, the broker's connections and pipes.
_BESIDE = 64
#: An SQLite connection is the file, its log and their index; half of the pool's are overflow.
_OF_DATABASE = 3 * 2
#: A task that sends has one to WeChat and one to Redis.
_OF_TASK = 2


def needed(concurrency: int) -> int:
    """Return how many a worker with so many tasks at once may come to need."""
    return _BESIDE + _OF_DATABASE * pool_size(concurrency) + _OF_TASK * concurrency


def allow_descriptors(concurrency: int) -> None:
    """Raise the limit of this process to that; OutOfReachError where the system forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(concurrency)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OutOfReachError(
            "error.worker.descriptors", most=hard, needed=wanted, concurrency=concurrency,
            name="BROADCAST_CONCURRENCY",
        )  # fmt: skip
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


#: What beat wakes at all hours. That such a task began or ended well is no news.
_REGULAR: Final = frozenset({
    names.SWEEP, names.LAUNCH_DUE, names.POLL_RESULTS, names.READ_DRAFTS, names.REFRESH_TOKEN,
    names.DELIVER_WEBHOOKS,
})  # fmt: skip
#: Loggers of a task received, ended, and sent by beat.
_LOGGERS: Final = frozenset({"celery.worker.strategy", "celery.app.trace", "celery.beat"})


class WithoutRoutine(logging.Filter):
    """Leaves out, unless at DEBUG, that a regular task was sent, received or ended well."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether *record* says something else."""
        if record.name not in _LOGGERS or record.levelno > logging.INFO:
            return True
        return _task_of(record) not in _REGULAR or logging.getLogger().isEnabledFor(logging.DEBUG)


class WithoutGivenBack(logging.Filter):
    """Leaves out Celery's page on a message that goes back to the broker: our line says why."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether *record* says something else."""
        facts = getattr(record, "data", None)
        rejected = isinstance(facts, dict) and facts.get("description") == "rejected"
        return record.name != "celery.app.trace" or not rejected


def _task_of(record: logging.LogRecord) -> object:
    """Return the name of the task that a record of Celery's is about.

    The worker adds the facts to the record; beat's arguments are the entry and then the task.
    """
    facts = getattr(record, "data", None)
    if isinstance(facts, dict):
        return facts.get("name")
    return record.args[-1] if isinstance(record.args, tuple) and record.args else None
