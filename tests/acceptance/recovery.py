"""A broadcast under way while something breaks: how soon it goes on, and that it ends whole."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from broadcast.rules import accounts
from tests.acceptance.conftest import sets_of
from tests.kit.direct import submit
from tests.kit.wait import patiently, until

if TYPE_CHECKING:
    from broadcast.rules.accounts import Account
    from tests.kit.simulator import SimulatedAccount
    from tests.kit.system import System

#: What the promise of "by itself" means at most.
SOON_S = 15.0
_NUMBERS = itertools.count(1)


class Traffic:
    """One account's broadcast of small batches, stored beside the broker: the sweep wakes."""

    def __init__(
        self, system: System, *, batches: int, size: int = 2, of: SimulatedAccount | None = None
    ) -> None:
        self.system = system
        self.of = of or system.simulator.account
        self.batches, self.size = batches, batches * size
        self.id = submit(
            system.engine,
            _account(system, self.of),
            system.simulator.openids(self.size, appid=self.of.appid),
            key=f"traffic-{next(_NUMBERS)}",
            batch_size=size,
        )

    def calls(self, *, since: float = 0) -> int:
        """How many calls of the account began after the moment `since` (Unix time)."""
        calls = self.system.simulator.mass_calls(appid=self.of.appid)
        return sum(call["start"] > since for call in calls)

    def wait_for_calls(self, count: int, *, timeout_s: float = 40) -> None:
        """Wait until the account was called so many times more, or once for each batch."""
        wanted = min(self.calls() + count, self.batches)
        until(lambda: self.calls() >= wanted, timeout_s, f"{wanted} calls")

    def recovers(
        self,
        what: str,
        *,
        since: float | None = None,
        within_s: float = SOON_S,
        grace_s: float = 30,
    ) -> float:
        """Print and return the seconds from now, or the moment *since*, to the next call's start.

        A machine that does other things too is waited for; whether that took too long even for it
        is told after.
        """
        since = time.time() if since is None else since
        with contextlib.suppress(AssertionError):
            until(lambda: self.calls(since=since), within_s + grace_s, f"a call after: {what}")
        calls = self.system.simulator.mass_calls(appid=self.of.appid)
        first = min((c["start"] for c in calls if c["start"] > since), default=None)
        assert first is not None, f"no call after: {what}"
        took_s = float(first - since)
        print(f"recovery: {what}: {took_s:.1f} s")
        assert took_s < patiently(within_s), f"{what}: the next call came after {took_s:.1f} s"
        return took_s

    def ends_whole(self, *, timeout_s: float = 60) -> None:
        """Wait for the end: everybody once, nobody twice, never two calls at once."""
        report = self.system.until_state(self.id, "completed", timeout_s=timeout_s)
        assert sets_of(report) == {"accepted": self.size}
        assert self.system.simulator.ledger(self.of.appid) == {
            "delivered_distinct": self.size,
            "deliveries": self.size,
            "delivered_max": 1,
            "doubled": 0,
        }
        assert self.system.simulator.max_in_flight(self.of.appid) == 1


def _account(system: System, of: SimulatedAccount) -> Account:
    return accounts.make(
        of.name, appid=of.appid, appsecret=of.secret, api_base=system.simulator.url
    )


def everybody_lives(system: System) -> None:
    """No process of the system has ended: what broke did not take it along."""
    for process in system.processes:
        assert process.exit_status is None, f"{process.command}: exit {process.exit_status}"


@contextlib.contextmanager
def for_seconds(seconds: float, undo: Callable[[], object]) -> Iterator[None]:
    """Run the block, then *undo* when so many seconds have passed: how long the fault lasts."""
    over = time.monotonic() + seconds
    try:
        yield
        until(lambda: time.monotonic() >= over, seconds + 5, f"the end of {seconds:g} s")
    finally:
        undo()


def start_all(system: System, *, workers: int = 2, beats: int = 1) -> None:
    """Start beat and workers by their command lines, at the same time, and wait for them."""
    started: Sequence[object] = [system.beat() for _ in range(beats)]
    assert len(started) == beats
    for worker in [system.worker(ready=False) for _ in range(workers)]:
        worker.wait_for_line(" ready.", timeout_s=60)
