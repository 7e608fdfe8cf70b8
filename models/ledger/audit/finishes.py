"""Finish events: each batch stands where its job ended by the event, or else by mass/get.

Whose an event is, its msg_id says; that no msg_id has two batches is a check of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from broadcast.finish import Ending
from broadcast.reasons import STOPPED_JOB
from broadcast.states import BatchState
from models.ledger.audit.case import AuditedBatch, Case
from models.ledger.audit.findings import Finding, Found
from models.ledger.results import ENDED, FAILED


def check(case: Case) -> Iterator[Finding]:
    """Yield batches that an event passed by, and ends that nothing reported."""
    for batch in case.batches:
        if not batch.is_understood or batch.msg_id is None:
            continue
        if batch.ended in {Ending.SENT, Ending.REFUSED}:
            if not _is_met(batch):
                yield case.finding(
                    Found.UNMET, batch, state=batch.state, status=batch.event_status or "-"
                )
        elif not _is_reported(batch):
            yield case.finding(
                Found.UNREPORTED, batch, state=batch.state, status=batch.msg_status or "-"
            )


def _is_met(batch: AuditedBatch) -> bool:
    """Tell whether a batch stands where the event of its job leads."""
    if batch.state is BatchState.ACCEPTED or batch.poll_at is not None:
        return False
    if batch.state is BatchState.FINISHED:
        return batch.ended is Ending.SENT
    by_review = batch.state is BatchState.REFUSED and batch.reason in STOPPED_JOB
    return not by_review or batch.ended is Ending.REFUSED


def _is_reported(batch: AuditedBatch) -> bool:
    """Tell whether mass/get reported the end at which a batch without an event stands."""
    if batch.state is BatchState.FINISHED:
        return batch.msg_status in ENDED
    by_review = batch.state is BatchState.REFUSED and batch.reason in STOPPED_JOB
    return not by_review or batch.msg_status == FAILED
