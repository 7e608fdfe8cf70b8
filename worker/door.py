"""The door for programs as a worker opens it: its WeChat is asked, its wakes go by its broker."""

from __future__ import annotations

import logging

from broadcast import names, plan
from broadcast.accounts import Account
from broadcast.call.path import SendPath
from broadcast.call.result import NoAnswer
from broadcast.errors import OutOfReachError
from producer.request.door import Door
from worker.wake import wake
from worker.wiring import Parts

log = logging.getLogger(__name__)


def door(here: Parts) -> Door:
    """Return the door of this process."""
    return Door(settings=here.settings, engine=here.engine, quota=_Quota(here), waker=_Waker())


class _Quota:
    """:class:`producer.prepare.QuotaSource` of a worker."""

    def __init__(self, here: Parts) -> None:
        self._here = here

    def quota(self, account: Account, path: SendPath) -> plan.Quota | None:
        """Return WeChat's answer, or None where none can be had now."""
        try:
            said = self._here.gateway(account).quota(path)
        except OutOfReachError as error:
            # The token's Redis: what is stored is proved before its first call.
            log.warning("account %s: not asked for the calls left: %s", account.name, error)
            return None
        return None if isinstance(said, NoAnswer) else said


class _Waker:
    """:class:`producer.submit.Waker` of a worker: a lost wake is found by the sweep."""

    def wake_planner(self, broadcast_id: str) -> None:
        """Ask a worker to plan a broadcast."""
        wake(names.PLAN, broadcast_id)
