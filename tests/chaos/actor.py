"""Makes a schedule happen: each kind of fault is a method, and what ends by itself is put back."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from broadcast.crashpoints import VARIABLE
from broadcast.errors import BroadcastError
from broadcast.rules.finish_events import EVENT
from broadcast.rules.plan.audience import Everyone, Tag
from models.engine import open_engine
from models.ledger.steer import operator
from tests.chaos.schedule import TAGS
from tests.chaos.site import FOLLOWERS, KNOWN
from tests.kit.direct import submit, submit_to
from tests.kit.endpoints import MASS_SEND, MASS_SENDALL
from tests.kit.pushes import TOKEN
from tests.servers.ports import LOOPBACK

if TYPE_CHECKING:
    from broadcast.rules.accounts import Account
    from tests.chaos.schedule import Fault, Schedule, Submission
    from tests.chaos.site import Site
    from tests.kit.processes import RunningProcess
    from tests.kit.system import System

WHO = "chaos"
#: The last faults stand so long: as long as a sweep takes to find what was submitted last.
MEETS_WITHIN_S = 3.0
APPIDS = {account.name: account.appid for account in KNOWN}


class Actor:
    """Plays one schedule on one installation."""

    def __init__(
        self, schedule: Schedule, site: Site, system: System, accounts: dict[str, Account]
    ) -> None:
        self.schedule, self.site, self.system, self.accounts = schedule, site, system, accounts
        #: Whom each broadcast must reach: a list of ours, or one that is WeChat's own.
        self.lists: dict[str, Sequence[str]] = {}
        self.own_lists: dict[str, Sequence[str]] = {}
        self.broadcasts: list[str] = []
        self.workers: list[RunningProcess] = []
        self.beats: list[RunningProcess] = []
        self.callback: RunningProcess | None = None
        self._doomed: set[int] = set()
        self._waking: list[threading.Timer] = []
        self._order = itertools.count()
        self._todo: list[tuple[float, int, Callable[[], object]]] = []
        self._began_s = 0.0
        self._used = dict.fromkeys(APPIDS, 0)

    def play(self) -> None:
        """Start the processes, submit, and let every fault happen and end at its time."""
        self.workers = [self.system.worker(ready=False) for _ in range(self.schedule.workers)]
        self.beats = [self.system.beat() for _ in range(self.schedule.beats)]
        self._serve_callback()
        for worker in self.workers:
            worker.wait_for_line(" ready.", timeout_s=60)
        self._began_s = time.monotonic()
        for one in self.schedule.submissions:
            self._at(one.at_s, partial(self._submit, one))
        for fault in self.schedule.faults:
            self._at(fault.at_s, partial(self._do, fault))
        while self._todo:
            at_s, _, action = heapq.heappop(self._todo)
            time.sleep(max(0.0, self._began_s + at_s - time.monotonic()))
            action()
        time.sleep(MEETS_WITHIN_S)

    def heal(self) -> None:
        """Put everything back: from here on nothing is wrong but what was done."""
        for waking in self._waking:
            waking.join()
        self.site.simulator.process.thaw()
        self.site.simulator.clear_faults()
        self.site.valkey.revive()
        for n, worker in enumerate(self.workers):
            worker.thaw()
            if worker.pid in self._doomed:
                # Its point may still be ahead of it.
                worker.kill()
            if worker.exit_status is not None:
                self.workers[n] = self.system.worker(ready=False)
        for n, beat in enumerate(self.beats):
            if beat.exit_status is not None:
                self.beats[n] = self.system.beat()
        if self.callback is None or self.callback.exit_status is not None:
            self._serve_callback()
        operator.unhalt(self.system.engine, None, who=WHO)
        for broadcast_id in self.broadcasts:
            self._resume(broadcast_id)

    def _at(self, at_s: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._todo, (at_s, next(self._order), action))

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        self._at(time.monotonic() - self._began_s + seconds, action)

    def _submit(self, one: Submission) -> None:
        number = len(self.broadcasts)
        engine, account = self.system.engine, self.accounts[one.account]
        key, text = f"chaos-{number}", f"第 {number} 次"
        who = self._who(one)
        if one.to is None:
            made = submit(
                engine,
                account,
                who,
                key=key,
                batch_size=one.batch_size,
                text=text,
                priority=one.priority,
            )
            self.lists[made] = who
        else:
            made = submit_to(engine, account, one.to, key=key, text=text, priority=one.priority)
            self.own_lists[made] = who
        self.broadcasts.append(made)

    def _who(self, one: Submission) -> Sequence[str]:
        appid, openids = APPIDS[one.account], self.site.simulator.openids
        if isinstance(one.to, Everyone):
            return openids(FOLLOWERS, appid=appid)
        if isinstance(one.to, Tag):
            numbers = TAGS[one.to.tag_id]
            return openids(len(numbers), start=numbers.start, appid=appid)
        start = self._used[one.account]
        self._used[one.account] += one.size
        return openids(one.size, start=start, appid=appid)

    def _do(self, fault: Fault) -> None:
        getattr(self, f"_{fault.kind}")(**fault.facts)

    # WeChat

    def _reply(self, **order: Any) -> None:
        self.site.simulator.fault(order.pop("kind"), **order)

    _errcode = _reply
    _stop_account = _reply

    def _push_lost(self, **order: Any) -> None:
        self.site.simulator.fault(order.pop("kind"), path=EVENT, **order)

    _push_twice = _push_lost
    _push_late = _push_lost

    def _push_early(self, account: str, count: int, seconds: float) -> None:
        appid = APPIDS[account]
        at_once = {"delay_s": 0, "count": count}
        self.site.simulator.admin("POST", f"accounts/{appid}/next-jobs", at_once)
        for path in (MASS_SEND, MASS_SENDALL):
            self.site.simulator.fault(
                "slow", appid=appid, path=path, when="after", seconds=seconds, count=count
            )

    def _lose_then_stop(self, account: str, path: str, when: str, errcode: int) -> None:
        # What is refused before the call was executed would be refused before it is lost, too.
        passes = 1 if when == "after" else 0
        self._reply(kind="drop", appid=APPIDS[account], path=path, when=when, count=1)
        self._reply(
            kind="errcode",
            appid=APPIDS[account],
            path=path,
            when="before",
            errcode=errcode,
            skip=passes,
            count=1,
        )

    def _invalidate_tokens(self, account: str, for_s: float) -> None:
        del for_s
        self.site.simulator.invalidate_token(APPIDS[account])

    def _freeze_wechat(self, for_s: float) -> None:
        # Our own admin calls would hang with it.
        process = self.site.simulator.process
        process.freeze()
        time.sleep(for_s)
        process.thaw()

    # Processes

    def _kill_worker(self, worker: int, down_s: float) -> None:
        self.workers[worker].kill()
        self._later(down_s, lambda: self._start_worker(worker))

    def _stop_worker(self, worker: int, down_s: float) -> None:
        self.workers[worker].terminate()
        self._later(down_s, lambda: self._start_worker(worker))

    def _crash_worker(self, worker: int, point: str, nth: int) -> None:
        self.workers[worker].kill()
        armed = {VARIABLE: f"{point}:{nth}"}
        self.workers[worker] = self.system.worker(ready=False, **armed)
        self._doomed.add(self.workers[worker].pid)

    def _start_worker(self, worker: int) -> None:
        self.workers[worker] = self.system.worker(ready=False)

    def _freeze_worker(self, worker: int, for_s: float) -> None:
        frozen = self.workers[worker]
        frozen.freeze()
        # By a thread of its own: it may hold the lock of SQLite that a word of a person waits for.
        waking = threading.Timer(for_s, frozen.thaw)
        waking.start()
        self._waking.append(waking)

    def _serve_callback(self) -> None:
        """Start a callback server, and let WeChat push to it from now on."""
        url = self.system.callback()
        self.callback = self.system.processes[-1]
        for name, appid in APPIDS.items():
            self.site.simulator.set_callback(f"{url}/wechat/{name}/callback", TOKEN, appid=appid)

    def _kill_callback(self, down_s: float) -> None:
        if self.callback is not None:
            self.callback.kill()
        self._later(down_s, self._serve_callback)

    def _kill_beat(self) -> None:
        self.beats[0].kill()

    # Valkey

    def _kill_valkey(self, for_s: float) -> None:
        self.site.valkey.kill()
        self._later(for_s, self.site.valkey.revive)

    def _flush_valkey(self) -> None:
        # A frozen one does it when it wakes up; nobody waits for its answer.
        with (
            contextlib.suppress(OSError),
            socket.create_connection((LOOPBACK, self.site.valkey.port), timeout=1) as connection,
        ):
            connection.sendall(b"FLUSHALL\r\n")

    def _freeze_valkey(self, for_s: float) -> None:
        with contextlib.suppress(RuntimeError):
            self.site.valkey.freeze()
        self._later(for_s, self.site.valkey.revive)

    # The database

    def _lock_database(self, for_s: float) -> None:
        """Hold what every writer needs, as a long transaction of somebody else's does."""
        engine = open_engine(self.system.database_url)
        connection = engine.connect()
        connection.begin()
        if engine.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE bc_lanes IN EXCLUSIVE MODE"))

        def release() -> None:
            connection.close()
            engine.dispose()

        # Nobody of ours may write meanwhile, or the run would wait for itself.
        time.sleep(for_s)
        release()

    def _cut_database(self) -> None:
        """Terminate every connection of the others; SQLite has none."""
        if self.schedule.database != "postgresql":
            return
        with self.system.engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

    # People

    def _pause(self, broadcast: int, for_s: float) -> None:
        if (broadcast_id := self._nth(broadcast)) is None:
            return
        with contextlib.suppress(BroadcastError):
            # It may have ended already.
            operator.pause(self.system.engine, broadcast_id, who=WHO)
        self._later(for_s, lambda: self._resume(broadcast_id))

    def _cancel(self, broadcast: int, for_s: float) -> None:
        del for_s
        if (broadcast_id := self._nth(broadcast)) is None:
            return
        with contextlib.suppress(BroadcastError):
            operator.cancel(self.system.engine, broadcast_id, who=WHO)

    def _halt(self, account: str | None, for_s: float) -> None:
        operator.halt(self.system.engine, account, who=WHO)
        self._later(for_s, lambda: operator.unhalt(self.system.engine, account, who=WHO))

    def _resume(self, broadcast_id: str) -> None:
        with contextlib.suppress(BroadcastError):
            # It has ended, or is held for batches in doubt.
            operator.resume(self.system.engine, broadcast_id, who=WHO)

    def _nth(self, broadcast: int) -> str | None:
        ids = self.broadcasts
        return ids[broadcast % len(ids)] if ids else None
