"""Calls: none without an attempt that was committed before it, and none that WeChat contradicts.

The attempts of a batch are numbered without a gap, each is whole, and together they explain where
the batch stands. Where a person settled a doubt, the batch says so (``settled_after``, its reason),
and that explains it until it is called again: from then on its calls must, without those that the
person said were not taken. A denial of a call that was made after that counts for nothing.

A call that vanished is found by its number; one that nobody claimed by the lane's own count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.finish_events import JobEnd
from broadcast.rules.states import SENT, STOPPED_JOB, BatchState, Reason
from models.ledger.audit.case import AuditedBatch, Call, Case, Finding, Found
from models.ledger.outcomes.recorded_ends import ENDED, FAILED


def check_calls(case: Case) -> Iterator[Finding]:
    """Yield calls that were not written down, or only in part, and states that none explains.

    What a newer release wrote is for that release to explain.
    """
    for batch in case.batches:
        yield from _numbers(case, batch)
        for call in batch.calls:
            yield from _whole(case, batch, call)
        if not batch.is_understood:
            continue
        yield from _denied(case, batch)
        if not explains(batch):
            yield case.finding(
                Found.UNEXPLAINED, batch, state=batch.state, outcomes=_outcomes(batch.calls)
            )


def _numbers(case: Case, batch: AuditedBatch) -> Iterator[Finding]:
    numbers = [call.number for call in batch.calls]
    first = batch.calls[0].started_at if batch.calls else None
    if numbers != list(range(1, batch.attempts + 1)) or batch.first_called_at != first:
        yield case.finding(
            Found.NUMBERS,
            batch,
            said=batch.attempts,
            numbers=", ".join(map(str, numbers)) or "-",
            at=batch.first_called_at or "-",
            first=first or "-",
        )


def _whole(case: Case, batch: AuditedBatch, call: Call) -> Iterator[Finding]:
    ended, recorded = call.ended_at, call.outcome_recorded_at
    half = len({part is None for part in (call.outcome, ended, recorded)}) > 1
    # Whatever the clock does, a verdict on a call is stored at its end or later.
    early = ended is not None and recorded is not None and recorded < ended
    if half or early or call.account != batch.account:
        yield case.finding(
            Found.TORN,
            batch,
            number=call.number,
            outcome=call.outcome or "-",
            start=call.started_at,
            end=ended or "-",
            heard=recorded or "-",
            account=call.account,
        )
    if call.fence > case.lane.fence:
        yield case.finding(
            Found.FENCE, batch, number=call.number, fence=call.fence, lane=case.lane.fence
        )


def _denied(case: Case, batch: AuditedBatch) -> Iterator[Finding]:
    """Yield where a person's "not sent" was trusted too far, or was never said.

    A reply 0 can be denied only for another msg_id under which the batch was taken. Halves have
    keys of their own: if the person was wrong, nothing would keep them from a second send. And a
    refused batch is called again only if no call of it can have been taken.
    """
    for call in batch.calls:
        if call.denied and batch.state is BatchState.SPLIT:
            yield case.finding(Found.HALVED, batch, number=call.number)
        sent = batch.state in _TAKEN or batch.reason in STOPPED_JOB
        if call.denied and call.outcome is Outcome.ACCEPTED and not sent:
            yield case.finding(Found.DENIED, batch, number=call.number, msg_id=call.msg_id or "-")
    begins = [call.number for call in batch.calls if call.begins_anew]
    again = batch.attempts + 1 if batch.begins_anew else max(begins, default=0)
    if (batch.settled_after or 0) >= again:
        # What was said after the retry may have taken the earlier word back.
        return
    for call in undenied(batch):
        # One that said "accepted" may have said so after the batch was put back.
        if call.number < again and call.taken and not call.said_accepted:
            yield case.finding(Found.CALLED_AGAIN, batch, number=call.number)


#: States in which a batch counts as taken, or as not known.
_TAKEN = SENT | {BatchState.IN_DOUBT}


def undenied(batch: AuditedBatch) -> Sequence[Call]:
    """Return the calls of a batch, denied only where a person can have denied them."""
    spoken = batch.settled_after or 0
    return [replace(c, denied=bool(c.denied) and c.number <= spoken) for c in batch.calls]


def _standing_verdict(batch: AuditedBatch) -> BatchState | None:
    """Return the state that an operator gave the batch, if nothing has replaced it."""
    if batch.settled_after is None:
        return None
    if batch.reason in STOPPED_JOB and batch.msg_id is not None:
        # The review came after the verdict, of the job that an operator named.
        return BatchState.ACCEPTED
    return {Reason.SAID_SENT: BatchState.ACCEPTED, Reason.SAID_NOT_SENT: BatchState.REFUSED}.get(
        batch.reason or Reason.NONE
    )


def explains(batch: AuditedBatch) -> bool:
    """Return whether the calls of a batch, or an operator's verdict on them, lead to its state."""
    state, calls, said = batch.state, undenied(batch), _standing_verdict(batch)
    if _was_stopped(batch):
        # Only a job that was taken is reviewed.
        state = BatchState.FINISHED
    if state in _leads_to(calls):
        return True
    if said is BatchState.ACCEPTED:
        return state in SENT
    # An "already accepted" that comes later and proves nothing does not undo the verdict.
    taken = any(call.taken and call.outcome is not Outcome.ALREADY_ACCEPTED for call in calls)
    return said is state is BatchState.REFUSED and not taken


def _leads_to(calls: Sequence[Call]) -> set[BatchState]:
    """Return where a batch may stand after *calls*."""
    # A late word may have said since that a doubtful call was refused, or never made.
    states = {BatchState.IN_DOUBT} if calls else set()
    outcomes = {call.outcome for call in calls}
    said = any(call.outcome is Outcome.ACCEPTED and not call.denied for call in calls)
    if said or _about_us(calls):
        states |= SENT
    if not said and any(call.taken for call in calls):
        states.add(BatchState.UNKNOWN)
    if not said and calls and calls[-1].outcome is None:
        states.add(BatchState.CALLING)
    if not any(call.taken for call in calls):
        states |= {BatchState.PLANNED, BatchState.CANCELLED}
        if outcomes - {Outcome.NOT_CALLED}:
            states.add(BatchState.REFUSED)
        if Outcome.BAD_RECIPIENTS in outcomes:
            states.add(BatchState.SPLIT)
    return states


def _about_us(calls: Sequence[Call]) -> bool:
    """Return whether an "already accepted" can speak of an earlier call, or mass/get proved it."""
    return any(
        call.outcome is Outcome.ALREADY_ACCEPTED
        and not call.denied
        and (call.confirmed or any(_was_open(earlier, call) for earlier in calls[:place]))
        for place, call in enumerate(calls)
    )


def _was_open(call: Call, then: Call) -> bool:
    """Return whether nobody knew what became of *call* when the reply of *then* was written down.

    It may be known since: a driver that lost its lane brought a refusal, or had not called at all.
    """
    if call.maybe_sent or call.outcome_recorded_at is None or then.outcome_recorded_at is None:
        return True
    return call.outcome_recorded_at >= then.outcome_recorded_at


def _outcomes(calls: Sequence[Call]) -> str:
    return ", ".join(call.outcome or Outcome.UNKNOWN for call in calls) or "-"


# msg_ids


def msg_ids(case: Case) -> Iterator[Finding]:
    """No batch with two msg_ids, none with one that no call brought, none that shares its own.

    A reply that contradicts another one is evidence and stays on its attempt; its batch is then in
    doubt, and that is no finding.
    """
    for batch in case.batches:
        if not batch.is_understood:
            continue
        said = sorted(_named(batch))
        listed = ", ".join(map(str, said)) or "-"
        if len(said) > 1:
            if batch.state is not BatchState.IN_DOUBT:
                yield case.finding(Found.TWO_MSG_IDS, batch, msg_ids=listed, state=batch.state)
        elif batch.state in SENT and not _fits(batch, next(iter(said), None)):
            yield case.finding(Found.OTHER_MSG_ID, batch, msg_id=batch.msg_id or "-", said=listed)


def _named(batch: AuditedBatch) -> set[int]:
    """Return the msg_ids that WeChat named and no person denied."""
    said = [call for call in undenied(batch) if call.said_accepted and not call.denied]
    return {call.msg_id for call in said if call.msg_id is not None}


def _fits(batch: AuditedBatch, said: int | None) -> bool:
    """Return whether a batch has the msg_id that was *said*.

    An operator may have named one that no reply did, or none, and an "already accepted" that proves
    nothing does not take its place. Where there is none, nobody was asked about one either.
    """
    by_hand = _standing_verdict(batch) is BatchState.ACCEPTED
    if by_hand and (said is None or BatchState.ACCEPTED not in _leads_to(undenied(batch))):
        return batch.msg_id is not None or not batch.is_asked_about
    return batch.msg_id == said


def check_finishes(case: Case) -> Iterator[Finding]:
    """Yield batches that an event passed by, and ends that nothing reported."""
    for batch in case.batches:
        if not batch.is_understood or batch.msg_id is None:
            continue
        if batch.ended in {JobEnd.SENT, JobEnd.REFUSED}:
            if not _is_met(batch):
                yield case.finding(
                    Found.UNMET, batch, state=batch.state, status=batch.event_status or "-"
                )
        elif not _is_reported(batch):
            yield case.finding(
                Found.UNREPORTED, batch, state=batch.state, status=batch.msg_status or "-"
            )


def _was_stopped(batch: AuditedBatch) -> bool:
    return batch.state is BatchState.REFUSED and batch.reason in STOPPED_JOB


def _is_met(batch: AuditedBatch) -> bool:
    """Return whether a batch is where the event of its job leads."""
    if batch.state is BatchState.ACCEPTED or batch.poll_at is not None:
        return False
    if batch.state is BatchState.FINISHED:
        return batch.ended is JobEnd.SENT
    return not _was_stopped(batch) or batch.ended is JobEnd.REFUSED


def _is_reported(batch: AuditedBatch) -> bool:
    """Return whether mass/get reported the end of a batch without an event."""
    if batch.state is BatchState.FINISHED:
        return batch.msg_status in ENDED
    # Of what the administrator did not confirm, a person said it.
    stopped = batch.msg_status == FAILED or batch.reason is Reason.UNCONFIRMED
    return not _was_stopped(batch) or stopped
