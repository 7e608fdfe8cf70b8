"""States of a batch and the moves between them, phases of a broadcast, and the states readers see.

The ledger asks :func:`move` before it writes a batch's state; what the table does not allow raises,
because an illegal move is a bug. A move to the same state is legal everywhere: everything arrives
twice. A broadcast has a phase, gates (:mod:`broadcast.rules.gates.gate`) and, once it is at rest, a
result; the state that a reader sees is derived from them
(:mod:`broadcast.rules.gates.shown_states`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from broadcast.data_files import rows
from broadcast.errors import IllegalMoveError

BatchState = StrEnum(
    "BatchState", "PLANNED CALLING UNKNOWN ACCEPTED FINISHED REFUSED CANCELLED IN_DOUBT SPLIT"
)
BatchState.__doc__ = "The state of one batch (one call)."


#: Progress of a broadcast; its gates alone forbid calls.
Phase = StrEnum(
    "Phase",
    [
        "UPLOADING",  #: its audience is being stored; no lane sees it yet
        "PLANNING",  #: published: the worker resolves, subtracts, cuts and proves
        "SENDING",  #: its batches are there, and may be called unless a gate forbids it
        "ENDED",  #: every batch is at rest; only a retry opens it again
    ],
)


#: Shown state of a broadcast (the words of ``--json``).
BroadcastState = StrEnum(
    "BroadcastState",
    [
        "UPLOADING",
        "SCHEDULED",  #: waits for its time
        "PLANNING",
        "AWAITING_APPROVAL",  #: waits for a second person
        "WAITING",  #: planned, no call yet
        "SENDING",  #: at least one call was made
        "PAUSED",  #: stopped by a person, or by a refusal that concerns all its batches
        "HELD",  #: a person must act: the plan does not fit, or batches are in doubt
        "COMPLETED",  #: every batch accepted
        "PARTIAL",  #: at rest, some accepted, some not
        "FAILED",  #: at rest, none accepted, or nobody was left to send to
        "CANCELLED",  #: an operator cancelled it; the sets show what was taken before
    ],
)


B = BatchState
S = BroadcastState

#: Shown where nothing is left that a person or a worker could send by going on.
SHOWN_DONE = frozenset({S.COMPLETED, S.PARTIAL, S.FAILED, S.CANCELLED})
#: Shown where nothing more happens without a person or WeChat's review.
SHOWN_AT_REST = SHOWN_DONE | {S.HELD, S.PAUSED, S.AWAITING_APPROVAL}

State = TypeVar("State", bound=StrEnum)


def moves(states: type[State], table: Iterable[Mapping[str, str]]) -> dict[State, frozenset[State]]:
    """Return the states that may follow each state, as its row of a table says."""
    return {states(row["state"]): frozenset(map(states, row["next"].split())) for row in table}


_STATES = rows(__file__, "batch_states.csv")
BATCH_MOVES = moves(BatchState, _STATES)
#: In which set the followers of a batch are; those of a split one are counted by its children.
SET_OF = {row["state"]: row["set"] for row in _STATES if row["set"]}

#: WeChat has its job.
SENT = frozenset({B.ACCEPTED, B.FINISHED})
#: States in which a batch needs nothing more from a lane. Every other state, one that this release
#: does not know as well, counts as open.
BATCH_AT_REST = SENT | {B.REFUSED, B.CANCELLED, B.IN_DOUBT, B.SPLIT}
#: Phases in which something may be left to do.
OPEN_PHASES = (Phase.PLANNING, Phase.SENDING)
#: Phases in which nothing of it was called yet.
UNCALLED_PHASES = frozenset({Phase.UPLOADING, Phase.PLANNING})


def move(
    table: Mapping[BatchState, frozenset[BatchState]], old: BatchState, new: BatchState
) -> BatchState:
    """Return *new* if the table leads there from *old*; raise :class:`IllegalMoveError` if not."""
    if new != old and new not in table.get(old, frozenset()):
        raise IllegalMoveError(f"{type(old).__name__}: {old} -> {new}")
    return new


def resting_state(batches: Mapping[BatchState, int]) -> BroadcastState | None:
    """Return the result of a broadcast whose batches stand so, or None while one is not at rest.

    *batches* counts the batches in each state; those that were split count by their children. None
    also without any batch: what is not cut yet has neither reached nor failed anybody.
    """
    if any(count and state not in BATCH_AT_REST for state, count in batches.items()):
        return None
    counted = {state: count for state, count in batches.items() if count and state != B.SPLIT}
    if not counted:
        return None
    good = counted.get(B.ACCEPTED, 0) + counted.get(B.FINISHED, 0)
    if counted.get(B.IN_DOUBT):
        return S.HELD
    if good == sum(counted.values()):
        return S.COMPLETED
    if good:
        return S.PARTIAL
    return S.CANCELLED if set(counted) == {B.CANCELLED} else S.FAILED


#: Reason why a batch, a broadcast or an account waits or is stopped; each has its text.
Reason = StrEnum(
    "Reason",
    {
        "NONE": "",
        "REPEAT_UNKNOWN": "repeat_unknown",
        "THROTTLED": "throttled",
        "WECHAT_NOT_READY": "wechat_not_ready",
        #: It cannot be reached, or refuses to work: no token and no pace.
        "REDIS_AWAY": "redis_away",
        "QUOTA_TODAY": "quota_today",
        #: Its calls of today are made, the rest has days to come.
        "SPREAD_OVER_DAYS": "spread_over_days",
        "QUOTA_MONTH": "quota_month",
        "CONTENT_REFUSED": "content_refused",
        #: Our client could write no request; nothing was called.
        "REQUEST_NOT_MADE": "request_not_made",
        "ACCOUNT_STOPPED": "account_stopped",
        "APPID_CHANGED": "appid_changed",
        "TOKEN_REFUSED": "token_refused",
        "RECIPIENTS_REFUSED": "recipients_refused",
        "TWO_MSG_IDS": "two_msg_ids",
        "FOREIGN_MSG_ID": "foreign_msg_id",
        "UNPROVED_ACCEPTANCE": "unproved_acceptance",
        "WINDOW_CLOSED": "window_closed",
        "TOO_MANY_REFUSALS": "too_many_refusals",
        "TOO_MANY_DOUBTS": "too_many_doubts",
        "TOO_OFTEN_UNKNOWN": "too_often_unknown",
        "REFUSED_AFTER_UNKNOWN": "refused_after_unknown",
        "ILLEGAL_MOVE": "illegal_move",
        "STOPPED_WHILE_UNKNOWN": "stopped_while_unknown",
        "REVIEW_REFUSED": "review_refused",
        "JOB_FAILED": "job_failed",  #: WeChat accepted the job, and reports that it failed
        #: WeChat took the call, and nobody knows whether the administrator confirmed it.
        "ADMINISTRATOR_UNKNOWN": "administrator_unknown",
        #: An operator: the administrator did not confirm what WeChat took.
        "UNCONFIRMED": "unconfirmed",
        "TAG_UNANSWERED": "tag_unanswered",  #: WeChat does not say who has a tag that it names
        "SUPPRESSION_LIST": "suppression_list",  #: of WeChat's own list nobody can be left out
        "SUPPRESSED_SINCE": "suppressed_since",  #: between a retry of the batch and its call
        "PLAN_DOES_NOT_FIT": "plan_does_not_fit",
        "MISSED_TIME": "missed_time",
        "OTHER_PLACE": "other_place",  #: the database is not where it made its calls: it is a copy
        "COUNTER_BEHIND": "counter_behind",  #: more calls were claimed than the database knows
        "WORK_FORGOTTEN": "work_forgotten",  #: workers were at work on it later than it knows
        #: Redis is empty, and WeChat refuses to say how many calls the account made today.
        "CALLS_UNCOUNTED": "calls_uncounted",
        "OPT_OUT_UNAPPLIED": "opt_out_unapplied",  #: of a follower, by a message; it is tried again
        "REDIS_EMPTY": "redis_empty",  #: nobody knows whether the database is older than its calls
        "DRAFT_EDITED": "draft_edited",  #: it says something else than what was to go out
        "DRAFT_GONE": "draft_gone",  #: WeChat has it no more, before anything was accepted
        "DRAFT_UNREAD": "draft_unread",  #: WeChat does not say what it says
        "MEDIA_NOT_RENEWED": "media_not_renewed",  #: a file that died could not be uploaded again
        "TOO_FEW": "too_few",
        "NOBODY_LEFT": "nobody_left",  #: everybody on the list was left out
        "BY_HAND": "by_hand",
        "SAID_SENT": "said_sent",
        "SAID_NOT_SENT": "said_not_sent",
    },
)


#: Of a batch whose job WeChat accepted, and then ended without sending it to anybody.
STOPPED_JOB = frozenset({Reason.REVIEW_REFUSED, Reason.JOB_FAILED, Reason.UNCONFIRMED})


class WebhookState(StrEnum):
    """State of a webhook's event."""

    #: It is to be delivered, for the first time or once more.
    WAITING = "waiting"
    #: The receiver answered 2xx.
    DELIVERED = "delivered"
    #: The receiver answered 410, or a day passed; only a person has it tried again.
    GIVEN_UP = "given_up"


#: State of a notice on its way to one receiver.
NoticeState = StrEnum(
    "NoticeState",
    [
        "WAITING",
        "SENT",  #: the receiver confirmed it
        "PASSED",  #: it was so no more before it was posted
        "GIVEN_UP",  #: a day passed; only a person has it tried again
    ],
)
