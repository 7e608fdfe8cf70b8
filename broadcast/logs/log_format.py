"""How a record is written: for a person's eyes, or as one JSON object a line for a log store.

``BROADCAST_LOG_FORMAT`` says which. Secrets are masked before, where the record is made.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from broadcast.errors import BroadcastError
from broadcast.logs import log_facts, request_ids
from broadcast.logs.log_lines import InEnglish
from broadcast.message import Message
from broadcast.settings import environment

VARIABLE: Final = "BROADCAST_LOG_FORMAT"
TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s%(request)s"
_FACT: Final = re.compile(r"%(?:\(\w+\))?[-+#0 ]*[\d*]*(?:\.\d+)?[a-zA-Z%]")
_WORD: Final = re.compile(r"[a-z0-9]+")


def set_up(handler: logging.Handler, *, level: int = logging.INFO) -> None:
    """Let *handler* write every record of this process, in English."""
    handler.addFilter(OfEvent())
    handler.addFilter(InEnglish())
    handler.addFilter(OfRequest())
    as_json = environment.read().get(VARIABLE) == "json"
    handler.setFormatter(JSONLine() if as_json else logging.Formatter(TEXT))
    logging.basicConfig(level=level, handlers=[handler])


class OfEvent(logging.Filter):
    """Names each record's event, and the reason where an argument has an id; keeps every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add both, before the arguments become words."""
        args = record.args if isinstance(record.args, tuple) else ()
        ids = (_id_of(one) for one in args)
        reason = next(filter(None, ids), None)
        record.reason = reason
        record.event = event_of(getattr(record, "template", record.msg)) or reason
        return True


class OfRequest(logging.Filter):
    """Adds to each record the id of its request, where it has one; keeps every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id, and the end of the record's line."""
        request_id = request_ids.current.get() or request_ids.woken_by.get()
        record.request_id = request_id
        record.request = "" if request_id is None else f" request={request_id}"
        return True


class JSONLine(logging.Formatter):
    """Writes a record as one JSON object in one line, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; a fact that there is not is left out."""
        members = {name: value for name, value in _members(record) if value not in {None, ""}}
        return json.dumps(members, ensure_ascii=False, default=str)


def event_of(template: object) -> str:
    """Return the name of an event: its line's words, without the facts between them."""
    words = _FACT.sub(" ", str(template)).lower().replace("'", "")
    return "_".join(_WORD.findall(words))


def _members(record: logging.LogRecord) -> Iterator[tuple[str, str | int | None]]:
    moment = datetime.fromtimestamp(record.created, UTC)
    yield "time", moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    yield "level", record.levelname.lower()
    yield "logger", record.name
    yield "event", getattr(record, "event", None)
    yield "message", record.getMessage()
    yield "reason", getattr(record, "reason", None)
    yield "request", getattr(record, "request_id", None)
    # Celery's own lines about a task are written by another thread than the task's.
    celerys = getattr(record, "data", None)
    if isinstance(celerys, dict):
        yield "task", celerys.get("name")
        yield "task_id", celerys.get("id")
    for name, fact in log_facts.now().items():
        yield name, fact if isinstance(fact, int) else str(fact)
    if record.exc_text:
        yield "error", record.exc_text.splitlines()[-1]
    yield "trace", record.exc_text or record.stack_info


def _id_of(argument: object) -> str | None:
    if isinstance(argument, BroadcastError):
        return argument.message.id
    return argument.id if isinstance(argument, Message) else None
