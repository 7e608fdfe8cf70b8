"""Submitting without the command line, for tests about what comes after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from broadcast.rules.accounts import Account
from broadcast.rules.plan import cut, submission
from broadcast.rules.plan.audience import Audience, OpenIDs
from broadcast.rules.plan.cut import Chunk
from models.ledger.lists import uploads
from models.ledger.submit import submits
from producer.audience import openid_list

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
    """Store and publish a text for *openids*; wake nobody. Return the broadcast's id."""
    with openid_list.read(list(openids)) as read:
        figures = submission.Figures(
            read=read.read,
            malformed=0,
            duplicate=0,
            planned=read.planned,
            samples={},
            calls=cut.batch_count(read.planned, batch_size),
        )
        terms = submission.Terms(who="test", again=True, priority=priority, batch_size=batch_size)
        body = _body(account, OpenIDs(digest=read.digest), key=key, text=text)
        return _submit(engine, body, read.chunks(), figures=figures, terms=terms)


def submit_to(
    engine: Engine,
    account: Account,
    to: Audience,
    *,
    key: str,
    text: str = "您好",
    priority: int = 0,
) -> str:
    """Store and publish a text to a list that is WeChat's; wake nobody. Return its id."""
    figures = submission.Figures(planned=None, calls=1, samples={})
    terms = submission.Terms(who="test", again=True, priority=priority)
    return _submit(engine, _body(account, to, key=key, text=text), (), figures=figures, terms=terms)


def _body(account: Account, to: Audience, *, key: str, text: str) -> submission.Body:
    content = json.dumps({"msgtype": "text", "text": {"content": text}}, ensure_ascii=False)
    return submission.Body(
        account=account,
        key=key,
        content=content,
        msgtype="text",
        content_digest=hashlib.sha256(content.encode()).hexdigest(),
        audience=to,
    )


def _submit(
    engine: Engine,
    body: submission.Body,
    chunks: Iterable[Chunk],
    *,
    figures: submission.Figures,
    terms: submission.Terms,
) -> str:
    broadcast_id = submits.begin(engine, body, who=terms.who)
    uploads.add_chunks(engine, broadcast_id, chunks)
    submits.publish(engine, broadcast_id, body, figures=figures, terms=terms, quota=None)
    return broadcast_id
