"""What the ledger says beside a report, in the structures that ``presentation`` takes."""

from __future__ import annotations

from sqlalchemy import Engine

from broadcast.reports import SKIPS, Report
from broadcast.states import BatchState
from models.ledger.reading import history, possibly_sent, recipients, reports, retry_verdicts
from presentation.blockers import Lanes
from presentation.next_steps import Circumstances, Doubt


def circumstances(engine: Engine, report: Report) -> Circumstances:
    """Return what is known of a broadcast beside its *report*, which has its batches.

    Raises DatabaseAwayError.
    """
    refused = report.batches["refused"]
    return Circumstances(
        doubts=_doubts(engine, report),
        left_over=retry_verdicts.look(engine, report.id) if refused else (),
        conflicts=history.conflicts(engine, report.id),
    )


def _doubts(engine: Engine, report: Report) -> list[Doubt]:
    unsettled = [line for line in report.batch_list if line.state is BatchState.IN_DOUBT]
    if not unsettled:
        return []
    named = possibly_sent.named_msg_ids(engine, report.id)
    called = possibly_sent.called_at(engine, report.id)
    return [
        Doubt(
            n=line.n, size=line.size, msg_ids=named.get(line.n, ()),
            first=called[line.n].first if line.n in called else None,
            last=called[line.n].last if line.n in called else None,
        )
        for line in unsettled
    ]  # fmt: skip


def skipped(engine: Engine, report: Report) -> dict[str, list[tuple[int, str]]]:
    """Return the first skipped lines by reason. Raises DatabaseAwayError."""
    # An upload has none, and no list of them yet.
    if not any(report.audience[name] for name in SKIPS):
        return {}
    return {one.reason: one.lines for one in recipients.skipped(engine, report.id)}


def lanes(engine: Engine) -> Lanes:
    """Read every lane. Raises DatabaseAwayError."""
    views, moment = reports.lanes(engine)
    return Lanes(by_account=views, now=moment)
