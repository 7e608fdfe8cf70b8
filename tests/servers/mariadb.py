"""A real MariaDB, where the machine has one, with a data folder and a socket of its own."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING, ClassVar

import pymysql
from sqlalchemy import make_url

from tests.kit.processes import RunningProcess
from tests.servers import binaries
from tests.servers.daemon import Daemon
from tests.servers.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

USER = PASSWORD = "tests"
INSTALL_ATTEMPTS = 3


class MariaDB(Daemon):
    """One MariaDB with its default durability (InnoDB flushes at every commit)."""

    name: ClassVar[str] = "mariadb"
    #: More options, for a test that needs another server than the one of all tests.
    options: ClassVar[tuple[str, ...]] = ()

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the maintenance database `mysql`."""
        return self.database_url("mysql")

    def database_url(self, database: str) -> str:
        """SQLAlchemy URL of a database of this server."""
        address = f"{USER}:{PASSWORD}@{LOOPBACK}:{self.port}"
        return f"mysql+pymysql://{address}/{database}?charset=utf8mb4"

    def fresh_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL.

        It has the server's default collation, which ignores case, as on most machines.
        """
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._administer(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self.database_url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database made by `fresh_database`, whoever is still connected."""
        name = make_url(url).database
        with self._connect() as connection, connection.cursor() as cursor:
            query = "SELECT id FROM information_schema.processlist WHERE db = %s"
            cursor.execute(query, (name,))
            for (thread,) in cursor.fetchall():
                # It may have gone by itself meanwhile.
                with contextlib.suppress(pymysql.err.OperationalError):
                    cursor.execute("KILL CONNECTION %s", (thread,))
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")

    def _prepare(self) -> None:
        self._install()
        (self.folder / "first.sql").write_text(
            f"CREATE USER IF NOT EXISTS {USER}@'{LOOPBACK}' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO {USER}@'{LOOPBACK}';\n"
        )

    def _install(self) -> None:
        """Make the data folder; a busy machine may refuse it asynchronous I/O once or twice."""
        data = self.folder / "data"
        command: list[str | Path] = [
            *(install_program(), "--no-defaults", f"--datadir={data}"),
            *(f"--user={getpass.getuser()}", "--auth-root-authentication-method=normal"),
            *("--skip-test-db", "--innodb-use-native-aio=0"),
        ]
        for attempt in range(1, INSTALL_ATTEMPTS + 1):
            ended = subprocess.run(command, check=False, capture_output=True, timeout=120)
            if ended.returncode == 0:
                return
            if attempt < INSTALL_ATTEMPTS:
                shutil.rmtree(data, ignore_errors=True)
        said = (ended.stdout + ended.stderr).decode(errors="replace")
        message = f"mariadb-install-db failed {INSTALL_ATTEMPTS} times; the last time:\n{said}"
        raise AssertionError(message)

    def _launch(self) -> RunningProcess:
        command: list[str | Path] = [
            # A file that may not grow is an error to it then, as on a full disk, and not its end.
            *("sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"),
            *(server_program(), "--no-defaults", f"--datadir={self.folder / 'data'}"),
            *(f"--socket={self.folder / 's'}", f"--port={self.port}", f"--bind-address={LOOPBACK}"),
            *(f"--pid-file={self.folder / 'pid'}", f"--user={getpass.getuser()}"),
            *(f"--init-file={self.folder / 'first.sql'}", "--skip-name-resolve"),
            "--skip-ssl",  # enciphering what never leaves the machine took a fifth of these tests
            "--innodb-use-native-aio=0",
            *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M"),
            *self.options,
        ]
        return RunningProcess(command, log=self.folder / "log")

    def _answers(self) -> bool:
        with self._connect() as connection, connection.cursor() as cursor:
            # Somebody else's server on this port would not have this data folder.
            cursor.execute("SELECT @@datadir")
            row = cursor.fetchone()
        return row is not None and str(row[0]).rstrip("/") == str(self.folder / "data")

    def _administer(self, statement: str) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def _connect(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        return pymysql.connect(
            host=LOOPBACK,
            port=self.port,
            user=USER,
            password=PASSWORD,
            autocommit=True,
            ssl_disabled=True,  # it would read all certificates of this machine first
        )


def server_program() -> Path:
    """The program `mariadbd`.

    Raises:
        FileNotFoundError: this machine has none.
    """
    return _found("mariadbd")


def install_program() -> Path:
    """The program `mariadb-install-db`.

    Raises:
        FileNotFoundError: this machine has none.
    """
    return _found("mariadb-install-db")


def _found(name: str) -> Path:
    program = binaries.find(name)
    if program is None:
        message = f"no {name} on this machine"
        raise FileNotFoundError(message)
    return program
