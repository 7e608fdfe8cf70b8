"""One case of the table of crash points: an installation of its own, a death, and what came of it.

Valkey, the simulator and the database servers are shared by cases that run side by side; each case
has its own account, its own database and its own prefix in Redis. Beat's part is played here: its
wakes, given through the broker, so that a case starts one process less.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from celery import Celery
from sqlalchemy import func, select

from broadcast import names
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import Waits
from broadcast.rules.states import BroadcastState, Phase
from broadcast.settings.program_settings import Settings
from models.batch_tables import AttemptRow
from models.broadcast_tables import BroadcastRow
from models.every_table import Batch
from models.ledger.audit import audit_run
from models.ledger.rows.transaction import read
from tests.acceptance.crash_table import BATCH_SIZE, BATCHES, Course, Fate, Seen
from tests.kit.direct import submit
from tests.kit.endpoints import MASS_SEND
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.system import System
from worker.delivery.lane import CALL_WITHIN_S

if TYPE_CHECKING:
    from typing import Self

    from broadcast.rules.accounts import Account
    from tests.servers.valkey import Valkey

#: A minute of WeChat's is a second.
SCALE = 1 / 60
SIZE = BATCHES * BATCH_SIZE
#: What beat's schedule has.
WAKE_EVERY_S = 3
AT_ONCE = 12
STARTING_AT_ONCE = 3
DIES_WITHIN_S = 90
ENDS_WITHIN_S = 120
#: A claim is given back when it is older; its own moment is a little after the one that is stored.
TOO_OLD = timedelta(seconds=CALL_WITHIN_S)

#: Makes a database, gives its URL, and drops it; an empty URL is a file of the installation.
Database: TypeAlias = Callable[[], AbstractContextManager[str]]
#: Runs one case on a site.
Case: TypeAlias = "Callable[[Site], Measured]"


class Site:
    """The servers that all cases share; `databases` make a database of each kind."""

    def __init__(
        self,
        folder: Path,
        *,
        valkey: Valkey,
        databases: Mapping[str, Database],
        cases: int,
    ) -> None:
        self.folder = folder
        self.valkey = valkey
        self._databases = databases
        accounts = [SimulatedAccount(name=f"case{n}", appid=f"wx{n:016d}") for n in range(cases)]
        self.simulator = Simulator(
            accounts, followers=SIZE, daily_limit=100_000, calls_per_minute=0
        )
        self._numbers = itertools.count()
        # Migrations keep their connection in a module; and two cores start three workers well.
        self._building = threading.Lock()
        self._starting = threading.Semaphore(STARTING_AT_ONCE)

    def __enter__(self) -> Self:
        """Start the simulator."""
        self.simulator.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.simulator.stop()

    @contextlib.contextmanager
    def installation(self, database: str, *, calls_per_minute: int = 0) -> Iterator[Installation]:
        """Make a fresh installation: nothing but its servers runs yet."""
        with ExitStack() as stack:
            with self._building:
                n = next(self._numbers)
                folder = self.folder / f"case{n}"
                folder.mkdir()
                made = Installation(
                    folder,
                    site=self,
                    account=self.simulator.accounts[n],
                    database_url=stack.enter_context(self._databases[database]()),
                    calls_per_minute=calls_per_minute,
                )
            stack.enter_context(made)
            stack.enter_context(contextlib.closing(made.broker))
            yield made

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Wait for a turn to start a process."""
        with self._starting:
            yield

    def side_by_side(self, cases: Sequence[Case]) -> list[Measured]:
        """Run all *cases*, some at a time; return what came of each, in their order."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(lambda case: case(self), cases))


@dataclass(frozen=True, slots=True)
class Made:
    """An attempt: how it ended, and how long after its claim that was stored."""

    outcome: Outcome | None
    after: timedelta


def on_course(made: Sequence[Made], course: Sequence[Outcome | None]) -> tuple[Outcome | None, ...]:
    """Return how *made* ended, without what a busy machine adds to *course*.

    That are claims that grew too old for their calls and were given back: nothing left this
    machine. One that was given back sooner is told.
    """
    told: list[Outcome | None] = []
    for one in made:
        expected = course[len(told)] if len(told) < len(course) else None
        too_old = one.outcome is Outcome.NOT_CALLED and one.after > TOO_OLD
        if not too_old or expected is Outcome.NOT_CALLED:
            told.append(one.outcome)
    return tuple(told)


class Installation(System):
    """One account, its database and its worker, in a corner of the site."""

    def __init__(
        self,
        folder: Path,
        *,
        site: Site,
        account: SimulatedAccount,
        database_url: str,
        calls_per_minute: int,
    ) -> None:
        self._account = account
        prefix = f"{account.name}:"
        super().__init__(
            folder,
            valkey=site.valkey,
            simulator=site.simulator,
            database_url=database_url or None,
            calls_per_minute=calls_per_minute,
            settings={
                "BROADCAST_REDIS_PREFIX": prefix,
                "BROADCAST_WAIT_SCALE": str(SCALE),
                "BROADCAST_BATCH_SIZE": str(BATCH_SIZE),
            },
        )
        self.appid = account.appid
        self.openids = site.simulator.openids(SIZE, appid=account.appid)
        self.broker = Celery(set_as_current=False)
        self.broker.config_from_object("celeryconfig")
        self.broker.conf.update(broker_url=site.valkey.url)
        self.broker.conf.broker_transport_options = {"global_keyprefix": prefix}

    def _accounts_file(self, calls_per_minute: int) -> Path:
        known, self.simulator.accounts = self.simulator.accounts, (self._account,)
        try:
            return super()._accounts_file(calls_per_minute)
        finally:
            self.simulator.accounts = known

    @property
    def account(self) -> Account:
        """The account as the settings have it."""
        file = self.env["BROADCAST_ACCOUNTS_FILE"]
        return Settings(BROADCAST_ACCOUNTS_FILE=file).accounts()[self._account.name]

    def submit(self) -> str:
        """Store a broadcast to all followers, waking nobody; return its id."""
        return submit(self.engine, self.account, self.openids, key="K", batch_size=BATCH_SIZE)

    @contextlib.contextmanager
    def beat_wakes(self, *tasks: str) -> Iterator[None]:
        """Wake for *tasks* every three seconds while the block runs, as beat does."""
        over = threading.Event()

        def wake() -> None:
            while not over.wait(WAKE_EVERY_S):
                for task in tasks:
                    self.broker.send_task(task, queue=names.QUEUE)

        thread = threading.Thread(target=wake, name=f"beat of {self._account.name}")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def order(self, fate: Fate) -> None:
        """Order the fate of the account's first mass call."""
        when = {Fate.LOST: "after", Fate.NEVER: "before"}.get(fate)
        if when is not None:
            self.simulator.fault("drop", when=when, path=MASS_SEND, appid=self.appid)

    # What became of it

    def completed(self, broadcast_id: str) -> bool:
        """Whether every follower is in the set of the accepted."""
        report = self.report(broadcast_id)
        everybody = report.recipients["accepted"] == SIZE
        return everybody and report.state is BroadcastState.COMPLETED

    def finished(self, broadcast_id: str) -> bool:
        """Whether WeChat's results of every batch are known."""
        return self.report(broadcast_id).batches["finished"] == BATCHES

    def attempts(self, broadcast_id: str, n: int = 1) -> tuple[Outcome | None, ...]:
        """How each attempt of a batch ended."""
        return tuple(attempt.outcome for attempt in self.made(broadcast_id, n))

    def made(self, broadcast_id: str, n: int = 1) -> list[Made]:
        """Return the attempts of a batch, by number."""
        with read(self.engine) as connection:
            rows = connection.execute(
                select(AttemptRow.outcome, AttemptRow.started_at, AttemptRow.ended_at)
                .join(Batch, Batch.id == AttemptRow.batch_id)
                .where(Batch.broadcast_id == broadcast_id, Batch.n == n)
                .order_by(AttemptRow.number)
            )
            return [
                Made(row.outcome, (row.ended_at or row.started_at) - row.started_at) for row in rows
            ]

    def seen(self, broadcast_id: str, n: int = 1) -> tuple[Seen, ...]:
        """What WeChat's stand-in did with each call of a batch, found by its clientmsgid.

        A call that never arrived was not read, so it has none: ordered is that of the first batch.
        """
        keys = self.keys(broadcast_id)
        calls = self.simulator.mass_calls(appid=self.appid)
        return tuple(_what(call) for call in calls if keys.get(call["clientmsgid"], 1) == n)

    def keys(self, broadcast_id: str) -> dict[str, int]:
        """Return the batches' numbers by their clientmsgid."""
        with read(self.engine) as connection:
            rows = connection.execute(
                select(Batch.clientmsgid, Batch.n).where(Batch.broadcast_id == broadcast_id)
            )
            return {row.clientmsgid: row.n for row in rows}

    def broadcasts(self) -> int:
        """How many broadcasts are stored; an upload of a command that died is none."""
        query = select(func.count()).where(BroadcastRow.phase != Phase.UPLOADING)
        with read(self.engine) as connection:
            return connection.scalar(query) or 0


def _what(call: dict[str, object]) -> Seen:
    if call["errcode"] == 45065:
        return Seen.KNOWN
    return Seen.TAKEN if call["msg_id"] is not None else Seen.MISSED


@dataclass(slots=True)
class Measured:
    """What came of a case, in the words of the printed table, and what was wrong with it."""

    words: tuple[str, ...]
    findings: list[str] = field(default_factory=list)
    told: str = ""
    recovered_s: float = 0.0

    def expect(self, what: str, found: object, expected: object) -> None:
        """Note it where *found* is not what the table says."""
        if found != expected:
            self.findings.append(f"{what}: {found}, and not {expected}")

    def __str__(self) -> str:
        verdict = "as in the table" if not self.findings else "BROKEN: " + "; ".join(self.findings)
        case = f"{self.words[0]:<18}" + ", ".join(self.words[1:])
        return f"{case:<62} {self.told:<66} {self.recovered_s:5.1f} s  {verdict}"


def measure(words: tuple[str, ...], run: Callable[[Measured], None]) -> Measured:
    """Run a case; whatever fails in it is a finding, so that the other cases are told too."""
    measured = Measured(words)
    try:
        run(measured)
    except Exception as error:  # noqa: BLE001 - it is told, and fails the test
        measured.findings.append(f"{type(error).__name__}: {error}")
    return measured


def judge(measured: Measured, here: Installation, broadcast_id: str, *, course: Course) -> None:
    """Hold the simulator's ledger and the database's attempts against the table."""
    made, seen = here.made(broadcast_id), here.seen(broadcast_id)
    attempts = on_course(made, course.attempts)
    ended = ", ".join(one.value if one else "-" for one in attempts)
    measured.told = f"WeChat: {', '.join(seen)}; attempts: {ended}"
    measured.expect("calls of the first batch", seen, course.seen)
    measured.expect("attempts of the first batch", attempts, course.attempts)
    once = (Outcome.ACCEPTED,)
    for n in range(2, BATCHES + 1):
        measured.expect(f"calls of batch {n}", here.seen(broadcast_id, n), (Seen.TAKEN,))
        others = on_course(here.made(broadcast_id, n), once)
        measured.expect(f"attempts of batch {n}", others, once)
    calls = here.simulator.mass_calls(appid=here.appid)
    expected = len(course.seen) + BATCHES - 1
    measured.expect("mass calls in all", len(calls), expected)
    strange = {call["clientmsgid"] for call in calls} - {None, *here.keys(broadcast_id)}
    measured.expect("calls under another clientmsgid", strange, set())
    measured.expect("most calls at once", here.simulator.max_in_flight(here.appid), 1)
    delivered = here.simulator.ledger_dump(here.appid)
    measured.expect("deliveries", delivered, dict.fromkeys(here.openids, 1))
    sets = {name: n for name, n in here.report(broadcast_id).recipients.items() if n}
    measured.expect("sets", sets, {"accepted": SIZE})
    measured.expect("broadcasts", here.broadcasts(), 1)
    found = audit_run.audit_all(here.engine, waits=Waits(SCALE))
    measured.expect("audit", [str(finding) for finding in found.findings], [])


def count(here: Installation, *paths: str) -> int:
    """How often the account's processes called these endpoints."""
    return sum(len(here.simulator.calls(appid=here.appid, path=path)) for path in paths)


def wait_for_end(
    here: Installation,
    broadcast_id: str,
    since_s: float,
    *,
    over: Callable[[str], bool] | None = None,
) -> float:
    """Wait until a broadcast is completed, or what else it ends with; return how long it took."""
    ended = over or here.completed
    here.until_stored(lambda: ended(broadcast_id), ENDS_WITHIN_S, "everything to be accepted")
    return time.monotonic() - since_s
