"""Twenty accounts side by side: sixteen that are well, and four in four kinds of trouble."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broadcast.rules.accounts import from_file as accounts_of
from producer.waking import CeleryWaker
from tests.kit.direct import submit
from tests.kit.endpoints import MASS_SEND
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.system import System
from tests.kit.wait import until
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path

SLOW, REFUSED, EMPTY, HALTED = TROUBLED = ("slow", "refused", "empty", "halted")
WELL = tuple(f"well{n:02}" for n in range(1, 17))
APPIDS = {name: f"wx{n:016d}" for n, name in enumerate((*TROUBLED, *WELL), 1)}
SIZE = 10
FOREVER = 100_000


@dataclass(frozen=True, slots=True)
class Crowd:
    """An installation with one worker, one beat and all twenty accounts."""

    system: System
    batches: int

    def begin(self, names: Iterable[str]) -> dict[str, str]:
        """Store a broadcast for each account, then wake for all; return ids by account."""
        known = accounts_of(self.system.folder / "accounts.toml")
        stored = {
            name: submit(
                self.system.engine, known[name], self.openids(name), key=name, batch_size=SIZE
            )
            for name in names
        }
        with contextlib.closing(CeleryWaker(self.system.valkey.url)) as waker:
            for broadcast_id in stored.values():
                waker.wake_planner(broadcast_id)
        return stored

    def openids(self, name: str) -> list[str]:
        """The audience of an account."""
        return self.system.simulator.openids(SIZE * self.batches, appid=APPIDS[name])

    def make_trouble(self, *, slow_s: float) -> dict[str, str]:
        """Bring four accounts into trouble, and wait until they are in it; return their ids."""
        simulator = self.system.simulator
        simulator.fault(
            "slow", when="before", seconds=slow_s, appid=APPIDS[SLOW], path=MASS_SEND, count=FOREVER
        )
        simulator.change_account(APPIDS[REFUSED], permission_errcode=48001)
        simulator.fault(
            "errcode",
            errcode=45009,
            when="before",
            appid=APPIDS[EMPTY],
            path=MASS_SEND,
            count=FOREVER,
        )
        self.system.broadcast("halt", "--account", HALTED)
        stored = self.begin(TROUBLED)
        for name in (SLOW, REFUSED, EMPTY):
            until(lambda name=name: self.calls(name), 20, f"a call of the {name} account")  # type: ignore[misc]
        return stored

    def calls(self, name: str) -> int:
        """How many mass calls of an account have begun."""
        return len(self.system.simulator.mass_calls(appid=APPIDS[name]))

    def finish(self, stored: dict[str, str], *, timeout_s: float) -> None:
        """Wait until these broadcasts are completed."""
        for broadcast_id in stored.values():
            self.system.until_state(broadcast_id, "completed", timeout_s=timeout_s)


@contextlib.contextmanager
def crowd(folder: Path, *, batches: int, latency_ms: float) -> Iterator[Crowd]:
    """Start everything; it ends with the block."""
    known = [SimulatedAccount(name=name, appid=appid) for name, appid in APPIDS.items()]
    simulated = Simulator(
        known,
        followers=SIZE * batches,
        daily_limit=FOREVER,
        calls_per_minute=0,
        latency_ms=latency_ms,
    )
    with (
        Valkey() as valkey,
        simulated as simulator,
        System(folder, valkey=valkey, simulator=simulator) as system,
    ):
        system.worker()
        system.beat()
        yield Crowd(system, batches)
