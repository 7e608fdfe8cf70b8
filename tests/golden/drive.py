"""`python -m tests.golden.drive ACCOUNT:ID…`: plan these broadcasts in order, then make every call.

As a worker does it, but with one thread and without a broker. Of what takes the cuts only this file
imports more than the project's doors.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from worker import wiring
from worker.delivery import lane, planning

_LONGEST_S = 600


def drive(broadcasts: Sequence[str]) -> None:
    """Plan all, then drive the lane of each account until nothing is left to call."""
    here = wiring.parts()
    for one in broadcasts:
        account, _, broadcast_id = one.partition(":")
        planning.plan(here.context(account), broadcast_id, recent=here.quotas)
    for account in here.accounts:
        done = lane.drive(here.context(account), seconds=_LONGEST_S)
        assert not done.busy
        assert not done.again


if __name__ == "__main__":
    drive(sys.argv[1:])
