"""Posting: a request is written in an app's own transaction, and workers submit what is committed.

What is wrong in itself is refused at once; all else needs the settings or the ledger, whose rows
the app's transaction must not wait for, nor hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from broadcast.errors import RequestError
from broadcast.message import Message
from models.ledger.boxes import outbox
from models.ledger.boxes.outbox import AppTransaction
from producer.request import incoming


def post(transaction: AppTransaction, body: Mapping[str, Any], *, who: str) -> None:
    """Write *body* in *transaction*. Raises RequestError and InputError, and writes nothing then.

    What the database raises is the app's own to handle, as for its other statements.
    """
    found = incoming.parse(body)
    incoming.refuse_what_is_wrong(found.request, key=found.key)
    outbox.post(transaction, body=_in_ascii(body), account=found.request.account, who=who)


def _in_ascii(body: Mapping[str, Any]) -> str:
    """Return *body* as JSON that every connection can carry, whatever its encoding."""
    try:
        return json.dumps(body, sort_keys=True, default=str)
    except (ValueError, TypeError, RecursionError):
        reason = Message("request.reason.form")
        raise RequestError("error.request.wrong", field="content", reason=reason) from None
