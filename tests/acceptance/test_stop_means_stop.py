"""After `pause`, `cancel` or `halt` has returned no call starts, and the sets are exact."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from models.broadcast_tables import BroadcastRow
from models.ledger.rows.transaction import read
from models.recipients import ChunkRow
from simulator.openid import openid_lines
from tests.acceptance.recovery import everybody_lives, start_all
from tests.acceptance.stops.draw import Drawn, draw
from tests.acceptance.stops.ground import Ground
from tests.acceptance.stops.measured import BAR_S, Measured, told
from tests.acceptance.stops.trial import stop_means_stop

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.processes import RunningProcess
    from tests.kit.system import System
    from tests.servers.fixtures import Launch

FOLLOWERS = 200_000
LARGE = 10_000_000


@contextmanager
def ground(system: System) -> Iterator[Ground]:
    """Two workers and a beat, and the lanes on which the trials are made."""
    start_all(system)
    with Ground(system) as made:
        yield made
    everybody_lives(system)


def tell(trials: Iterable[Measured], *, where: str, seed: int) -> None:
    """Print what was measured, for docs/proofs/kills-and-stops.md."""
    print(f"stop: {where}, seed {seed}")
    print("\n".join(told(list(trials))))


@pytest.fixture
def url_of(request: pytest.FixtureRequest, database: str) -> str:
    """URL of an empty database of this kind, which outlives the system that uses it."""
    url: str = request.getfixturevalue(f"{database}_url")
    return url


@pytest.mark.parametrize(
    ("database", "count", "seed"),
    [
        ("sqlite", 4, 1),
        pytest.param("sqlite", 100, 2, marks=[pytest.mark.prove, pytest.mark.timeout(1800)]),
        pytest.param("postgresql", 80, 3, marks=[pytest.mark.prove, pytest.mark.timeout(1800)]),
    ],
)
def test_no_call_starts_after_the_command_has_returned_and_the_sets_are_exact(
    url_of: str, start_system: StartSystem, database: str, count: int, seed: int
) -> None:
    with ground(start_system(followers=FOLLOWERS, accounts=2, database_url=url_of)) as made:
        trials = [stop_means_stop(made, drawn) for drawn in draw(seed, count)]

    tell(trials, where=database, seed=seed)


class LargeSubmit:
    """Submits of ten million OpenIDs, one after the other, for later and to an idle account."""

    def __init__(self, system: System, launch: Launch) -> None:
        self._system, self._launch = system, launch
        self._account = system.simulator.accounts[2]
        self._file = system.folder / "large.txt"
        with self._file.open("wb") as out:
            out.writelines(openid_lines(self._account.appid, count=LARGE))
        self.started = 0
        self._process: RunningProcess | None = None

    def runs(self) -> bool:
        """Tell whether it is under way; one that has ended ended well."""
        if self._process is None:
            return False
        status = self._process.exit_status
        assert status in {None, 0}, self._process.output
        return status is None

    def outlasted(self, moment: float) -> bool:
        """Tell whether it was under way at a moment (Unix time); its last words are its end."""
        assert self._process is not None
        return self.runs() or self._process.log.stat().st_mtime > moment

    def start(self) -> None:
        """Start the next one, with a text of its own."""
        self.started += 1
        month = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")
        self._process = self._launch(
            [
                Path(sys.executable).parent / "broadcast",
                "send",
                "--openids",
                self._file,
                "--text",
                f"您好 {self.started}",
                "--account",
                self._account.name,
                "--at",
                month,
            ],
            name="large",
            env=self._system.env,
        )

    def wait(self) -> None:
        """Wait for the end of the one that is under way."""
        assert self._process is not None
        assert self._process.wait(timeout_s=600) == 0, self._process.output

    def stored(self) -> int:
        """How many chunks of OpenIDs it and those before it have written."""
        query = (
            select(func.count())
            .select_from(ChunkRow)
            .join(BroadcastRow, BroadcastRow.id == ChunkRow.broadcast_id)
            .where(BroadcastRow.account == self._account.name)
        )
        with read(self._system.engine) as connection:
            return connection.scalar(query) or 0


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_stop_means_stop_also_beside_a_submit_of_ten_million(
    start_system: StartSystem, sqlite_url: str, launch: Launch
) -> None:
    seed, count = 4, 20
    trials: list[Measured] = []
    writing = 0
    system = start_system(followers=FOLLOWERS, accounts=3, database_url=sqlite_url)
    large = LargeSubmit(system, launch)
    with ground(system) as made:
        left: list[Drawn] = draw(seed, count)
        while left:
            if not large.runs():
                large.start()
            before = large.stored()
            trial = stop_means_stop(made, left[0])
            # One that the submit did not outlast is made again, beside the next.
            if large.outlasted(trial.returned + BAR_S):
                trials.append(trial)
                left.pop(0)
                writing += large.stored() > before
        large.wait()

    tell(trials, where=f"sqlite beside a submit of {LARGE:,}", seed=seed)
    print(f"stop: {large.started} submits; they wrote in the middle of {writing} trials")
    assert writing > 0, "the submits only read and sorted while a lane was stopped"
