"""One installation for many lies: each is told to an account of its own, so none meets another."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from broadcast import names
from producer.waking import CeleryWaker
from tests.acceptance.conftest import UNLIMITED, sets_of
from tests.kit.endpoints import MASS_GET, MASS_SEND
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.system import System
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path

    from broadcast.rules.reports import Report

FOREVER = 100_000
SWEPT = "Task broadcast.sweep["
SIZE = 10
MOST_FOLLOWERS = 2 * SIZE


@dataclass(slots=True)
class Victim:
    """One account, and what WeChat does to it."""

    system: System
    account: SimulatedAccount
    openids: list[str] = field(default_factory=list)
    id: str = ""

    def fault(self, kind: str, *, path: str = MASS_SEND, **limits: Any) -> None:
        """Let WeChat tell this lie to this account."""
        self.system.simulator.fault(kind, appid=self.account.appid, path=path, **limits)

    def refuse(self, errcode: int, **limits: Any) -> None:
        """Let WeChat refuse calls before it looks at them."""
        self.fault("errcode", errcode=errcode, when="before", **limits)

    def send(self, *words: str, batches: int = 1) -> None:
        """Send to so many batches of followers, with these words on the command line."""
        appid = self.account.appid
        self.openids = self.system.simulator.openids(SIZE * batches, appid=appid)
        told = self.system.send(self.openids, "--account", self.account.name, *words)
        self.id = told["id"]

    def report(self) -> Report:
        """How its broadcast stands."""
        return self.system.report(self.id)

    def ends(self, state: str, **sets: int) -> Report:
        """The broadcast ends in this state, with everybody in exactly these sets."""
        report = self.system.until_state(self.id, state, timeout_s=25)
        assert sets_of(report) == sets, report.batch_list
        return report

    def got_it(self) -> None:
        """Everybody got it, once, by WeChat's own ledger."""
        delivered = self.system.simulator.delivered(self.openids, appid=self.account.appid)
        assert delivered == dict.fromkeys(self.openids, 1)

    def calls(self) -> list[dict[str, Any]]:
        """The mass calls that arrived at WeChat."""
        return self.system.simulator.mass_calls(appid=self.account.appid)

    def replies(self) -> list[int | None]:
        """What WeChat said to each of them; None: nothing."""
        return [call["errcode"] for call in self.calls()]

    def keys(self) -> set[str]:
        """The clientmsgids of all calls."""
        return {call["clientmsgid"] for call in self.calls() if call["clientmsgid"]}

    def msg_ids(self) -> list[int]:
        """The jobs that WeChat has of it."""
        return [job["msg_id"] for job in self.system.simulator.jobs(appid=self.account.appid)]

    def questions(self) -> int:
        """How often mass/get was asked."""
        return len(self.system.simulator.calls(appid=self.account.appid, path=MASS_GET))

    def shown(self) -> str:
        """What `broadcast status ID` says."""
        return self.system.broadcast("status", self.id).stdout


@dataclass(slots=True)
class Liar:
    """The installation; each call gives an account that nobody used yet."""

    system: System
    _fresh: Iterator[SimulatedAccount]

    def victim(self) -> Victim:
        """The next account."""
        return Victim(self.system, next(self._fresh))

    def see_a_sweep(self) -> None:
        """Wait until a sweep that begins from now on has ended."""
        worker = self.system.processes[0]
        swept = worker.output.count(SWEPT)
        # The one under way may have begun before.
        worker.wait_for_line(SWEPT, times=swept + 2)

    def look_for_results(self) -> None:
        """Wake as beat does each half minute: mass/get is asked about what is due."""
        waker = CeleryWaker(self.system.valkey.url)
        with contextlib.closing(waker):
            waker._send(names.POLL_RESULTS, [])


@contextlib.contextmanager
def installed(folder: Path, *, accounts: int, **settings: str) -> Iterator[Liar]:
    """Start everything; nobody else uses any of it."""
    known = [
        SimulatedAccount(name=f"account{n}", appid=f"wx{n:016d}") for n in range(1, accounts + 1)
    ]
    settings = {"BROADCAST_BATCH_SIZE": str(SIZE), **settings}
    with Valkey() as valkey, Simulator(known, followers=MOST_FOLLOWERS) as simulator:
        for account in known:
            simulator.change_account(account.appid, **UNLIMITED)
        with System(folder, valkey=valkey, simulator=simulator, settings=settings) as system:
            yield Liar(system, itertools.chain(known))
