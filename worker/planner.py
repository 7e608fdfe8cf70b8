"""A plan as a task makes it: of one broadcast, by one thread of this process, then the lane."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from broadcast import names
from broadcast.errors import OutOfReachError, SettingsError
from broadcast.logs import log_facts
from models.ledger.lane import leases
from models.ledger.plan import plans
from worker.delivery import planning
from worker.wake import forward, wake
from worker.wiring import parts

log = logging.getLogger(__name__)


def plan(
    broadcast_id: str, *, forward_count: int = 0, just_submitted: bool = False
) -> dict[str, Any] | None:
    """Make the batches of a broadcast, prove the plan, wake for its lane unless it is driven.

    *forward_count*: through how many workers the message went that lack the account.
    *just_submitted*: what WeChat said of the account's calls at the submit will do.
    """
    try:
        with alone(names.PLAN, broadcast_id) as first:
            if not first:
                return None
            return _plan(broadcast_id, forward_count=forward_count, just_submitted=just_submitted)
    except OutOfReachError as error:
        log.warning("broadcast %s: the sweep plans it later: %s", broadcast_id, error)
    except SettingsError as error:
        if not forward(names.PLAN, broadcast_id, forward_count=forward_count):
            log.warning("broadcast %s: the sweep plans it later: %s", broadcast_id, error)
    return None


def _plan(broadcast_id: str, *, forward_count: int, just_submitted: bool) -> dict[str, Any] | None:
    here = parts()
    account = plans.account_of(here.engine, broadcast_id)
    if account is None:
        return None
    recent = here.quotas if just_submitted else None
    context = here.context(account, forward_count=forward_count)
    planned = planning.plan(context, broadcast_id, recent=recent)
    if planned is None:
        return None
    with log_facts.about(account=account):
        log.info("broadcast %s: planned, %d batches", broadcast_id, planned.batches)
    # A busy lane would be woken once a broadcast, by messages that stand before its own next one.
    if planned.batches and not planned.waits and not leases.is_driven(here.engine, account):
        wake(names.SEND_BATCH, account, broadcast_id)
    return {
        "batches": planned.batches,
        "fit": planned.fit,
        "waits": planned.waits,
        "errcode": planned.errcode,
    }


_guard = threading.Lock()
_under_way: set[tuple[str, str]] = set()


@contextmanager
def alone(task: str, of: str) -> Iterator[bool]:
    """Return whether nobody else in this process does *task* for *of*; nobody begins meanwhile."""
    work = (task, of)
    with _guard:
        first = work not in _under_way
        _under_way.add(work)
    try:
        yield first
    finally:
        if first:
            with _guard:
                _under_way.discard(work)
