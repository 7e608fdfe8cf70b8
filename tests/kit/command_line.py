"""The real command `broadcast` as a process, in an environment of its own."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, text

from broadcast.rules.calls.waits import Waits
from models.engine import open_engine
from models.every_table import Base
from models.ledger.audit import audit_run, case
from tests.kit import commands, ledger
from tests.servers.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

TABLES = tuple(
    name for name in Base.metadata.tables if name not in {"bc_installation", "bc_attempts"}
)


@dataclass
class CommandLine:
    """Runs `broadcast` in an empty folder, with a SQLite file; nobody listens for the rest.

    Change `env` to give it real parts. `with CommandLine(...)` ends with an audit of the file.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    #: Words before the command, which then is a process with an interpreter of its own.
    before: list[str] = field(default_factory=list)
    #: Its ledger was changed by hand, so that no audit can find it whole.
    broken: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Fill in an account and parts that refuse."""
        self.database = self.folder / "ledger" / "broadcast.db"
        nobody = f"{LOOPBACK}:{free_port()}"
        self.env = {
            "WECHAT_APPID": "wx0000000000000001",
            "WECHAT_APPSECRET": "appsecret-of-the-tests",
            "WECHAT_API_BASE": f"http://{nobody}",
            "REDIS_URL": f"redis://{nobody}/0",
            "DATABASE_URL": f"sqlite:///{self.database}",
            "BROADCAST_LANG": "en",
            **self.env,
        }

    def __enter__(self) -> Self:
        """Return itself; the file is not there yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Audit what is stored: whatever a test was about, at its end the promise holds."""
        if kind is None and self.database.exists() and not self.broken:
            self.audit()

    def run(
        self, *words: str | bytes, stdin: bytes = b"", timeout_s: float = 60, **env: str | None
    ) -> Result:
        """Run one command to its end; None takes a variable out of the environment."""
        done = commands.run(
            words,
            folder=self.folder,
            environment=self.environment(env),
            stdin=stdin,
            timeout_s=timeout_s,
            before=self.before,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def environment(self, changes: dict[str, str | None]) -> dict[str, str]:
        """Return the whole environment of a command."""
        own = dict(self.env)
        if "BROADCAST_ACCOUNTS_FILE" in {**own, **changes}:
            # It takes the place of the one account.
            own.pop("WECHAT_APPID", None)
            own.pop("WECHAT_APPSECRET", None)
        merged = {**os.environ, **own, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def rows(self) -> dict[str, int]:
        """Return how many rows each table has that has any."""
        engine = create_engine(f"sqlite:///{self.database}")
        with engine.connect() as connection:
            found = {
                name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES
            }
        engine.dispose()
        return {name: count for name, count in found.items() if count}

    def pass_time(self, elapsed: timedelta) -> None:
        """Let time pass for what is stored."""
        with self.ledger() as engine:
            ledger.pass_time(engine, elapsed)

    def audit(self) -> None:
        """Do what `broadcast audit --all` does, without the second that a process takes."""
        with self.ledger() as engine:
            everything = audit_run.audit_all(engine, waits=Waits()).findings
        # No worker ever comes here, and a busy machine takes long enough to miss one.
        found = [one for one in everything if one.found.check is not case.Check.STUCK]
        assert not found, "\n".join(map(str, found))

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Engine]:
        """Give the ledger behind the commands."""
        engine = open_engine(f"sqlite:///{self.database}")
        try:
            yield engine
        finally:
            engine.dispose()

    def break_promise(self, statement: str, **values: Any) -> None:
        """Change it so that an audit finds something; there is none at the end then."""
        self.execute(statement, **values)
        self.broken = True

    def execute(self, statement: str, **values: Any) -> None:
        """Change the SQLite file behind the program's back."""
        engine = create_engine(f"sqlite:///{self.database}")
        with engine.begin() as connection:
            connection.execute(text(statement), values)
        engine.dispose()


@dataclass(frozen=True)
class Result:
    """What a command ended with."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Standard error line by line."""
        return self.err.splitlines()

    @property
    def json(self) -> Any:
        """The object in the last line of standard output."""
        return json.loads(self.out.splitlines()[-1])
