"""The whole system for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from sqlalchemy import Engine

from models.engine import open_engine
from tests.acceptance import by_hand
from tests.kit import ledger
from tests.kit.command_line import CommandLine
from tests.kit.processes import ROOT
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.system import System
from tools.packages import INSTALLED

if TYPE_CHECKING:
    from tests.servers.valkey import Valkey

#: Everything that an installation in a folder is made of.
COPIED = (*INSTALLED, "examples", "pyproject.toml")
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
        account_lines: str = "",
        **settings: str,
    ) -> System:
        """Start it; *account_lines* are added to each account's table."""


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
            account_lines: str = "",
            **settings: str,
        ) -> System:
            known = [
                SimulatedAccount(
                    name=f"account{n}" if accounts > 1 else "default", appid=f"wx{n:016d}"
                )
                for n in range(1, accounts + 1)
            ]
            simulator = stack.enter_context(
                Simulator(known, followers=followers, latency_ms=latency_ms)
            )
            for account in known:
                simulator.change_account(account.appid, **UNLIMITED)
            system = System(
                tmp_path,
                valkey=valkey,
                simulator=simulator,
                database_url=database_url,
                settings=settings,
                account_lines=account_lines,
            )
            return stack.enter_context(system)

        yield start


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with tables and a list; four batches of two."""
    settings = {"WECHAT_APPID": by_hand.APPID, "BROADCAST_BATCH_SIZE": "2"}
    with by_hand.seated(tmp_path, by_hand.LINES, **settings) as made:
        yield made


@pytest.fixture
def store(line: CommandLine) -> Iterator[Engine]:
    """The ledger behind the command line, in which these tests play the worker."""
    engine = open_engine(line.env["DATABASE_URL"])
    yield engine
    engine.dispose()


@pytest.fixture
def sent(line: CommandLine, store: Engine) -> str:
    """A broadcast that waits for its first call."""
    broadcast_id = by_hand.submitted(line)
    ledger.planned(store, broadcast_id, owner=by_hand.OWNER)
    return broadcast_id


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A copy of the checkout, whose `var/` is nobody else's."""
    copy = tmp_path / "installation"
    copy.mkdir()
    for name in COPIED:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, copy / name)
        else:
            shutil.copy2(place, copy / name)
    return copy


def of(installation: Path, **settings: str) -> dict[str, str | None]:
    """The environment in which the commands are those of this copy."""
    return {"PYTHONPATH": str(installation), **settings}


def sets_of(told: Any) -> dict[str, int]:
    """The recipient figures of a report that are not zero."""
    return {name: count for name, count in told.recipients.items() if count}
