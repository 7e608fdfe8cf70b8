"""Calls: none without an attempt that was committed before it.

What the ledger can show of it: the attempts of a batch are numbered without a gap, there is one for
each time that the batch was called by its history, each ended after it began and was heard of no
sooner, and together they explain where the batch stands. Where a person closed a doubt, his word
explains it, until the batch moves on: from then on its calls must again, without those that he said
were not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from broadcast.call.attempts import Reason
from broadcast.call.outcomes import Outcome
from broadcast.states import BatchState
from models.ledger.audit import history, operator_verdicts
from models.ledger.audit.findings import Finding, Found
from models.ledger.audit.snapshot import BatchCase, Call, Case


def check(case: Case) -> Iterator[Finding]:
    """Yield calls that nobody wrote down, and states that no call explains."""
    for batch in case.batches:
        yield from _numbers(case, batch)
        yield from _claims(case, batch)
        for call, end in zip(batch.calls, history.ends_of(batch), strict=True):
            yield from _whole(case, batch, call, by_clock=history.ended_backwards(call, end))
        yield from _denied(case, batch)
        if batch.state is not None and not explains(batch):
            yield case.finding(
                Found.UNEXPLAINED, batch, state=batch.written, outcomes=_outcomes(batch.calls)
            )


def _numbers(case: Case, batch: BatchCase) -> Iterator[Finding]:
    numbers = [call.number for call in batch.calls]
    first = batch.calls[0].started_at if batch.calls else None
    counted = numbers == list(range(1, batch.attempts + 1))
    if not counted or batch.first_called_at != first:
        told = ", ".join(map(str, numbers)) or "-"
        yield case.finding(
            Found.NUMBERS, batch, said=batch.attempts, numbers=told,
            at=batch.first_called_at or "-", first=first or "-",
        )  # fmt: skip


def _claims(case: Case, batch: BatchCase) -> Iterator[Finding]:
    path = history.of_batch(batch)
    if not path.gaps and len(path.ends) != len(batch.calls):
        yield case.finding(Found.CLAIMS, batch, moves=len(path.ends), attempts=len(batch.calls))
    for call, end in zip(batch.calls, path.ends, strict=False):
        if end is None or call.started_at <= end.at:
            continue
        if not history.ended_backwards(call, end):
            yield case.finding(
                Found.WRITTEN_LATE, batch, number=call.number, at=call.started_at, end=end.at
            )


def _whole(case: Case, batch: BatchCase, call: Call, *, by_clock: bool) -> Iterator[Finding]:
    half = (
        len({word is None for word in (call.outcome, call.ended_at, call.outcome_recorded_at)}) > 1
    )
    backwards = call.ended_at is not None and call.ended_at < call.started_at and not by_clock
    if half or backwards or _heard_early(call) or call.account != batch.account:
        yield case.finding(
            Found.TORN, batch, number=call.number, outcome=call.outcome or "-",
            start=call.started_at, end=call.ended_at or "-", heard=call.outcome_recorded_at or "-",
            account=call.account,
        )  # fmt: skip
    if call.fence > case.lane.fence:
        yield case.finding(
            Found.FENCE, batch, number=call.number, fence=call.fence, lane=case.lane.fence
        )


def _heard_early(call: Call) -> bool:
    """Tell whether a word on *call* was stored before it ended: none is, whatever the clock did."""
    if call.ended_at is None or call.outcome_recorded_at is None:
        return False
    return call.outcome_recorded_at < call.ended_at


def _denied(case: Case, batch: BatchCase) -> Iterator[Finding]:
    """Yield where a person's "not sent" was trusted too far, or was never said.

    A reply 0 can be denied only for another msg_id under which the batch was taken.
    Halves have keys of their own: if he was wrong, nothing would keep them from a second send. And
    a refused batch is called again only if no call of it can have been taken.
    """
    if batch.state is BatchState.SPLIT:
        for call in batch.calls:
            if call.denied:
                yield case.finding(Found.HALVED, batch, number=call.number)
    if batch.state not in _TAKEN and batch.reason is not Reason.REVIEW_REFUSED:
        for call in batch.calls:
            if call.denied and call.outcome is Outcome.ACCEPTED:
                yield case.finding(
                    Found.DENIED, batch, number=call.number, msg_id=call.msg_id or "-"
                )
    before = max(history.of_batch(batch).again, default=0)
    for call in operator_verdicts.calls_of(batch)[:before]:
        # One that said "accepted" may have said so after the batch was put back.
        if call.taken and not call.said_accepted:
            yield case.finding(Found.CALLED_AGAIN, batch, number=call.number)


#: States in which a batch counts as taken, or as not known.
_TAKEN = frozenset({BatchState.ACCEPTED, BatchState.FINISHED, BatchState.IN_DOUBT})


def explains(batch: BatchCase) -> bool:
    """Tell whether the calls of a batch, or a person's word on them, lead to where it stands."""
    state = batch.state
    if state is BatchState.REFUSED and batch.reason is Reason.REVIEW_REFUSED:
        # Only a job that was taken is reviewed.
        state = BatchState.FINISHED
    calls = operator_verdicts.calls_of(batch)
    return state is not None and (_LEADS_TO[state](calls) or _by_word(batch, state, calls))


def proves(batch: BatchCase) -> bool:
    """Tell whether a reply proves that WeChat took the batch."""
    return _LEADS_TO[BatchState.ACCEPTED](operator_verdicts.calls_of(batch))


def _by_word(batch: BatchCase, state: BatchState, calls: Sequence[Call]) -> bool:
    said = operator_verdicts.of_person(batch)
    if said is BatchState.ACCEPTED:
        return state in {BatchState.ACCEPTED, BatchState.FINISHED}
    # An "already accepted" that comes later and proves nothing does not undo the word.
    taken = any(call.taken and call.outcome is not Outcome.ALREADY_ACCEPTED for call in calls)
    return said is state is BatchState.REFUSED and not taken


def _never_sent(calls: Sequence[Call]) -> bool:
    return not any(call.taken for call in calls)


def _said(calls: Sequence[Call]) -> bool:
    return any(call.outcome is Outcome.ACCEPTED and not call.denied for call in calls)


def _runs(calls: Sequence[Call]) -> bool:
    return bool(calls) and calls[-1].outcome is None and not _said(calls)


def _split(calls: Sequence[Call]) -> bool:
    blamed = any(call.outcome is Outcome.BAD_RECIPIENTS for call in calls)
    return blamed and _never_sent(calls)


def _was_called(calls: Sequence[Call]) -> bool:
    return any(call.outcome is not Outcome.NOT_CALLED for call in calls)


def _about_us(calls: Sequence[Call]) -> bool:
    """Tell whether an "already accepted" can speak of an earlier call, or mass/get proved it."""
    return any(
        call.outcome is Outcome.ALREADY_ACCEPTED
        and not call.denied
        and (call.confirmed or any(_was_open(earlier, call) for earlier in calls[:place]))
        for place, call in enumerate(calls)
    )


def _was_open(call: Call, then: Call) -> bool:
    """Tell whether nobody knew what became of *call* when the reply of *then* was written down.

    It may be known since: a driver who lost his lane brought a refusal, or had not called at all.
    """
    if call.maybe_sent or call.outcome_recorded_at is None or then.outcome_recorded_at is None:
        return True
    return call.outcome_recorded_at >= then.outcome_recorded_at


_LEADS_TO: Mapping[BatchState, Callable[[Sequence[Call]], bool]] = {
    BatchState.PLANNED: _never_sent,
    BatchState.CANCELLED: _never_sent,
    BatchState.CALLING: _runs,
    BatchState.UNKNOWN: lambda calls: not _never_sent(calls) and not _said(calls),
    BatchState.ACCEPTED: lambda calls: _said(calls) or _about_us(calls),
    BatchState.FINISHED: lambda calls: _said(calls) or _about_us(calls),
    BatchState.REFUSED: lambda calls: _never_sent(calls) and _was_called(calls),
    BatchState.SPLIT: _split,
    # A late word may have said since that the doubtful call was refused, or never made.
    BatchState.IN_DOUBT: bool,
}


def _outcomes(calls: Sequence[Call]) -> str:
    return ", ".join(call.outcome or Outcome.UNKNOWN for call in calls) or "-"
