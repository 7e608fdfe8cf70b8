"""Retry verdicts: what a retry does with a batch that is left over, and why."""

from __future__ import annotations

from enum import StrEnum

from broadcast.rules.calls.outcomes import MAY_PASS
from broadcast.rules.states import STOPPED_JOB, BatchState, Reason

#: Result of a retry for one batch; each has its text.
RetryVerdict = StrEnum(
    "RetryVerdict",
    {
        #: Refused for a reason that may pass, or by an operator's verdict: called again.
        "AGAIN": "again",
        "NEVER_CALLED": "never_called",  #: waits without ever having been called
        "SUPPRESSED": "suppressed",  #: refused, and some of its followers are suppressed by now
        #: Refused, and somebody in it was erased: its request cannot be made again.
        "ERASED": "erased",
        "WAITS": "waits",  #: refused for a while, or called again automatically
        "IN_DOUBT": "in_doubt",  #: only a person can settle it
        "MAYBE_SENT": "maybe_sent",  #: refused, but a call of it may have been taken
        "TAKEN": "taken",  #: a person said "not sent", but WeChat answered a call of it with 0
        "REVIEWED": "reviewed",  #: WeChat took it, and its review refused it
        "PERMANENT": "for_good",  #: refused for a reason that stays while content and OpenIDs do
    },
)


#: States of the batches that a retry has something to say about.
LEFT_OVER = frozenset(
    {
        BatchState.PLANNED,
        BatchState.CALLING,
        BatchState.UNKNOWN,
        BatchState.IN_DOUBT,
        BatchState.REFUSED,
    }
)


#: No refusal of WeChat's: what put a batch there may pass.
_PUT_BACK = frozenset({Reason.SAID_NOT_SENT, Reason.SUPPRESSED_SINCE})


def retry_verdict(
    state: BatchState,
    reason: Reason | None,
    *,
    errcode: int | None,
    called: bool,
    maybe_sent: bool,
    was_taken: bool,
) -> RetryVerdict:
    """Return what a retry does with a batch in one of the states of :data:`LEFT_OVER`.

    *called*: it has an attempt. *maybe_sent*: WeChat may have taken one of them, for all we know
    and no person denied. *was_taken*: WeChat answered one of them with 0.
    """
    match state:
        case BatchState.IN_DOUBT:
            return RetryVerdict.IN_DOUBT
        case BatchState.PLANNED if not called:
            return RetryVerdict.NEVER_CALLED
        case BatchState.REFUSED:
            return _refused(reason, errcode, maybe_sent=maybe_sent, was_taken=was_taken)
    return RetryVerdict.WAITS


def _refused(
    reason: Reason | None, errcode: int | None, *, maybe_sent: bool, was_taken: bool
) -> RetryVerdict:
    if reason in STOPPED_JOB:
        return RetryVerdict.REVIEWED
    if was_taken:
        return RetryVerdict.TAKEN
    if maybe_sent:
        return RetryVerdict.MAYBE_SENT
    passes = reason in _PUT_BACK or errcode in MAY_PASS
    return RetryVerdict.AGAIN if passes else RetryVerdict.PERMANENT
