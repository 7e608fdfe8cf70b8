"""Clock: moments that contradict the order in which the ledger was written.

Ids grow in the order of writing. A database whose clock was set back gives a later line an earlier
moment, and its calls would look as if they had overlapped or been made after a stop. Where ids and
both records of the end of a call prove the right order, that is told as what it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from models.ledger.audit import history, stops
from models.ledger.audit.findings import Finding, Found
from models.ledger.audit.snapshot import Case


def check(case: Case) -> Iterator[Finding]:
    """Yield one finding for each call around which the clock went back."""
    for batch in case.batches:
        ends = history.ends_of(batch)
        for call, end in zip(batch.calls, ends, strict=True):
            earlier, later = call.ended_at, call.started_at
            if not history.ended_backwards(call, end):
                stop = stops.written_after(case, call, end)
                if stop is None or end is None:
                    continue
                earlier, later = stop.at, end.at
            yield case.finding(
                Found.CLOCK, batch, number=call.number, earlier=earlier or "-", later=later
            )
