"""The kinds of line in the history, which is a log: nothing is decided by it."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What one line of the history records."""

    BATCH_MOVE = "batch.move"  #: from one state to another; without a batch: of several at once
    ILLEGAL_MOVE = "batch.illegal_move"  #: what followed from a reply was not allowed: a bug
    CONFLICT = "batch.conflict"  #: WeChat said otherwise than a person had said
    SUBMITTED = "broadcast.submitted"
    PLANNED = "broadcast.planned"
    SHRUNK = "broadcast.shrunk"  #: people were taken out of batches without an attempt
    ENDED = "broadcast.ended"  #: every batch is at rest, or at rest in another way than before
    OPERATOR_ACTION = "operator.action"  #: a person's command, whatever it moved
    GATE_CLOSED = "gate.closed"
    GATE_OPENED = "gate.opened"
    POLL_UNANSWERED = "poll.unanswered"  #: mass/get was asked about a job and did not answer
    TOKEN_DRIFT = "token.drift"  # noqa: S105 - another program replaced the access_token
