"""The whole system for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.system import System

if TYPE_CHECKING:
    from tests.servers.valkey import Valkey

UNLIMITED = {"daily_limit": 100_000, "calls_per_minute": 0}


class StartSystem(Protocol):
    """Starts a system with these followers and accounts."""

    def __call__(
        self,
        *,
        followers: int,
        accounts: int = 1,
        latency_ms: float = 0,
        database_url: str | None = None,
        **settings: str,
    ) -> System:
        """Start it."""


@pytest.fixture
def start_system(tmp_path: Path, valkey: Valkey) -> Iterator[StartSystem]:
    """A factory of systems that end with the test."""
    with ExitStack() as stack:

        def start(
            *,
            followers: int,
            accounts: int = 1,
            latency_ms: float = 0,
            database_url: str | None = None,
            **settings: str,
        ) -> System:
            known = [
                SimulatedAccount(name=f"account{n}" if accounts > 1 else "default",
                                 appid=f"wx{n:016d}")
                for n in range(1, accounts + 1)
            ]  # fmt: skip
            simulator = stack.enter_context(
                Simulator(known, followers=followers, latency_ms=latency_ms)
            )
            for account in known:
                simulator.change_account(account.appid, **UNLIMITED)
            system = System(
                tmp_path, valkey=valkey, simulator=simulator, database_url=database_url,
                settings=settings,
            )  # fmt: skip
            return stack.enter_context(system)

        yield start


def sets_of(told: Any) -> dict[str, int]:
    """The recipient figures of a report that are not zero."""
    return {name: count for name, count in told.recipients.items() if count}
