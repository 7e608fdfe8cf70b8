"""The kinds of line in the history: what may happen to a batch, a broadcast, a lane, a token."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What one line of the history tells."""

    BATCH_MOVE = "batch.move"  #: from one state to another
    ILLEGAL_MOVE = "batch.illegal_move"  #: what followed from a reply was not allowed: a bug
    CONTRADICTION = "batch.contradiction"  #: WeChat said otherwise than a person had said
    BROADCAST_MOVE = "broadcast.move"
    BROADCAST_WORD = "broadcast.word"  #: a person's command, whatever it moved
    LANE_HALT = "lane.halt"  #: by a person
    LANE_STOP = "lane.stop"  #: by a reply that concerns the whole account, or by a guard
    LANE_UNHALT = "lane.unhalt"  #: a person lets it go on
    GUARD = "guard"  #: what repeated itself paused a broadcast or stopped an account
    POLL_UNANSWERED = "poll.unanswered"  #: mass/get was asked about a job and told nothing of it
    TOKEN_DRIFT = "token.drift"  # noqa: S105 - another program replaced the access_token


#: In which of them a state changes.
MOVES = frozenset({EventKind.BATCH_MOVE, EventKind.BROADCAST_MOVE})
#: After which no call of a lane may start, until one of LANE_UNHALT.
LANE_STOPS = frozenset({EventKind.LANE_HALT, EventKind.LANE_STOP})
