"""Ends of jobs: orders for the next ones of an account (section 6.4)."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.core.accounts import Account
from simulator.core.bounds import Count, Seconds

EVENT_STATUS = r"^(send success|send fail|err\(\d+\))$"


class Verdict(BaseModel):
    """The end of a job; members left out are as the switches have it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_status: Annotated[str, Field(pattern=EVENT_STATUS)] | None = None
    """The event's Status: `send fail`, `err(20001)` ..."""
    errors: Count | None = None
    """So many of the eligible do not get it."""
    delay_s: Seconds | None = None
    """How long the job runs."""
    copyright: Literal[1, 2, 3] = 1
    """The event's CheckState of an article: no reprint, one that may be sent, one that may not."""


class Reviews:
    """The verdicts for an account's next jobs, in their order."""

    def __init__(self, _account: Account) -> None:
        self.coming: deque[Verdict] = deque()

    def next(self) -> Verdict:
        """Remove and return the next order."""
        return self.coming.popleft() if self.coming else Verdict()
