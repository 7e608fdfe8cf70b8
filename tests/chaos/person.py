"""The person behind a run: looks in WeChat's console, settles every doubt, and sends the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from broadcast.rules.calls.operator_verdict import NotSent, OperatorVerdict, Sent
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.states import BatchState, Phase
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.ledger.outcomes import resolves
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import read
from models.ledger.steer import retries
from tests.kit.wait import until

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from broadcast.rules.reports import Report
    from tests.kit.simulator import Simulator
    from tests.kit.system import System

#: A retry is called at once, by workers that have nothing else to do.
RETRIED_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Doubt:
    """A batch in doubt, and the key under which WeChat has it if it took it."""

    broadcast_id: str
    n: int
    clientmsgid: str
    cancelled: bool


def doubts(engine: Engine) -> list[Doubt]:
    """Return the batches that only a person can settle."""
    with read(engine) as connection:
        rows = connection.execute(
            select(
                Batch.broadcast_id,
                Batch.n,
                Batch.clientmsgid,
                closed_gates.is_cancelled(BroadcastRow.id),
            )
            .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
            .where(Batch.state == BatchState.IN_DOUBT)
            .order_by(Batch.id)
        )
        return [Doubt(i, n, key, bool(cancelled)) for i, n, key, cancelled in rows]


def settle(system: System, simulator: Simulator, *, who: str) -> int:
    """Say of each doubt what is true, call again what was not sent; return how many there were.

    Raises AssertionError where a doubt stays, or something waits for its call in vain.
    """
    found = doubts(system.engine)
    for place, doubt in enumerate(found):
        jobs = simulator.jobs(clientmsgid=doubt.clientmsgid)
        verdict = _truth(jobs, is_read_off=place % 2 == 0)
        resolves.resolve(system.engine, doubt.broadcast_id, doubt.n, verdict=verdict, who=who)
    for broadcast_id in sorted({doubt.broadcast_id for doubt in found if not doubt.cancelled}):
        retries.retry(system.engine, broadcast_id, who=who)

    def all_settled() -> bool:
        return all(rests(system.report(doubt.broadcast_id)) for doubt in found)

    until(all_settled, RETRIED_WITHIN_S, "everything that a person called again to rest")
    assert not doubts(system.engine), "a person settled every doubt, and there still is one"
    return len(found)


def rests(report: Report) -> bool:
    """Tell whether nothing of a broadcast waits for a call."""
    if report.path is SendPath.SENDALL:
        # How many followers wait only WeChat knows.
        return report.phase is Phase.ENDED
    return report.recipients["waiting"] == 0


def _truth(jobs: Sequence[Mapping[str, Any]], *, is_read_off: bool) -> OperatorVerdict:
    """Return what the console shows: its jobs are there, but not always their numbers."""
    if not jobs:
        return NotSent()
    return Sent(jobs[0]["msg_id"]) if is_read_off else Sent()
