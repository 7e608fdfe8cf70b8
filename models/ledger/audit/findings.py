"""Findings: the checks by name, and what each can find."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from broadcast.frozen import frozen

#: What fills a placeholder of a text: a word of the ledger, a figure or a moment.
Fact: TypeAlias = str | int | datetime


class Check(StrEnum):
    """One sentence of the promise each, in the order in which they are reported."""

    SETS = "sets"  #: everybody who was read stands in exactly one set, and the sets add up
    ONCE = "once"  #: no OpenID stands in two batches of one broadcast
    HALVES = "halves"  #: the halves of a split batch are exactly their parent
    MSG_IDS = "msg_ids"  #: no batch has two msg_ids, no msg_id has two batches
    FINISHES = "finishes"  #: every batch stands where WeChat reported that its job ended
    CALLS = "calls"  #: every call has an attempt that was committed before it
    KEYS = "keys"  #: every clientmsgid is the one that its batch makes, in each of its calls
    STOPS = "stops"  #: no call behind a closed gate, and no repeat after 23 hours
    GATES = "gates"  #: every gate was closed once and opened after that
    MOVES = "moves"  #: every move of a batch that the history has is legal
    OVERLAPS = "overlaps"  #: one call at a time for each account
    STUCK = "stuck"  #: nothing waits for a worker that does not come
    CLOCK = "clock"  #: the moments follow the order of writing


class Found(StrEnum):
    """Everything that can be found, by check; each has its text."""

    READ = "sets.read"
    SKIPPED = "sets.skipped"
    PLANNED = "sets.planned"
    AUDIENCE = "sets.audience"
    UNREADABLE = "sets.unreadable"
    SIZE = "sets.size"
    EDGES = "sets.edges"
    RANGE = "sets.range"
    NO_BATCH = "sets.no_batch"
    LEAVES = "sets.leaves"
    MEMBERS = "sets.members"
    RESULT = "sets.result"
    EARLY = "sets.early"
    CANCELLED_WAITS = "sets.cancelled_waits"
    RESERVED = "sets.reserved"
    TWICE = "once.twice"
    LISTED_TWICE = "once.list"
    HALVES = "halves.differ"
    TWO_MSG_IDS = "msg_ids.two"
    OTHER_MSG_ID = "msg_ids.other"
    SHARED_MSG_ID = "msg_ids.shared"
    UNMET = "finishes.unmet"
    UNREPORTED = "finishes.unreported"
    NUMBERS = "calls.numbers"
    CLAIMS = "calls.claims"
    TORN = "calls.torn"
    FENCE = "calls.fence"
    UNEXPLAINED = "calls.unexplained"
    DENIED = "calls.denied"
    HALVED = "calls.halved"
    CALLED_AGAIN = "calls.again"
    KEY_CHANGED = "keys.changed"
    KEY_OF_CALL = "keys.of_call"
    NOT_RUNNING = "stops.not_running"
    CANCELLED = "stops.cancelled"
    HALTED = "stops.halted"
    WINDOW = "stops.window"
    CLOSED_TWICE = "gates.twice"
    COUNTERS = "gates.counters"
    ILLEGAL = "moves.illegal"
    GAP = "moves.gap"
    LAST = "moves.last"
    OVERLAP = "overlaps.running"
    NO_END = "overlaps.no_end"
    OLD_FENCE = "overlaps.old_fence"
    CALLING = "stuck.calling"
    LANE = "stuck.lane"
    DUE = "stuck.due"
    PLAN = "stuck.plan"
    SCHEDULE = "stuck.schedule"
    DOUBT = "stuck.doubt"
    UPLOAD = "stuck.upload"
    GIVEN_UP = "stuck.given_up"
    STATE = "stuck.state"
    CLOCK = "clock.back"

    @property
    def check(self) -> Check:
        """The check that finds it."""
        return Check(self.value.partition(".")[0])


@frozen
class Finding:
    """One row that breaks the promise."""

    found: Found
    account: str
    #: Empty: the account itself.
    broadcast_id: str
    #: The batch's number in its broadcast; None: the broadcast itself.
    n: int | None = None
    #: What fills the placeholders of the text.
    facts: dict[str, Fact] = field(default_factory=dict)
