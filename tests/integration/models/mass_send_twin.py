"""WeChat's mass/send as a table of what it took: who got what, and which keys it still knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from broadcast.rules.calls.attempts import CallResult
from tests.kit.ledger import LOST, said

#: How long WeChat knows a clientmsgid.
KNOWN_FOR = timedelta(hours=24)
ALREADY = 45065
#: Codes that come before WeChat looks at the key: nothing was sent by this call.
REFUSALS = (40001, 42001, 45011, 42010, 45061, 45009, 45028, 40007, 48001, 40003, 43004, 40130)


class Reply(StrEnum):
    """How WeChat tells what it did with a call that it let in."""

    TRUE = "true"
    NO_MSG_ID = "no msg_id"
    SYSTEM_ERROR = "-1"
    RUNNING = "45066"
    UNLISTED = "unlisted"
    CUT = "cut"
    #: 45065 although it was the first call: WeChat's own gateway had sent it twice.
    ALREADY = "45065"


@dataclass(frozen=True, slots=True)
class Job:
    """A mass message that WeChat took."""

    msg_id: int
    taken_at: datetime


@dataclass(slots=True)
class MassSendTwin:
    """An account of WeChat that tells the truth, though not always all of it."""

    #: Every job of a key, oldest first: more than one means that somebody got it twice.
    jobs: dict[str, list[Job]] = field(default_factory=dict)
    #: How often each follower got each broadcast.
    got: Counter[tuple[str, str]] = field(default_factory=Counter)
    msg_ids: int = 3_000_000_000

    def took(self, key: str) -> bool:
        """Tell whether the batch with this key was ever sent."""
        return key in self.jobs

    def knows(self, msg_id: int) -> bool:
        """Tell whether mass/get finds the msg_id."""
        return any(job.msg_id == msg_id for jobs in self.jobs.values() for job in jobs)

    def taken_at(self, msg_id: int) -> datetime | None:
        """Return when it took the job; None: it has none of this msg_id."""
        jobs = (job for jobs in self.jobs.values() for job in jobs)
        return next((job.taken_at for job in jobs if job.msg_id == msg_id), None)

    def msg_ids_taken(self) -> list[int]:
        """Return the msg_ids of all jobs, newest first."""
        each = [job.msg_id for jobs in self.jobs.values() for job in jobs]
        return sorted(each, reverse=True)

    def call(
        self, key: str, broadcast_id: str, openids: Iterable[str], *, now: datetime, reply: Reply
    ) -> CallResult:
        """Let a call in: send, unless the key is known; then answer."""
        known = [job for job in self.jobs.get(key, ()) if now - job.taken_at < KNOWN_FOR]
        first = not known
        if first:
            self.msg_ids += 1
            known = [Job(self.msg_ids, now)]
            self.jobs.setdefault(key, []).extend(known)
            self.got.update((broadcast_id, openid) for openid in openids)
        return _told(known[-1].msg_id, first=first, reply=reply)


def _told(msg_id: int, *, first: bool, reply: Reply) -> CallResult:
    taken = 0 if first else ALREADY
    return {
        Reply.TRUE: said(taken, msg_id=msg_id),
        Reply.NO_MSG_ID: said(taken),
        Reply.ALREADY: said(ALREADY, msg_id=msg_id),
        Reply.SYSTEM_ERROR: said(-1),
        Reply.RUNNING: said(45066),
        Reply.UNLISTED: said(987654),
        Reply.CUT: LOST,
    }[reply]
