"""Posting: a request is written in an app's own transaction, and workers submit what is committed.

What is wrong in itself is refused at once; all else needs the settings or the ledger, whose rows
the app's transaction must not wait for, nor hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from broadcast.errors import RequestError
from broadcast.message import Message
from broadcast.rules.dead_letters import LetterSource
from models.ledger.boxes import dead_letters, outbox
from models.ledger.boxes.outbox import AppTransaction
from producer.request import incoming


def post(transaction: AppTransaction, body: Mapping[str, Any], *, who: str) -> None:
    """Write *body* in *transaction*. Raises RequestError and InputError, and writes nothing then.

    What the database raises is the app's own to handle, as for its other statements.
    """
    found = incoming.parse(body)
    incoming.refuse_what_is_wrong(found.request, key=found.key)
    outbox.post(transaction, body=_in_ascii(body), account=found.request.account, who=who)


def set_aside(engine: Engine, *, before: datetime) -> int:
    """Move requests that were written before a moment to the dead letters.

    For a database that was restored: they may have been submitted since it was copied, as may what
    is a dead letter already. Returns how many letters say so.
    """
    reason = Message("error.dead.restored")
    letters = dead_letters.doubt(engine, reason, before=before)
    for posted in outbox.posted_before(engine, before):
        value = incoming.value_of(posted.body)
        letter = incoming.letter(LetterSource.OUTBOX, reason, text=posted.body, value=value)
        letters += outbox.move_to_dead_letters(engine, posted.id, letter) is not None
    return letters


def _in_ascii(body: Mapping[str, Any]) -> str:
    """Return *body* as JSON that every connection can carry, whatever its encoding."""
    try:
        return json.dumps(body, sort_keys=True, default=str)
    except (ValueError, TypeError, RecursionError):
        reason = Message("request.reason.form")
        raise RequestError("error.request.wrong", field="content", reason=reason) from None
