"""Followers as a pass over WeChat's list leaves them, and who come and go by one push each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Engine, insert

from broadcast import openid as openids
from broadcast.rules.followers import FACTS, FOLLOWS
from models.every_table import FollowerChunk, FollowerSync
from models.ledger.followers.follower_changes import Move, moved


def followed(engine: Engine, account: str, openid: str, *, at: datetime) -> None:
    """Somebody subscribed."""
    moved(engine, account, [Move(openid=openid, at=at, left=False)])


def left(engine: Engine, account: str, openid: str, *, at: datetime) -> None:
    """Somebody unsubscribed."""
    moved(engine, account, [Move(openid=openid, at=at, left=True)])


def listed(
    engine: Engine, account: str, people: Sequence[str], *, at: datetime | None = None
) -> None:
    """Let our list of followers be these, which are sorted; *at*: since when, now if not said."""
    moment = at or datetime.now(UTC)
    facts = np.zeros(len(people), FACTS)
    facts["since"], facts["as_of"] = int(moment.timestamp()), int(moment.timestamp())
    facts["flags"] = FOLLOWS
    row = {
        "account": account,
        "started_by": "tests",
        "started_at": moment,
        "tail": "",
        "pages": 1,
        "listed": len(people),
        "finished_at": moment,
        "ended": "complete",
        "run": "one",
        "size": len(people),
        "followers": len(people),
        "joined": len(people),
        "left": 0,
    }
    with engine.begin() as connection:
        made = connection.execute(insert(FollowerSync).values(row)).inserted_primary_key
        sync_id = made[0] if made else 0
        connection.execute(
            insert(FollowerChunk).values(
                sync_id=sync_id,
                run="one",
                start=0,
                size=len(people),
                first_openid=people[0],
                last_openid=people[-1],
                openids=openids.pack("".join(people).encode()),
                facts=facts.tobytes(),
            )
        )
