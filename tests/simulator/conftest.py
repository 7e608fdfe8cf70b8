"""One simulator process for all tests of this folder; each test begins with a reset."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.simulator import SimulatedAccount, Simulator
from tests.simulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNTS = {
    kind: SimulatedAccount(name=kind, appid=f"wx{number:016x}", secret=f"{number:032x}", kind=kind)
    for number, kind in enumerate(("service", "subscription", "test"), start=1)
}
OTHER = SimulatedAccount(name="other", appid="wx00000000000000ff", secret="f" * 32)
FOLLOWERS = 30_000


@pytest.fixture(scope="session")
def running() -> Iterator[Simulator]:
    """The process."""
    with Simulator([*ACCOUNTS.values(), OTHER], followers=FOLLOWERS) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    """The process, as if it had just been started."""
    running.reset()
    return running


@pytest.fixture
def wire_of(simulator: Simulator) -> Iterator[Callable[[SimulatedAccount], Wire]]:
    """Clients of any account; they are closed at the end."""
    wires: list[Wire] = []

    def make(account: SimulatedAccount) -> Wire:
        wires.append(Wire(simulator.url, account))
        return wires[-1]

    yield make
    for wire in wires:
        wire.close()


@pytest.fixture
def in_background() -> Iterator[Callable[..., Future[Any]]]:
    """Run calls in threads: `in_background(wire.send, openids)` returns a future."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield pool.submit


@pytest.fixture
def wire(wire_of: Callable[[SimulatedAccount], Wire]) -> Wire:
    """A client of the verified service account."""
    return wire_of(ACCOUNTS["service"])
