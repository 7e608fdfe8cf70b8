"""Where runs happen: servers that outlive a run, and for each run a fresh installation."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.schedule import ACCOUNTS, TAGS, Schedule
from tests.kit.pushes import TOKEN
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.system import System
from tests.servers.postgresql import PostgreSQL
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

FOLLOWERS = 2_000
KNOWN = tuple(
    SimulatedAccount(name=name, appid=f"wx{n:016d}") for n, name in enumerate(ACCOUNTS, 1)
)

#: Alembic keeps the migration under way in variables of its modules, and the package that starts
#: PostgreSQL a lock of files: one thread at a time.
_ONE_AT_A_TIME = threading.Lock()


class Site:
    """Valkey, the simulator and PostgreSQL for one run after the other."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.valkey = Valkey()
        self._postgresql: PostgreSQL | None = None

    def __enter__(self) -> Self:
        """Start what every run needs."""
        self._stack.enter_context(self.valkey)
        self.simulator = self._stack.enter_context(Simulator(KNOWN, followers=FOLLOWERS))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        with _ONE_AT_A_TIME:
            self._stack.close()

    @property
    def postgresql(self) -> PostgreSQL:
        """PostgreSQL, started with the first run that needs it."""
        if self._postgresql is None:
            with _ONE_AT_A_TIME:
                self._postgresql = self._stack.enter_context(PostgreSQL())
        return self._postgresql

    @contextlib.contextmanager
    def installation(self, schedule: Schedule) -> Iterator[System]:
        """Make a fresh installation for a run: nothing but its servers runs yet."""
        self._renew(schedule)
        with ExitStack() as stack:
            url = None
            if schedule.database == "postgresql":
                url = self.postgresql.fresh_database()
                stack.callback(self.postgresql.drop_database, url)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
            with _ONE_AT_A_TIME:
                system = System(
                    folder,
                    valkey=self.valkey,
                    simulator=self.simulator,
                    database_url=url,
                    settings={
                        "BROADCAST_WAIT_SCALE": str(schedule.wait_scale),
                        # Lies make more doubts in a run than an account may have, and after the
                        # healing nobody is there who would lift a stop.
                        "BROADCAST_PAUSE_AFTER_DOUBTS": "0",
                    },
                    account_lines=f'callback_token = "{TOKEN}"\n',
                )
            yield stack.enter_context(system)

    def _renew(self, schedule: Schedule) -> None:
        self.valkey.revive()
        self.valkey.flushall()
        self.simulator.reset()
        self.simulator.clear_faults()
        # No cap: a follower of WeChat's own lists may get more than four, and each must count.
        self.simulator.set_switches(latency_ms=schedule.latency_ms, monthly_cap=0)
        for account in KNOWN:
            self.simulator.change_account(account.appid, daily_limit=100_000, calls_per_minute=0)
            for tag_id, numbers in TAGS.items():
                bearers = self.simulator.openids(
                    len(numbers), start=numbers.start, appid=account.appid
                )
                path = f"accounts/{account.appid}/tags/{tag_id}"
                self.simulator.admin("POST", path, lines=bearers)
