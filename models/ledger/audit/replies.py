"""WeChat's words: each accepted batch has one msg_id, and no msg_id has two batches.

A reply that contradicts another one is evidence and stays on its attempt; its batch is then in
doubt, and that is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from broadcast.states import BatchState
from models.ledger.audit import calls, operator_verdicts
from models.ledger.audit.findings import Finding, Found
from models.ledger.audit.snapshot import BatchCase, Case

#: States in which a msg_id is the batch's own.
OWNING = frozenset({BatchState.ACCEPTED, BatchState.FINISHED})


def check(case: Case) -> Iterator[Finding]:
    """No batch with two msg_ids, none with one that no call brought, none that shares its own."""
    for batch in case.batches:
        yield from _own(case, batch)
    for one in case.shared:
        yield case.finding(
            Found.SHARED_MSG_ID, one.n, msg_id=one.msg_id, owner=one.owner_id, other=one.owner_n
        )


def _own(case: Case, batch: BatchCase) -> Iterator[Finding]:
    said = sorted(_said(batch))
    told = ", ".join(map(str, said)) or "-"
    if len(said) > 1:
        if batch.state is not BatchState.IN_DOUBT:
            yield case.finding(Found.TWO_MSG_IDS, batch, msg_ids=told, state=batch.written)
    elif batch.state in OWNING and not _fits(batch, next(iter(said), None)):
        yield case.finding(Found.OTHER_MSG_ID, batch, msg_id=batch.msg_id or "-", said=told)


def _said(batch: BatchCase) -> set[int]:
    """Return the msg_ids that WeChat named and no person denied."""
    said = [
        call for call in operator_verdicts.calls_of(batch) if call.said_accepted and not call.denied
    ]
    return {call.msg_id for call in said if call.msg_id is not None}


def _fits(batch: BatchCase, said: int | None) -> bool:
    """Tell whether a batch has the msg_id that was *said*.

    A person may have named one that no reply did, and an "already accepted" that proves nothing
    does not take its place.
    """
    if operator_verdicts.says_sent(batch) and (said is None or not calls.proves(batch)):
        return batch.msg_id is not None
    return batch.msg_id == said
