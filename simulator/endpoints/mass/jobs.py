"""Accepted mass sends, their ids, and the clientmsgids that were used (sections 2.2 to 4.3)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from simulator.core.errors import RefusalError
from simulator.core.switches import Switches
from simulator.core.world import World
from simulator.endpoints.mass.review import Verdict

JobKind = Literal["send", "tag", "all"]
Recipients: TypeAlias = npt.NDArray[np.int32]
JobStatus = Literal["SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"]
SENT = "send success"
# The event's CheckState of an article.
REPRINT, MAY_NOT_BE_SENT = 2, 3

# Section 2.2: observed ranges.
FIRST_MSG_ID = 2**31 + 10**9 + 1
FIRST_MSG_ID_TO_ALL = 10**9 + 1
FIRST_MSG_DATA_ID = 2_400_000_001
#: 2026-01-01, Unix seconds: ids are counted on from there by the clock.
_EPOCH_S = 1_767_225_600
_IDS_A_SECOND = 1_000


@dataclass(slots=True, kw_only=True)
class Job:
    """One accepted mass send.

    `total`, `eligible` and `errors` are the event's TotalCount, FilterCount and ErrorCount;
    `recipients` are those whom it reaches.
    """

    msg_id: int
    msg_data_id: int
    appid: str
    kind: JobKind
    clientmsgid: str | None
    size: int
    total: int
    eligible: int
    errors: int
    accepted_at: float
    ends_at: float
    content: dict[str, Any]
    content_digest: str
    recipients: Recipients | None
    body: dict[str, Any] | None = None
    """The whole body, where a switch says to keep it."""
    articles: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    forced_status: JobStatus | None = None
    awaits_administrator: bool = False

    def status(self, now: float, switches: Switches) -> JobStatus:
        """Return the status of mass/get now.

        Raises:
            RefusalError: 40059, the job is not visible yet (section 4.3).
        """
        age_s = now - self.accepted_at
        if self.forced_status is not None:
            return self.forced_status
        hidden = self.awaits_administrator and switches.administrator_hides_job
        if hidden or age_s < switches.job_unknown_s:
            raise RefusalError(40059)
        if now < self.ends_at:
            return "SENDING"
        if self.end(switches) != SENT:
            return "SEND_FAIL"
        return switches.job_status if self.eligible else "DELETE"

    def end(self, switches: Switches) -> str:
        """Return the Status with which the job ends (section 6.4): its own, or that of all."""
        if self.verdict.event_status is not None:
            return self.verdict.event_status
        if self.articles and self.verdict.copyright == MAY_NOT_BE_SENT:
            return "err(30002)"
        ignores = self.content.get("send_ignore_reprint") == 1
        if self.articles and self.verdict.copyright == REPRINT and not ignores:
            return "err(30003)"
        if switches.job_event_status is not None:
            return switches.job_event_status
        return "send fail" if switches.job_status == "SEND_FAIL" else SENT


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedID:
    """A clientmsgid that WeChat remembers. `msg_id` is None where the call had failed."""

    at: float
    content_digest: str
    msg_id: int | None


class JobBook:
    """All jobs of all accounts, and the sends that are being executed."""

    def __init__(self, world: World) -> None:
        self._jobs: dict[int, Job] = {}
        self._used: dict[tuple[str, str], UsedID] = {}
        self._running: Counter[tuple[str, str]] = Counter()
        self._data_ids: dict[tuple[str, str], int] = {}
        first, first_to_all, first_data_id = _first_ids(world)
        self._ids = itertools.count(first)
        self._ids_to_all = itertools.count(first_to_all)
        self._next_data_id = itertools.count(first_data_id)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, msg_id: int, *, appid: str | None = None) -> Job:
        """Return a job; of another account it is as unknown as a wrong id.

        Raises:
            RefusalError: 40059.
        """
        job = self._jobs.get(msg_id)
        if job is None or (appid is not None and job.appid != appid):
            raise RefusalError(40059)
        return job

    def add(self, job: Job, *, owner: str, key: str | None) -> None:
        """Store an accepted job under its clientmsgid, given or made by WeChat.

        `owner` here and below: the appid among whose ids this one is looked for.
        """
        self._jobs[job.msg_id] = job
        if key is None:
            return
        self.use(owner, key, at=job.accepted_at, digest=job.content_digest, msg_id=job.msg_id)

    def use(
        self, owner: str, key: str, *, at: float, digest: str, msg_id: int | None = None
    ) -> None:
        """Remember a clientmsgid."""
        self._used[owner, key] = UsedID(at=at, content_digest=digest, msg_id=msg_id)

    def used(self, owner: str, key: str) -> UsedID | None:
        """Return the record of a clientmsgid."""
        return self._used.get((owner, key))

    def next_msg_id(self, kind: JobKind) -> int:
        """Return a new msg_id, beyond 32 signed bits but for sends to all."""
        return next(self._ids_to_all if kind == "all" else self._ids)

    def msg_data_id(self, appid: str, media_id: str | None) -> int:
        """Return the id of the article, the same for every send of one media_id (section 7.5)."""
        if media_id is None:
            return next(self._next_data_id)
        if (appid, media_id) not in self._data_ids:
            self._data_ids[appid, media_id] = next(self._next_data_id)
        return self._data_ids[appid, media_id]

    def runs(self, owner: str, key: str) -> bool:
        """Say whether a send with this clientmsgid is being executed now."""
        return self._running[owner, key] > 0

    @contextmanager
    def running(self, owner: str, key: str) -> Iterator[None]:
        """Mark the time in which a send is executed."""
        self._running[owner, key] += 1
        try:
            yield
        finally:
            self._running[owner, key] -= 1
            if not self._running[owner, key]:
                del self._running[owner, key]


def _first_ids(world: World) -> tuple[int, int, int]:
    """Return the first msg_id, the first of a send to all, and the first msg_data_id.

    WeChat never gives an id twice, and a simulator that is started again remembers none: whoever
    kept the ledger of its last run would see the ids of other batches. So they go on with the
    time. An account sends to all a few times a month, so there the seconds alone do, and stay
    within 31 bits as WeChat's do.
    """
    if world.start.first_msg_id is not None:
        return world.start.first_msg_id, FIRST_MSG_ID_TO_ALL, FIRST_MSG_DATA_ID
    since_s = max(0.0, world.began_at - _EPOCH_S)
    gone = int(since_s * _IDS_A_SECOND)
    return FIRST_MSG_ID + gone, FIRST_MSG_ID_TO_ALL + int(since_s), FIRST_MSG_DATA_ID + gone
