"""The verdict on finish events: none that was answered is lost, and the counts are WeChat's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from broadcast.rules.finish_events import Counts, Delivered
from broadcast.rules.states import BatchState
from models.batch_tables import Batch
from models.box_tables import Finish
from models.ledger.rows.transaction import read
from models.ledger.views import broadcast_reports

if TYPE_CHECKING:
    from sqlalchemy import Engine

_MSG_ID = re.compile(r"<MsgID>(\d+)</MsgID>")
_TAKEN = (BatchState.ACCEPTED, BatchState.FINISHED)


def lost(engine: Engine, pushes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the finish events that were answered and are not kept, or whose batch missed them."""
    answered = {
        int(found[1])
        for push in pushes
        if push["state"] == "handled" and (found := _MSG_ID.search(str(push["body"])))
    }
    with read(engine) as connection:
        kept = set(connection.scalars(select(Finish.msg_id)))
        batches = connection.execute(select(Batch.msg_id, Batch.state)).all()
    missed = {
        msg_id for msg_id, state in batches if msg_id in kept and state is BatchState.ACCEPTED
    }
    gone = [f"END ANSWERED AND LOST: msg_id {msg_id}" for msg_id in sorted(answered - kept)]
    return gone + [f"END NOT MET: msg_id {msg_id}" for msg_id in sorted(missed)]


def miscounted(engine: Engine, jobs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the broadcasts whose report does not add up the *jobs* whose end is kept."""
    figures = {job["msg_id"]: job for job in jobs}
    with read(engine) as connection:
        kept = connection.execute(
            select(Batch.broadcast_id, Batch.msg_id)
            .join(Finish, (Finish.msg_id == Batch.msg_id) & (Finish.account == Batch.account))
            .where(Batch.state.in_(_TAKEN))
        ).all()
    found = []
    for one in broadcast_reports.reports(engine, most=1_000_000):
        ended = [figures[msg_id] for broadcast_id, msg_id in kept if broadcast_id == one.id]
        if one.delivered != (expected := _added_up(ended)):
            found.append(f"MISCOUNTED: {one.id}: {one.delivered} and not {expected}")
    return found


def _added_up(jobs: list[Mapping[str, Any]]) -> Delivered:
    if not jobs:
        return Delivered()
    total, eligible, errors = (
        sum(job[name] for job in jobs) for name in ("total", "eligible", "errors")
    )
    counts = Counts(total=total, eligible=eligible, sent=eligible - errors, errors=errors)
    return Delivered(jobs=len(jobs), counts=counts)
