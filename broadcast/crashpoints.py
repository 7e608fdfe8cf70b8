"""Crash points: the named moments at which a proof kills a process, to show that it may die there.

Off, which is always so outside the proofs, passing a point is a call that does nothing. Armed by
``BROADCAST_CRASH_AT=POINT[:N[:ACTION]]``, the process sends itself the signal of ACTION (``KILL``,
the default, or ``STOP``) when it passes POINT for the Nth time: exactly there, with every thread,
and with nothing said to anybody.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from enum import StrEnum
from itertools import count

VARIABLE = "BROADCAST_CRASH_AT"


#: Every moment between two effects that others see: a commit, a call, a message, a token.
Point = StrEnum(
    "Point",
    {
        # A producer submits.
        "SUBMIT_BEGUN": "submit.begun",  #: the upload is open, nothing of it stored
        "SUBMIT_STORED": "submit.stored",  #: the OpenIDs are stored, unpublished
        "SUBMIT_PUBLISHING": "submit.publishing",  #: the publication is written, uncommitted
        "SUBMIT_PUBLISHED": "submit.published",  #: committed, no worker woken
        "SUBMIT_WOKEN": "submit.woken",
        # A worker launches a run of a campaign.
        "LAUNCH_DECIDED": "launch.decided",  #: due times have their launches, no worker took one
        "LAUNCH_RESERVED": "launch.reserved",  #: for this worker, nothing read or submitted
        # A file is uploaded, by a command or by a worker before a call.
        #: WeChat gave a media_id, which this process alone knows.
        "MEDIA_UPLOADED": "media.uploaded",
        # A worker plans.
        "PLAN_WRITTEN": "plan.written",  #: some batches are written, uncommitted
        "PLAN_STORED": "plan.stored",  #: all batches are committed, the lane not open for them
        "PLAN_OPENING": "plan.opening",  #: the verdict is written, uncommitted
        "PLAN_OPENED": "plan.opened",  #: committed, no worker woken
        # A worker drives a lane.
        "LANE_LEASED": "lane.leased",  #: the lease is committed
        "PACE_TAKEN": "pace.taken",  #: the limiter's slot is taken, nothing claimed
        "CLAIM_WRITTEN": "claim.written",  #: the attempt is written, uncommitted
        "CLAIM_COMMITTED": "claim.committed",  #: committed, nothing called
        "CLAIM_COUNTED": "claim.counted",  #: Redis has its number, nothing called
        #: WeChat's answer, or its absence, is known to this process alone.
        "CALL_ENDED": "call.ended",
        "RECORD_WRITTEN": "record.written",  #: the outcome is written, uncommitted
        "RECORD_COMMITTED": "record.committed",
        "SLICE_ENDED": "slice.ended",  #: the lane is given back, no worker woken
        "TASK_ENDED": "task.ended",  #: woken for the next slice, the message not acknowledged
        # A worker or beat looks after the rest.
        "TOKEN_LOCKED": "token.locked",  #: the refresher's lock is held, nothing fetched
        "TOKEN_FETCHED": "token.fetched",  #: WeChat gave a token, nobody else has it
        "TOKEN_SHARED": "token.shared",  #: written to Redis
        "SETTLE_TAKEN": "settle.taken",  #: batches to be asked about are taken, nothing asked
        "SETTLE_ANSWERED": "settle.answered",  #: mass/get has answered, nothing stored
        "SETTLE_STORED": "settle.stored",
        "SWEEP_MARKED": "sweep.marked",  #: marked as woken, no worker woken
        "SWEEP_WOKEN": "sweep.woken",
    },
)


def failpoint(point: Point) -> None:
    """Pass *point*: nothing, or the end of this process."""
    _passing(point)


def _nothing(point: Point) -> None:
    """Pass any point when none is armed."""


def _armed(order: str) -> Callable[[Point], None]:
    """Return what to do at a point under *order*; raise ValueError for one that cannot be read."""
    name, _, rest = order.partition(":")
    number, _, action = rest.partition(":")
    aimed, nth = Point(name), int(number or 1)
    aimed_signal = {"KILL": signal.SIGKILL, "STOP": signal.SIGSTOP}[action or "KILL"]
    passed = count(1)

    def end(point: Point) -> None:
        if point is aimed and next(passed) == nth:
            sys.stderr.write(f"{VARIABLE}: {aimed_signal.name} at {point}\n")
            sys.stderr.flush()
            # To this very thread: a signal to the process is taken by any of its threads, and until
            # that one stops the others this one would go on.
            signal.pthread_kill(threading.get_ident(), aimed_signal)

    return end


_passing = _armed(os.environ[VARIABLE]) if VARIABLE in os.environ else _nothing
