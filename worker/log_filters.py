"""Filters of Celery's routine log: 13 MB a day of an idle worker, pages where a line says all."""

from __future__ import annotations

import logging
from typing import Final

from broadcast import names

#: What beat wakes at all hours. That such a task began or ended well is no news.
_REGULAR: Final = frozenset(
    {
        names.SWEEP,
        names.LAUNCH_DUE,
        names.POLL_RESULTS,
        names.READ_DRAFTS,
        names.REFRESH_TOKEN,
        names.DELIVER_WEBHOOKS,
    }
)
#: Loggers of a task received, ended, and sent by beat.
_LOGGED: Final = frozenset({"rejected", "raised expected"})
_LOGGERS: Final = frozenset({"celery.worker.strategy", "celery.app.trace", "celery.beat"})


class WithoutRoutine(logging.Filter):
    """Leaves out, unless at DEBUG, that a regular task was sent, received or ended well."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether *record* says something else."""
        if record.name not in _LOGGERS or record.levelno > logging.INFO:
            return True
        return _task_of(record) not in _REGULAR or logging.getLogger().isEnabledFor(logging.DEBUG)


class WithoutGivenBack(logging.Filter):
    """Leaves out Celery's word on what goes back to the broker, or needs a person.

    Our own line says why.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether *record* says something else."""
        facts = getattr(record, "data", None)
        is_logged = isinstance(facts, dict) and facts.get("description") in _LOGGED
        return record.name != "celery.app.trace" or not is_logged


def _task_of(record: logging.LogRecord) -> object:
    """Return the name of the task that a record of Celery's is about.

    The worker adds the facts to the record; beat's arguments are the entry and then the task.
    """
    facts = getattr(record, "data", None)
    if isinstance(facts, dict):
        return facts.get("name")
    return record.args[-1] if isinstance(record.args, tuple) and record.args else None
