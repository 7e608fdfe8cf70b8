"""The simulated world: all state of the simulator."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.core.accounts import Account, Registration, opened
from simulator.core.clock import Clock, day_of, month_of
from simulator.core.endpoint import Endpoint
from simulator.core.faults import FaultBook
from simulator.core.journal import Journal
from simulator.core.parts import Owner
from simulator.core.push import PushBook
from simulator.core.scheduler import Scheduler
from simulator.core.switches import Switches
from simulator.core.tokens import TokenBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Options of the command line; a reset goes back to them."""

    registrations: tuple[Registration, ...]
    followers: int = 0
    followers_seed: int = 0
    followers_appid: str | None = None
    """Whose OpenIDs the generated followers have; None: of the account's own appid."""
    seed: int = 0
    first_msg_id: int | None = None
    """None: by the time, so that no id of an earlier run comes back."""
    daily_limit: int = 100
    calls_per_minute: int = 60
    switches: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[World], None] | None = None
    """What else shall hold from the start on."""


class World(Owner):
    """The state of all accounts. It lives in one event loop, so no step is ever half seen."""

    def __init__(self, start: Start, endpoints: Mapping[str, Endpoint]) -> None:
        self.start = start
        self.endpoints = endpoints
        self.began_at = time.time()
        self.clock = Clock()
        self.random = random.Random(start.seed)  # noqa: S311 - repeatable, not secret
        self.switches = Switches(**start.switches)
        self.tokens = TokenBook()
        self.journal = Journal()
        self.faults = FaultBook(start.seed)
        self.scheduler = Scheduler(self.clock)
        self.pushes = PushBook(self)
        self.accounts: dict[str, Account] = {}
        self._parts = {}
        for registration in start.registrations:
            self.open(registration)
        if start.prepare is not None:
            start.prepare(self)

    def open(self, registration: Registration) -> Account:
        """Open an account as the command line has it."""
        start = self.start
        account = opened(
            registration,
            followers=start.followers,
            seed=start.followers_seed,
            openids_of=start.followers_appid,
        )
        account.daily_limit = start.daily_limit
        account.calls_per_minute = start.calls_per_minute
        self.accounts[registration.appid] = account
        return account

    def close(self) -> None:
        """Stop the scheduler and the pushes."""
        self.scheduler.stop()
        self.pushes.stop()

    def now(self) -> float:
        """Return the time at WeChat, Unix seconds."""
        return self.clock.now()

    def shift_clock(self, shift_s: float) -> None:
        """Set the clock so far ahead of the real one, and run what is due by then."""
        self.clock.shift_s = shift_s
        self.scheduler.run_due()

    def today(self) -> int:
        """Return the number of WeChat's day."""
        return day_of(self.now(), offset_s=self.switches.day_offset_s)

    def this_month(self) -> int:
        """Return the number of WeChat's month."""
        return month_of(self.now(), offset_s=self.switches.day_offset_s)

    def authorised(self, token: str | None) -> Account:
        """Return the account of a living token.

        Raises:
            RefusalError: 41001, 40014, 40001 or 42001 (section 1.3).
        """
        garbage = self.switches.garbage_token_errcode
        appid = self.tokens.check(token, now=self.now(), garbage_errcode=garbage)
        return self.accounts[appid]


class Simulation:
    """The present world. A reset puts a new one in its place; calls under way end in theirs."""

    def __init__(self, start: Start, endpoints: Iterable[Endpoint]) -> None:
        self._start = start
        self._endpoints = {endpoint.path: endpoint for endpoint in endpoints}
        self.world = World(start, self._endpoints)

    @property
    def endpoints(self) -> Iterable[Endpoint]:
        """The endpoints."""
        return self._endpoints.values()

    def reset(self) -> None:
        """Forget everything that happened since the start."""
        self.world.close()
        self.world = World(self._start, self._endpoints)

    def close(self) -> None:
        """End what it still does."""
        self.world.close()
