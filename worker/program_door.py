"""The door for programs as a worker opens it: its WeChat is asked, its wakes go by its broker."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import field, replace
from datetime import datetime

from broadcast import names
from broadcast.errors import BroadcastError, OutOfReachError, PlanError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan import proof
from producer.request.door import SubmitService
from producer.request.shape import Request
from producer.submit.store import Submitted, Waker
from producer.wiring.wechat import ClientChecks
from worker import planner
from worker.person_needed import Watch
from worker.wake import wake
from worker.wiring import WorkerParts, parts

log = logging.getLogger(__name__)


def submit(
    here: WorkerParts,
    request: Request,
    *,
    key: str,
    who: str,
    waker: Waker | None = None,
    waiting_since: datetime | None = None,
) -> Submitted:
    """Call :meth:`producer.request.door.SubmitService.submit`; *waker*: its planner, None: any.

    *waiting_since*: since when it may have waited, if not since now.
    """
    return through_door(
        here,
        lambda door: door.submit(request, key=key, who=who),
        waker=waker,
        waiting_since=waiting_since,
    )


def through_door(
    here: WorkerParts,
    submit_by: Callable[[SubmitService], Submitted],
    *,
    waker: Waker | None = None,
    waiting_since: datetime | None = None,
) -> Submitted:
    """Return what *submit_by* submits by the door. Arguments are as of :func:`submit`.

    WeChat's answer of a moment ago will do for what fits; nothing is refused by it.
    """
    begun = time.monotonic()
    quota = _Quota(here)
    opened = SubmitService(
        settings=here.settings,
        engine=here.engine,
        quota=quota,
        waker=waker or _Waker(),
        looks=ClientChecks(here.wechat),
        waiting_since=waiting_since,
    )
    try:
        return submit_by(opened)
    except PlanError:
        if quota.asked_at >= begun:
            raise
    return submit_by(replace(opened, quota=_Quota(here, since=begun)))


class _Quota:
    """:class:`producer.submit.prepare.QuotaSource` of a worker."""

    def __init__(self, here: WorkerParts, *, since: float = -math.inf) -> None:
        self._here = here
        self._since = since
        #: When the answer that was given was asked for; infinite where none was given.
        self.asked_at = math.inf

    def quota(self, account: Account, path: SendPath) -> proof.Quota | None:
        """Return WeChat's answer, or None where none can be had now."""
        try:
            answer = self._here.quotas.answer(account, path, since=self._since)
        except OutOfReachError as error:
            # The token's Redis: what is stored is proved before its first call.
            log.warning("account %s: not asked for the calls left: %s", account.name, error)
            return None
        if answer is None:
            return None
        self.asked_at = answer.asked_at
        return answer.quota


@frozen
class PlanInline:
    """:class:`producer.submit.store.Waker` of a task that plans its own submit.

    Wakes for plans would stand in a queue of their own, behind which the lanes' wakes would wait
    for as long as messages come in faster than plans are made.
    """

    ids: list[str] = field(default_factory=list)

    def wake_planner(self, broadcast_id: str) -> None:
        """Note what is to be planned."""
        self.ids.append(broadcast_id)


def refusal_of(submit_by: Callable[[PlanInline], object], what: str) -> Message | None:
    """Submit and plan; return what refuses it, to be kept; None: nothing does.

    Raises OutOfReachError: it is submitted later.
    """
    submitted = PlanInline()
    watch = Watch(parts())
    try:
        submit_by(submitted)
    except OutOfReachError:
        raise
    except BroadcastError as error:
        return error.message
    except Exception as error:
        # It would be tried for ever, and nobody would know why.
        log.exception("a request of another program cannot be submitted: %s", what)
        return Message("error.dead.failed", kind=type(error).__name__)
    for broadcast_id in submitted.ids:
        planner.plan(broadcast_id, just_submitted=True)
        if watch.has_held(broadcast_id, planned=True):
            wake(names.REPORT, "broadcast", broadcast_id)
    return None


class _Waker:
    """:class:`producer.submit.store.Waker` of a worker: a lost wake is found by the sweep."""

    def wake_planner(self, broadcast_id: str) -> None:
        """Ask a worker to plan a broadcast."""
        wake(names.PLAN, broadcast_id)
