"""An installation in this process: its doors are called here, its servers are real."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn

from tests.kit import template
from tests.kit.simulator import Simulator
from tests.kit.wait import until
from tests.servers.valkey import Valkey
from tests.statements import doors
from tests.statements.counting import Count, Counted, Counter

ACCOUNT = "default"


class Table(dict[str, Count]):
    """The counts by the verbs' names, in their order."""

    def note(self, verb: str, count: Count) -> None:
        """Note the count of a verb that is not there yet."""
        assert verb not in self, f"counted twice: {verb}"
        self[verb] = count


class Installation:
    """One account on a fresh ledger, without a process of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        valkey: Valkey,
        simulator: Simulator,
        counter: Counter,
        table: Table,
    ) -> None:
        self.folder, self.simulator, self.table = folder, simulator, table
        self._counter = counter
        self._numbers = itertools.count()
        self.url = f"sqlite:///{folder / 'broadcast.db'}"
        self.environment = {
            "DATABASE_URL": self.url,
            "REDIS_URL": valkey.url,
            "BROADCAST_LANG": "en",
            "WECHAT_APPID": simulator.account.appid,
            "WECHAT_APPSECRET": simulator.account.secret,
            "WECHAT_API_BASE": simulator.url,
            "WECHAT_CALLS_PER_MINUTE": "0",
        }
        template.lay(folder / "broadcast.db")

    @contextlib.contextmanager
    def counted(self, verb: str | None) -> Iterator[Counted]:
        """Count what the block asks of the database, under the verb's name if it has one."""
        with self._counter.counted() as counted:
            yield counted
        if verb is not None:
            self.table.note(verb, counted.count())

    # Commands

    def command(self, *words: str, verb: str | None = None, status: int = 0) -> str:
        """Run `broadcast WORDS`; return its standard output."""
        with _streams(self.folder, next(self._numbers)) as told, self.counted(verb):
            ended = doors.run_command(words)
        assert ended == status, f"broadcast {' '.join(words)} ended with {ended}:\n{told()}"
        return told().partition("\0")[0]

    def json(self, *words: str, verb: str | None = None, status: int = 0) -> Any:
        """Run `broadcast WORDS --json`; return its object."""
        return json.loads(self.command(*words, "--json", verb=verb, status=status).splitlines()[-1])

    def send(self, audience: int | Sequence[str], *words: str, verb: str | None = None) -> str:
        """Submit a text to so many followers, or to an audience in words; return the id."""
        if isinstance(audience, int):
            audience = ("--openids", self.openids(audience))
        text = ("--text", f"number {next(self._numbers)}")
        told = self.json("send", *audience, *(() if "--text" in words else text), *words, verb=verb)
        return str(told["id"])

    def openids(self, count: int, *, start: int = 0) -> str:
        """Return a file with the OpenIDs of so many followers."""
        file = self.folder / f"openids-{next(self._numbers)}.txt"
        file.write_text("\n".join(self.simulator.openids(count, start=start)) + "\n", "ascii")
        return str(file)

    @contextlib.contextmanager
    def server(self, *words: str) -> Iterator[str]:
        """Run a command that serves, in a thread; give its URL."""
        begun = uvicorn.Server.startup
        servers: list[uvicorn.Server] = []

        async def startup(server: uvicorn.Server, sockets: Any = None) -> None:
            await begun(server, sockets)
            servers.append(server)

        with mock.patch.object(uvicorn.Server, "startup", startup):
            with _streams(self.folder, next(self._numbers)) as told:
                thread = threading.Thread(target=doors.run_command, args=[words], name="server")
                thread.start()
                until(lambda: " ready http" in told() or not thread.is_alive(), 30, "a server")
            assert servers, told()
            try:
                yield told().partition("\0")[0].split(" ready ")[1].split()[0]
            finally:
                servers[0].should_exit = True
                thread.join()

    # Tasks, and time

    def task(self, name: str, *words: object, verb: str | None = None, **named: object) -> Counted:
        """Run a task as a worker does."""
        with self.counted(verb) as counted:
            doors.task(name, *words, **named)
        return counted

    def plan(self, broadcast_id: str, *, verb: str | None = None) -> None:
        """Let a worker plan it."""
        self.task("broadcast.plan", broadcast_id, verb=verb)

    def drive(self, broadcast_id: str, *, verb: str | None = None) -> Counted:
        """Let a worker drive one slice of the lane."""
        return self.task("broadcast.send_batch", ACCOUNT, broadcast_id, verb=verb)

    def call(self, broadcast_id: str) -> Counted:
        """Let a worker make one call, and be told to end."""
        with self.counted(None) as counted:
            counted.then["record.committed"] = doors.told_to_end
            doors.task("broadcast.send_batch", ACCOUNT, broadcast_id)
        doors.new_worker()
        return counted

    def planned(self, audience: int | Sequence[str] = 20, *words: str) -> str:
        """Submit and plan a broadcast; return its id."""
        broadcast_id = self.send(audience, *words)
        self.plan(broadcast_id)
        return broadcast_id

    def pass_time(self, **elapsed: float) -> None:
        """Let time pass for what is stored."""
        doors.pass_time(self.url, timedelta(**elapsed))


@contextlib.contextmanager
def entered(installation: Installation, **settings: str) -> Iterator[Installation]:
    """Give this process the installation's environment and folder; WeChat remembers nothing."""
    simulator = installation.simulator
    simulator.reset()
    simulator.change_account(daily_limit=100_000, calls_per_minute=0)
    before = Path.cwd()
    with mock.patch.dict(os.environ, {**installation.environment, **settings}):
        os.chdir(installation.folder)
        doors.new_worker()
        try:
            yield installation
        finally:
            os.chdir(before)


@contextlib.contextmanager
def _streams(folder: Path, number: int) -> Iterator[Any]:
    """Give the program streams of its own; and what it wrote: its output, a zero byte, the rest."""
    out, err = folder / f"{number}.out", folder / f"{number}.err"

    def told() -> str:
        return f"{out.read_text('utf-8')}\0{err.read_text('utf-8')}"

    with (
        out.open("w", encoding="utf-8") as stdout,
        err.open("w", encoding="utf-8") as stderr,
        Path(os.devnull).open(encoding="utf-8") as stdin,
        mock.patch.multiple(sys, stdin=stdin, stdout=stdout, stderr=stderr),
    ):
        yield told
