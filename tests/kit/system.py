"""The whole system for acceptance tests: real Valkey, database, simulator, workers and beat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from broadcast import names
from broadcast.rules.reports import Report
from models.ledger.audit.case import Check
from models.ledger.views import broadcast_reports
from tests.kit import api, commands, foreign, template
from tests.kit.api import Program
from tests.kit.processes import RunningProcess, python_module
from tests.kit.simulator import Simulator
from tests.kit.wait import until
from tests.kit.writes import after_writes

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tests.servers.valkey import Valkey

WORKER = ("-A", "worker", "worker", "--without-gossip", "--without-mingle")
CALLBACK_READY = "callback ready "
BEAT = ("-A", "worker", "beat")
#: Seconds between two wakes of a test that does not wait for beat's next one.
WAKES_S = 0.5
#: Seconds between two questions whether the database was written to.
LOOK_S = 0.02
#: What beat wakes, but for the sweep, which it wakes often.
WAKES = (names.LAUNCH_DUE, names.POLL_RESULTS)


class System:
    """One installation on random ports; `with System(...)` cleans up every process it started."""

    def __init__(
        self,
        folder: Path,
        *,
        valkey: Valkey,
        simulator: Simulator,
        database_url: str | None = None,
        calls_per_minute: int = 0,
        settings: Mapping[str, str] | None = None,
        account_lines: str = "",
    ) -> None:
        self.folder = folder
        self._account_lines = account_lines
        self.valkey = valkey
        self.simulator = simulator
        self.database_url = database_url or f"sqlite:///{folder / 'broadcast.db'}"
        self.env = {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": valkey.url,
            "BROADCAST_ACCOUNTS_FILE": str(self._accounts_file(calls_per_minute)),
            "BROADCAST_LANG": "en",
            **(settings or {}),
        }
        self.processes: list[RunningProcess] = []
        self.engine: Engine = template.migrated(self.database_url)

    def __enter__(self) -> Self:
        """Return the system; nothing but its servers runs yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Audit, kill every process, and show their logs when the test failed.

        Whatever a test was about: at its end the promise holds, also beside running workers.
        """
        held = False
        try:
            if kind is None:
                self.audit()
                held = True
        finally:
            for process in self.processes:
                process.kill()
            self.engine.dispose()
            if not held:
                for process in self.processes:
                    print(f"--- {process.command}\n{process.output[-6000:]}")

    def _accounts_file(self, calls_per_minute: int) -> Path:
        file = self.folder / "accounts.toml"
        file.write_text(
            "".join(
                f'[accounts.{account.name}]\nappid = "{account.appid}"\n'
                f'appsecret = "{account.secret}"\naccount_kind = "{account.kind}"\n'
                f'api_base = "{self.simulator.url}"\ncalls_per_minute = {calls_per_minute}\n'
                f"{self._account_lines}\n"
                for account in self.simulator.accounts
            ),
            encoding="utf-8",
        )
        return file

    # Processes

    def worker(
        self, *, ready: bool = True, log_level: str = "INFO", **settings: str
    ) -> RunningProcess:
        """Start one more worker by its normal command line."""
        name = f"worker{len(self.processes)}"
        words = (*WORKER, "-l", log_level, "-n", f"{name}@test")
        process = self._start(name, words, settings)
        if ready:
            process.wait_for_line(" ready.", timeout_s=30)
        return process

    def beat(self, *, log_level: str = "INFO") -> RunningProcess:
        """Start one more beat."""
        name = f"beat{len(self.processes)}"
        return self._start(name, (*BEAT, "-l", log_level, "-s", str(self.folder / name)), {})

    def callback(self) -> str:
        """Start a callback server and return its URL."""
        name = f"callback{len(self.processes)}"
        process = RunningProcess(
            python_module("entrypoints.cli.main", "callback", "--port", "0"),
            log=self.folder / f"{name}.log",
            env=self.env,
            cwd=self.folder,
            warm=True,
        )
        self.processes.append(process)
        process.wait_for_line(CALLBACK_READY, timeout_s=30)
        return process.output.rsplit(CALLBACK_READY, 1)[1].split()[0]

    def api(self, *words: str, **settings: str) -> Program:
        """Start an API and return a program that may ask it for everything."""
        env = {**self.env, "BROADCAST_API_KEYS": api.KEY, **settings}
        process = api.started(self.folder, env, *words)
        self.processes.append(process)
        return Program(url=api.url_of(process))

    def command(self, *words: str) -> RunningProcess:
        """Start a command that may not end by itself."""
        name = f"command{len(self.processes)}"
        process = RunningProcess(
            python_module("entrypoints.cli.main", *words),
            log=self.folder / f"{name}.log",
            env=self.env,
            cwd=self.folder,
        )
        self.processes.append(process)
        return process

    def _start(
        self, name: str, words: Sequence[str], settings: Mapping[str, str]
    ) -> RunningProcess:
        process = RunningProcess(
            python_module("celery", *words),
            log=self.folder / f"{name}.log",
            env={**self.env, **settings},
            cwd=self.folder,
            warm=True,
        )
        self.processes.append(process)
        return process

    def kill_all(self) -> None:
        """SIGKILL to every process at once: none of them sees another one end."""
        for process in self.processes:
            process.signal_group(signal.SIGKILL)
        for process in self.processes:
            process.kill()

    def again(self, ended: RunningProcess) -> RunningProcess:
        """Start a process that has ended anew, by the same command line."""
        fresh = ended.again()
        self.processes[self.processes.index(ended)] = fresh
        return fresh

    def until_woken(
        self, predicate: Callable[[], object], what: str, *, tasks: Sequence[str] = WAKES
    ) -> None:
        """Wait as `until` does, and wake the workers more often than beat does meanwhile."""
        last = 0.0

        def woken() -> object:
            nonlocal last
            found = predicate()
            if not found and time.monotonic() - last >= WAKES_S:
                for task in tasks:
                    app.send_task(task, queue=names.QUEUE)
                last = time.monotonic()
            return found

        with foreign.app_of(self.env.get("CELERY_BROKER_URL", self.valkey.url)) as app:
            until(woken, 60, what)

    # The command line

    def broadcast(
        self, *words: str | Path, timeout_s: float = 60, status: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run `broadcast …` and return what it printed; `status` None accepts every exit status."""
        ended = commands.run(
            [str(word) for word in words],
            folder=self.folder,
            environment={**os.environ, **self.env},
            timeout_s=timeout_s,
        )
        done = subprocess.CompletedProcess(
            ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode()
        )
        if status is not None:
            assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def send(self, openids: Sequence[str], *words: str, status: int = 0) -> dict[str, Any]:
        """`broadcast send --json` to these OpenIDs; return its object."""
        file = self.folder / f"openids-{abs(hash(tuple(openids))) % 10**8}.txt"
        file.write_text("\n".join(openids) + "\n", encoding="ascii")
        text = () if "--text" in words or "--content" in words else ("--text", "您好，周五停机")
        done = self.broadcast(
            "send", "--openids", file, *text, *words, "--json", timeout_s=180, status=status
        )
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    # The truth

    def audit(self) -> dict[str, Any]:
        """`broadcast audit --all --json`, which must find nothing; return its object."""
        # A test may have stored a hundred million OpenIDs; each is counted anew.
        done = self.broadcast("audit", "--all", "--json", timeout_s=600, status=None)
        assert done.returncode in {0, 1}, f"the audit ended with {done.returncode}:\n{done.stderr}"
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        # Where nothing runs it is only a matter of time until something is stuck.
        running = any(process.exit_status is None for process in self.processes)
        found = [one for one in told["findings"] if running or one["check"] != Check.STUCK]
        assert not found, f"the audit found {len(found)}:\n{done.stderr}"
        return told

    def report(self, broadcast_id: str) -> Report:
        """The report of a broadcast from the database."""
        return broadcast_reports.report(self.engine, broadcast_id)

    def all_reports(self) -> list[Report]:
        """The reports of all broadcasts, the newest first."""
        return broadcast_reports.reports(self.engine)

    def until_state(self, broadcast_id: str, *states: str, timeout_s: float = 60) -> Report:
        """Wait until a broadcast stands in one of these states; return its report."""
        self.until_stored(
            lambda: self.report(broadcast_id).state in states,
            timeout_s,
            f"{broadcast_id} in {states}",
        )
        return self.report(broadcast_id)

    def until_stored(self, look: Callable[[], object], timeout_s: float, what: str) -> None:
        """Wait as `until` does for what a look at the database alone tells."""
        with after_writes(self.database_url, look) as seen:
            until(seen, timeout_s, what, pause_s=LOOK_S)
