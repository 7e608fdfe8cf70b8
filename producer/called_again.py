"""What speaks against the verdict "not sent" on a batch that a retry would call again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Engine

from broadcast.call.retry import RetryVerdict
from broadcast.call.waits import Waits
from broadcast.gates.kinds import GateKind
from broadcast.jobs import Job
from broadcast.reports import Report
from models.ledger.reading import jobs, possibly_sent, retry_verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """By the number of each batch: should the verdict be wrong, a retry sends it twice."""

    #: Jobs that WeChat ended, that no batch has, and that can be this one.
    ended: Mapping[int, Sequence[Job]] = field(default_factory=dict)
    #: How long ago its last call was of which WeChat no longer knows the key.
    forgotten: Mapping[int, timedelta] = field(default_factory=dict)


def look(engine: Engine, report: Report, *, waits: Waits) -> Against:
    """Return what speaks against calling the batches of a broadcast again."""
    # A retry of what is cancelled is refused in any case.
    if not report.batches["refused"] or report.gate(GateKind.CANCEL) is not None:
        return Against()
    if ended := jobs.of_called_not_sent(engine, report.account, report.id):
        return Against(ended=ended)
    left = retry_verdicts.look(engine, report.id)
    again = [n for one in left if one.verdict is RetryVerdict.AGAIN for n in one.numbers]
    return Against(forgotten=possibly_sent.forgotten_of(engine, report.id, again, waits=waits))
