"""Everything the simulator knows, and one call while it is being answered."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.accounts import Account, Registration, opened
from simulator.clock import Clock, day_of, month_of
from simulator.errors import RefusalError
from simulator.faults import FaultBook
from simulator.jobs import FIRST_MSG_ID_TO_ALL, JobBook, msg_ids_by_time
from simulator.journal import Journal, Record
from simulator.switches import Switches
from simulator.tokens import TokenBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the command line says; a reset goes back to it."""

    registrations: tuple[Registration, ...]
    followers: int = 0
    followers_seed: int = 0
    seed: int = 0
    first_msg_id: int | None = None
    """None: by the time, so that no id of an earlier run comes back."""
    daily_limit: int = 100
    calls_per_minute: int = 60
    switches: Mapping[str, Any] = field(default_factory=dict)


class World:
    """The state of all accounts. It lives in one event loop, so no step is ever half seen."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.clock = Clock()
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened since the start."""
        start = self.start
        self.clock.shift_s = 0
        self.random = random.Random(start.seed)  # noqa: S311 - repeatable, not secret
        self.switches = Switches(**start.switches)
        self.tokens = TokenBook()
        self.jobs = JobBook(self._first_msg_ids())
        self.journal = Journal()
        self.faults = FaultBook(start.seed)
        # Mass sends of an account that passed the check for parallel calls and still run.
        self.busy: Counter[str] = Counter()
        self.accounts: dict[str, Account] = {}
        for registration in start.registrations:
            self.open(registration)

    def _first_msg_ids(self) -> tuple[int, int]:
        if self.start.first_msg_id is None:
            return msg_ids_by_time(self.clock.now())
        return self.start.first_msg_id, FIRST_MSG_ID_TO_ALL

    def open(self, registration: Registration) -> Account:
        """Open an account as the command line has it."""
        start = self.start
        account = opened(registration, followers=start.followers, seed=start.followers_seed)
        account.daily_limit = start.daily_limit
        account.calls_per_minute = start.calls_per_minute
        self.accounts[registration.appid] = account
        return account

    def now(self) -> float:
        """Return the time at WeChat, Unix seconds."""
        return self.clock.now()

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


@dataclass(slots=True, kw_only=True)
class Call:
    """One call to a WeChat endpoint. `work` lasts as long as WeChat works on it."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    ip: str
    record: Record
    busy: Counter[str]
    work: Callable[[], Awaitable[None]]

    def require(self, method: str) -> None:
        """Refuse another HTTP method: 43001 or 43002 (section 9.2)."""
        if self.method != method:
            raise RefusalError(43001 if method == "GET" else 43002)
