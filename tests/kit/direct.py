"""Submitting without the command line, for tests about what comes after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from broadcast import plan
from broadcast.accounts import Account
from broadcast.plan import submission
from broadcast.plan.audience import OpenIDs
from models.ledger import submits
from producer import audience

if TYPE_CHECKING:
    from sqlalchemy import Engine


def submit(
    engine: Engine,
    account: Account,
    openids: Sequence[str],
    *,
    key: str,
    batch_size: int = 10_000,
    text: str = "您好",
    priority: int = 0,
) -> str:
    """Store and publish a text for *openids*; wake for nobody. Return the broadcast's id."""
    content = json.dumps({"msgtype": "text", "text": {"content": text}}, ensure_ascii=False)
    with audience.read(list(openids)) as read:
        body = submission.Body(
            account=account, key=key, content=content, msgtype="text",
            content_digest=hashlib.sha256(content.encode()).hexdigest(),
            audience=OpenIDs(digest=read.digest),
        )  # fmt: skip
        broadcast_id = submits.begin(engine, body, who="test")
        submits.add_chunks(engine, broadcast_id, read.chunks())
        figures = submission.Figures(
            read=read.read, malformed=0, duplicate=0, planned=read.planned, samples={},
            calls=plan.batch_count(read.planned, batch_size),
        )  # fmt: skip
        submits.publish(
            engine,
            broadcast_id,
            body,
            figures=figures,
            terms=submission.Terms(
                who="test", again=True, priority=priority, batch_size=batch_size
            ),
            quota=None,
        )
    return broadcast_id
