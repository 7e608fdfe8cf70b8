"""One version at work: its processes, servers of its own, and what it did to people."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from celery import Celery

from tests.kit.endpoints import MASS_SEND
from tests.kit.processes import RunningProcess
from tests.kit.receiver import SECRET, Receiver
from tests.kit.shifted_clock import sitecustomize
from tests.kit.simulator import Simulator
from tests.kit.wait import patiently, until
from tests.servers.valkey import Valkey
from tests.shadow.versions import Version

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

KEY = "key-of-every-scope-0123456789"
TOKEN = "Tok3nTok3nTok3n"
FOLLOWERS = 1_000
BATCH_SIZE = 4
#: Ends of a broadcast of which its receiver is told for good.
ENDS = ("completed", "partial", "failed", "cancelled")
TIMEOUT_S = 30


@dataclass(slots=True)
class Found:
    """What a version did; each by the label of a broadcast."""

    #: How often each follower really got each broadcast.
    people: dict[str, Any] = field(default_factory=dict)
    #: The OpenIDs of each clientmsgid.
    clientmsgids: dict[str, Any] = field(default_factory=dict)
    #: Of the broadcast and of its batches.
    states: dict[str, Any] = field(default_factory=dict)
    #: Who is in which set.
    sets: dict[str, Any] = field(default_factory=dict)
    #: The last end of which the receiver was told.
    webhooks: dict[str, Any] = field(default_factory=dict)
    #: How each command and request was answered, in the story's order.
    answers: dict[str, Any] = field(default_factory=dict)


class Side:
    """An installation of one version; `with Side(...)` ends its processes and servers."""

    def __init__(
        self, version: Version, folder: Path, database: str | None = None, *, hears_wechat: bool
    ) -> None:
        """Take the version; *hears_wechat*: WeChat tells it of the ends of jobs.

        *database* is an empty one on a server, whose time cannot be made to pass.
        """
        self.version, self.folder, self.hears_wechat = version, folder, hears_wechat
        self.database = database or f"sqlite:///{folder / 'broadcast.db'}"
        self._has_our_clock = self.database.startswith("sqlite")
        self.simulator = Simulator(
            followers=FOLLOWERS,
            daily_limit=100_000,
            calls_per_minute=0,
            switches={"keep_bodies": True, "job_delay_s": 0},
        )
        self.valkey, self.receiver = Valkey(), Receiver()
        self.ids: dict[str, str] = {}
        self.openids: dict[str, list[str]] = {}
        self.found = Found()
        self._numbers, self._taken = itertools.count(1), 0
        self._shift, self._shift_s = folder / "clock-shift", 0.0
        self._session = requests.Session()
        self._stack = ExitStack()
        self.processes: list[RunningProcess] = []

    def __enter__(self) -> Self:
        """Start everything but workers."""
        self.folder.mkdir()
        for server in (self.valkey, self.simulator, self.receiver, self._session):
            self._stack.enter_context(server)
        self.pass_time(0)
        account = self.simulator.account
        self.env = {
            # The clock of the ledger is shifted in every version alike.
            "PYTHONPATH": f"{self.version.folder}{os.pathsep}{Path(sitecustomize.__file__).parent}",
            sitecustomize.VARIABLE: str(self._shift),
            "DATABASE_URL": self.database,
            "REDIS_URL": self.valkey.url,
            "BROADCAST_LANG": "en",
            "WECHAT_APPID": account.appid,
            "WECHAT_APPSECRET": account.secret,
            "WECHAT_API_BASE": self.simulator.url,
            "WECHAT_CALLS_PER_MINUTE": "0",
            "WECHAT_CALLBACK_TOKEN": TOKEN,
            "WECHAT_UNSUBSCRIBE_WORDS": "退订",
            "WECHAT_NOTIFY_URL": self.receiver.url,
            "BROADCAST_WEBHOOK_SECRETS": SECRET,
            "BROADCAST_WEBHOOK_NETWORKS": "127.0.0.0/8",
            "BROADCAST_API_KEYS": KEY,
            "BROADCAST_BATCH_SIZE": str(BATCH_SIZE),
            # A minute is about a second. Doubts of one act must not stop the next one.
            "BROADCAST_WAIT_SCALE": "0.02",
            "BROADCAST_PAUSE_AFTER_DOUBTS": "0",
            # However slow the machine is: what is to be late says so.
            "BROADCAST_LATE_BY": "24h",
        }
        if not self._has_our_clock:
            del self.env[sitecustomize.VARIABLE]
        self.command("db", "upgrade")
        self._url = self._served("api")
        if self.hears_wechat:
            place = f"{self._served('callback')}/wechat/default/callback"
            self.simulator.set_callback(place, TOKEN)
        self._start("beat", self.version.celery("beat", "-s", str(self.folder / "beat")))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End them; show their logs where the story did not come to its end."""
        for process in self.processes:
            process.kill()
        self._stack.close()
        if kind is not None:
            for process in self.processes:
                print(f"--- {self.version.name}: {process.log.name}\n{process.output[-4000:]}")

    # Processes and time

    def _start(self, name: str, command: Sequence[str], **settings: str) -> RunningProcess:
        log = self.folder / f"{next(self._numbers):02} {name}.log"
        process = RunningProcess(
            command,
            log=log,
            env={**self.env, **settings},
            cwd=self.folder,
            warm=self.version.is_warm,
        )
        self.processes.append(process)
        return process

    def _served(self, name: str) -> str:
        process = self._start(name, self.version.command(name, "--port", "0"))
        process.wait_for_line(f"{name} ready ", timeout_s=60)
        return process.output.rsplit(f"{name} ready ", 1)[1].split()[0]

    def worker(self, **settings: str) -> RunningProcess:
        """Start a worker; one that is to die may do so before it is ready."""
        words = ("worker", "-l", "INFO", "--without-gossip", "--without-mingle")
        name = f"worker{next(self._numbers)}"
        return self._start(name, self.version.celery(*words, "-n", f"{name}@shadow"), **settings)

    def dies_at(self, point: str, nth: int = 1) -> None:
        """Start a worker that kills itself at a crash point; return when it is dead."""
        worker = self.worker(BROADCAST_CRASH_AT=f"{point}:{nth}")
        status = worker.wait(timeout_s=60)
        assert f"KILL at {point}" in worker.output, f"{point}: it ended with {status}"
        # Until its lease has run out.
        self.pass_time(10)

    def pass_time(self, seconds: float) -> None:
        """Put the ledger's clock so far ahead of where it is."""
        assert not seconds or self._has_our_clock
        self._shift_s += seconds
        fresh = self._shift.with_suffix(".new")
        fresh.write_text(str(self._shift_s))
        fresh.replace(self._shift)

    # Doors

    def command(self, *words: str, answers: str | None = None, **settings: str) -> None:
        """Run a command to its end; its status is noted where *answers* names it, else it is 0."""
        process = self._start(words[0], self.version.command(*words), **settings)
        status = process.wait(timeout_s=TIMEOUT_S)
        if answers is None:
            assert status == 0, f"broadcast {' '.join(words)}:\n{process.output}"
        else:
            self.found.answers[answers] = status

    def ask(self, method: str, path: str, body: object = None, **options: Any) -> requests.Response:
        """Ask the HTTP API."""
        headers = {"Authorization": f"Bearer {KEY}", "Accept-Language": "en"}
        headers |= options.pop("headers", {})
        if body is not None:
            options["data"] = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        return self._session.request(
            method,
            f"{self._url}/v1/{path}",
            headers=headers,
            timeout=patiently(TIMEOUT_S),
            **options,
        )

    def does(self, label: str, act: str, body: object = None) -> None:
        """Pause, resume, cancel, retry or resolve a broadcast."""
        answer = self.ask("POST", f"broadcasts/{self.ids[label]}/{act}", body or {})
        self.found.answers[f"{act} {label}"] = answer.status_code

    def account(self, act: str) -> None:
        """Halt or unhalt the account."""
        answer = self.ask("POST", f"accounts/default/{act}", {})
        self.found.answers[f"{act} {len(self.found.answers)}"] = answer.status_code

    # Broadcasts

    def people(self, label: str, count: int) -> list[str]:
        """Take followers for a broadcast that are nobody else's."""
        self.openids[label] = self.simulator.openids(count, start=self._taken)
        self._taken += count
        assert self._taken <= FOLLOWERS
        return self.openids[label]

    def submit(
        self, label: str, audience: int | dict[str, Any] = 3 * BATCH_SIZE, **members: object
    ) -> str:
        """Submit a text that says the label, to followers of its own or to an audience."""
        if isinstance(audience, int):
            audience = {"openids": self.people(label, audience)}
        body = {"content": content(label), "audience": audience, **members}
        answer = self.ask("POST", "broadcasts", body, headers={"Idempotency-Key": label})
        self.found.answers[f"submit {label}"] = answer.status_code
        assert answer.ok, answer.text
        self.ids[label] = answer.json()["id"]
        return self.ids[label]

    def send(self, label: str, count: int, **settings: str) -> None:
        """Submit by the command line; the same label is the same command again."""
        people = self.openids.get(label) or self.people(label, count)
        file = self.folder / "openids.txt"
        file.write_text("\n".join(people), encoding="ascii")
        words = ("send", "--openids", str(file), "--key", label)
        text = ("--text", content(label)["text"]["content"])
        name = " killed".join([f"send {label}", *([""] if settings else [])])
        self.command(*words, *text, answers=name, **settings)
        if not settings:
            self._is_stored(label)

    def enqueue(self, label: str, count: int) -> None:
        """Submit through the queue, as a program with Celery does."""
        asked = {"content": content(label), "audience": {"openids": self.people(label, count)}}
        with Celery("shop", broker=self.valkey.url, set_as_current=False) as app:
            app.send_task(
                "broadcast.enqueue", queue="broadcast.enqueue", kwargs={"key": label, **asked}
            )
        self._is_stored(label)

    def _is_stored(self, label: str) -> None:
        stored = until(lambda: self._id_of(label), TIMEOUT_S, f"{label} to be stored")
        self.ids[label] = str(stored)

    def _id_of(self, label: str) -> str | None:
        found = self.ask("GET", "broadcasts", params={"key": label}).json()["broadcasts"]
        return str(found[0]["id"]) if found else None

    def report(self, label: str) -> dict[str, Any]:
        """Return the object of a broadcast."""
        answer = self.ask("GET", f"broadcasts/{self.ids[label]}", params={"batch_limit": 1000})
        assert answer.ok, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def until_told(self, label: str, *states: str) -> None:
        """Wait until the receiver's newest event of a broadcast has one of these states.

        Asking the API again and again would cost more than all that is asked about.
        """

        def told() -> bool:
            newest = self.newest_event(label)
            assert newest, "no webhook came"
            assert newest["data"]["state"] in states, f"it is {newest['data']['state']}"
            return True

        until(told, TIMEOUT_S, f"{label} of {self.version.name} to be {' or '.join(states)}")

    def newest_event(self, label: str) -> dict[str, Any] | None:
        """Return the newest webhook of a broadcast."""
        events = [one.event for one in self.receiver.posted]
        mine = [one for one in events if one["data"]["id"] == self.ids[label]]
        return max(mine, key=lambda one: one["version"], default=None)

    def until_report(self, label: str, what: str, *path: str | int, value: object) -> None:
        """Wait until a member of a broadcast's object has a value."""

        def has() -> bool:
            last: Any = self.report(label)
            for name in path:
                last = last[name]
            assert last == value, f"{path}: {last}"
            return True

        until(has, TIMEOUT_S, f"{what} of {label} of {self.version.name}")

    def fault(self, kind: str, **limits: Any) -> None:
        """Order a fault of the next calls that send to a list."""
        self.simulator.fault(kind, **{"path": MASS_SEND, **limits})


def content(label: str) -> dict[str, Any]:
    """Return the text of a broadcast, by which WeChat's stand-in tells it from others."""
    return {"msgtype": "text", "text": {"content": f"shadow: {label}"}}
