"""Where a page's commands run: WeChat's stand-in, a worker, a list, and a terminal."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from sqlalchemy import select

from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.reports import Report
from broadcast.rules.states import SHOWN_DONE, BatchState, BroadcastState
from models.every_table import Batch
from models.ledger.outcomes import recorded_ends
from models.ledger.steer import operator
from tests.kit import ledger
from tests.kit.clock import Clock
from tests.kit.processes import ROOT, RunningProcess
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.system import System
from tests.kit.terminal import Shown, typed
from tests.kit.wait import until

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tests.servers.valkey import Valkey

#: The followers of the first are those that `examples/openids.csv` lists.
ACCOUNTS = (
    SimulatedAccount(name="default", appid="wxdem0000000000001"),
    SimulatedAccount(name="shop", appid="wx0000000000000002"),
)
FOLLOWERS = 30_001
LOOK_EVERY_S = 0.5
UNLIMITED = {"daily_limit": 100, "used": 0, "calls_per_minute": 0}


class Stage:
    """One installation in a folder; `with` starts and ends it."""

    def __init__(
        self, folder: Path, *, valkey: Valkey, lang: str, clock: Clock | None = None
    ) -> None:
        """*clock*: the ledger's and WeChat's; a page with programs of others has none."""
        self.folder = folder
        self.lang = lang
        self._clock = clock
        self._valkey = valkey
        self._stack = ExitStack()
        self._worker: RunningProcess | None = None
        self._beat: RunningProcess | None = None

    def __enter__(self) -> Self:
        """Start WeChat's stand-in, a worker and beat, and lay out a list."""
        self.wechat = self._stack.enter_context(Simulator(ACCOUNTS, followers=FOLLOWERS))
        self.system = self._stack.enter_context(
            System(
                self.folder,
                valkey=self._valkey,
                simulator=self.wechat,
                database_url=f"sqlite:///{self.folder / 'var' / 'broadcast.db'}",
                settings={"LOGNAME": "ops", **(self._clock.settings if self._clock else {})},
            )
        )
        if self._clock:
            self._clock.follow(self.system)
        shutil.copytree(ROOT / "examples", self.folder / "examples")
        shutil.copy(self.folder / "examples" / "openids.csv", self.folder / "followers.csv")
        self.env = {
            **os.environ,
            **self.system.env,
            "BROADCAST_LANG": self.lang,
            "BROADCAST_ACCOUNTS_FILE": str(self._one_account()),
            "TERM": "xterm-256color",
        }
        self.work()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything; the ledger is audited."""
        if kind is None:
            self.clear()
        self._stack.__exit__(kind, error, trace)

    def _one_account(self) -> Path:
        _, default, *_ = (self.folder / "accounts.toml").read_text("utf-8").split("[accounts.")
        file = self.folder / "one.toml"
        file.write_text(f"[accounts.{default}", "utf-8")
        file.chmod(0o600)
        return file

    # What a scene changes

    def leave_midnight(self) -> None:
        """Let it be an hour later if a day that is used up would end in minutes."""
        if self._clock:
            self._clock.leave_midnight(self.system)

    def type(self, line: str, *answers: str) -> Shown:
        """Type one line; answer what it asks."""
        with self._short_undo_window():
            return typed(line, folder=self.folder, environment=self.env, answers=answers)

    @contextmanager
    def _short_undo_window(self) -> Iterator[None]:
        """End each undo window at once: whoever reads a page has a minute more than a test."""
        over = Event()

        def end() -> None:
            while not over.wait(LOOK_EVERY_S):
                ledger.end_cooling_off(self.system.engine)

        with ThreadPoolExecutor(1) as thread:
            ended = thread.submit(end)
            try:
                yield
            finally:
                over.set()
            ended.result()
        ledger.end_cooling_off(self.system.engine)

    def follower(self, number: int) -> str:
        """Return the OpenID of one follower, from 1 on."""
        return self.wechat.openids(number)[-1]

    def send(self, *words: str) -> str:
        """Store a broadcast to the list; return its id."""
        words = words if "--openids" in words else ("--openids", "followers.csv", *words)
        done = self.system.broadcast("send", "--account", "default", *words, "--again", "--json")
        return str(json.loads(done.stdout.splitlines()[-1])["id"])

    def until_calls(self, count: int) -> None:
        """Wait until WeChat has answered so many sends, and their outcomes are stored."""

        def recorded() -> bool:
            calls = sum(report.calls for report in self.system.all_reports() if _is_open(report))
            return calls >= count

        until(recorded, 30, f"{count} calls")

    def until_state(self, *states: BroadcastState) -> None:
        """Wait until the newest broadcast is in one of these states."""
        newest = self.system.all_reports()[0].id
        self.system.until_state(newest, *states)

    def all_accounts(self) -> None:
        """Let the commands know every account."""
        self.env["BROADCAST_ACCOUNTS_FILE"] = str(self.folder / "accounts.toml")

    def rest(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def work(self) -> None:
        """Start a worker and beat, unless they run."""
        if self._worker is None:
            self._worker = self.system.worker()
        if self._beat is None:
            self._beat = self.system.beat()

    def end_everything(self) -> None:
        """End the worker and beat, and let go of the database."""
        self.rest()
        if self._beat is not None:
            self._beat.stop()
            self._beat = None
        self.system.engine.dispose()

    def pass_time(self, elapsed: timedelta) -> None:
        """Let time pass for what is stored."""
        ledger.pass_time(self.system.engine, elapsed)

    def push_ends(self, *, console: int) -> None:
        """Take WeChat's finish events: of the newest broadcast, and of a job of its console's."""
        newest = self.system.all_reports()[0].id
        for line in self.system.report(newest).batch_list:
            total, eligible = line.size or 0, (line.size or 0) - 12
            self._take(
                line.msg_id or 0,
                Counts(total=total, eligible=eligible, sent=eligible - 1, errors=1),
            )
        self._take(console, Counts(total=812, eligible=800, sent=800, errors=0))

    def _take(self, msg_id: int, counts: Counts) -> None:
        event = FinishEvent(msg_id=msg_id, status="send success", counts=counts)
        recorded_ends.record_finish_event(self.system.engine, "default", event)

    def clear(self) -> None:
        """End what a scene has left: nothing is open, and everything is days ago."""
        self.wechat.clear_faults()
        for account in ACCOUNTS:
            self.wechat.change_account(account.appid, **UNLIMITED)
        for report in self.system.all_reports():
            if _is_open(report):
                operator.cancel(self.system.engine, report.id, who="tests")
        operator.unhalt(self.system.engine, None, who="tests")
        until(lambda: not self._calls_under_way(), 30, "the end of every call")
        self.pass_time(timedelta(days=3))
        self.work()

    def _calls_under_way(self) -> bool:
        with self.system.engine.connect() as connection:
            query = select(Batch.id).where(Batch.state == BatchState.CALLING)
            return connection.scalar(query.limit(1)) is not None


def _is_open(report: Report) -> bool:
    return report.state not in SHOWN_DONE
