"""How a record is written: for a person's eyes, or as one JSON object a line for a log store.

``BROADCAST_LOG_FORMAT`` says which. Secrets are masked before, where the record is made.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Final

from broadcast.errors import BroadcastError
from broadcast.logs import log_facts, request_ids
from broadcast.logs.log_lines import InEnglish
from broadcast.message import Message
from broadcast.redaction import TEMPLATE, redact
from broadcast.settings import environment

VARIABLE: Final = "BROADCAST_LOG_FORMAT"
TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s%(request)s"
_FACT: Final = re.compile(r"%(?:\(\w+\))?[-+#0 ]*[\d*]*(?:\.\d+)?[a-zA-Z%]")
_WORD: Final = re.compile(r"[a-z0-9]+")


def set_up(handler: logging.Handler, *, level: int = logging.INFO) -> None:
    """Let *handler* write every record of this process, in English."""
    handler.addFilter(Described())
    handler.addFilter(InEnglish())
    handler.setFormatter(JSONLine() if is_json() else logging.Formatter(TEXT))
    logging.basicConfig(level=level, handlers=[handler])


def is_json() -> bool:
    """Return whether the log is written as JSON."""
    return environment.read().get(VARIABLE) == "json"


class Described(logging.Filter):
    """Adds to each record its event, the reason where an argument has an id, and its request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add them, before the arguments become words, and the end of the line; keep the record."""
        args = record.args if isinstance(record.args, tuple) else ()
        reason = next(filter(None, map(_id_of, args)), None)
        record.reason = reason
        record.event = event_of(getattr(record, TEMPLATE, record.msg)) or reason
        request_id = request_ids.current.get() or request_ids.woken_by.get()
        record.request_id = request_id
        record.request = "" if request_id is None else redact(f" request={request_id}")
        return True


class JSONLine(logging.Formatter):
    """Writes a record as one JSON object in one line, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; a fact that there is not is left out."""
        members = {
            name: redact(value) if isinstance(value, str) else value
            for name, value in _members(record).items()
            if value not in {None, ""}
        }
        return json.dumps(members, ensure_ascii=False, default=str)


def event_of(template: object) -> str:
    """Return the name of an event: its line's words, without the facts between them."""
    words = _FACT.sub(" ", str(template)).lower().replace("'", "")
    return "_".join(_WORD.findall(words))


def _members(record: logging.LogRecord) -> dict[str, str | int | None]:
    moment = datetime.fromtimestamp(record.created, UTC)
    # Celery's own lines about a task are written by another thread than the task's.
    celerys = getattr(record, "data", None)
    task = celerys if isinstance(celerys, dict) else {}
    facts = log_facts.now().items()
    return {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": getattr(record, "event", None),
        "message": record.getMessage(),
        "reason": getattr(record, "reason", None),
        "request": getattr(record, "request_id", None),
        "task": task.get("name"),
        "task_id": task.get("id"),
        **{name: fact if isinstance(fact, int) else str(fact) for name, fact in facts},
        "error": record.exc_text.splitlines()[-1] if record.exc_text else None,
        "trace": record.exc_text or record.stack_info,
    }


def _id_of(argument: object) -> str | None:
    if isinstance(argument, BroadcastError):
        return argument.message.id
    return argument.id if isinstance(argument, Message) else None
