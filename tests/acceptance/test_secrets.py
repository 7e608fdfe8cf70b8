"""No AppSecret, access_token or password in anything that is printed, logged, stored or sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcast.rules.gates.gate import GateKind
from models.every_table import AttemptRow
from tests.kit.endpoints import MASS_SEND, QUOTA
from tests.kit.listeners import CommandListener, EventListener
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.system import System
from tests.kit.wait import until
from tests.servers.ports import free_port
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from tests.kit.processes import RunningProcess

REDIS_PASSWORD = "Valkey@Pass/w0rd-5e7d1c"
PROXY_PASSWORD = "BasePassw0rd-91ab44"
WRONG_SECRET = "wr0ngsecret00wr0ngsecret00wr0ng"
#: `broken` accounts have a WeChat at first, and lose it in the middle.
BROKEN = ("dns", "refused", "tls")
NAMES = ("main", *BROKEN, "wrong")
TOKEN = re.compile(r"\b(?:74|82)_[A-Za-z0-9_-]{60,}")


class Scene:
    """One system with distinctive secrets, and everything that came out of it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        accounts = [
            SimulatedAccount(
                name=name, appid=f"wx{n:016d}", secret=f"{name}AppSecret".ljust(32, f"{n}")
            )
            for n, name in enumerate(NAMES, 1)
        ]
        self.valkey = stack.enter_context(Valkey(password=REDIS_PASSWORD))
        self.simulator = stack.enter_context(Simulator(accounts, followers=20))
        self.file = folder / "secret-accounts.toml"
        self.write_accounts(dict.fromkeys(NAMES, self.simulator.url))
        self.system = stack.enter_context(
            System(
                folder,
                valkey=self.valkey,
                simulator=self.simulator,
                settings={
                    "BROADCAST_ACCOUNTS_FILE": str(self.file),
                    "BROADCAST_WAIT_SCALE": "0.005",
                },
            )
        )
        self.printed: list[str] = []
        self.secrets = {REDIS_PASSWORD, PROXY_PASSWORD, WRONG_SECRET}
        self.secrets |= {account.secret for account in accounts}

    def write_accounts(self, bases: Mapping[str, str]) -> None:
        """Write the accounts file: `main` with stable_token, the others put the secret in a URL."""
        self.file.write_text(
            "".join(
                f'[accounts.{account.name}]\nappid = "{account.appid}"\n'
                f'appsecret = "{WRONG_SECRET if account.name == "wrong" else account.secret}"\n'
                f'token_mode = "{"stable" if account.name == "main" else "classic"}"\n'
                f'api_base = "{bases[account.name]}"\ncalls_per_minute = 0\n'
                for account in self.simulator.accounts
            ),
            encoding="ascii",
        )

    def run(self, *words: str | Path, status: int | None = 0, **settings: str) -> str:
        """Run a command and keep what it printed."""
        before = self.system.env
        self.system.env = {**before, **settings}
        done = self.system.broadcast(*words, status=status)
        self.system.env = before
        self.printed += [done.stdout, done.stderr]
        return done.stdout + done.stderr

    def send(self, account: str, text: str, *words: str, status: int | None = 0) -> str:
        """Send to ten followers; return the id."""
        appid = next(a.appid for a in self.simulator.accounts if a.name == account)
        file = self.system.folder / f"{account}.txt"
        file.write_text("\n".join(self.simulator.openids(10, appid=appid)), encoding="ascii")
        printed = self.run(
            "send",
            "--openids",
            file,
            "--account",
            account,
            "--text",
            text,
            "--json",
            *words,
            status=status,
        )
        [told] = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        return str(told["id"])

    def attempts(self) -> list[AttemptRow]:
        """All calls up to now."""
        with Session(self.system.engine) as session:
            return list(session.scalars(select(AttemptRow)))

    def transports(self) -> set[str | None]:
        """The transport failures of all calls up to now."""
        return {attempt.transport for attempt in self.attempts()}

    def errcodes(self) -> set[tuple[str, int | None]]:
        """Who got which errcode up to now."""
        return {(attempt.account, attempt.errcode) for attempt in self.attempts()}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The system, which ends with the test."""
    with ExitStack() as stack:
        yield Scene(tmp_path, stack)


def test_no_secret_is_printed_logged_stored_or_sent_whatever_fails(scene: Scene) -> None:
    with (
        CommandListener(scene.valkey) as commands,
        EventListener(scene.valkey.url) as events,
    ):
        beat = scene.system.beat(log_level="DEBUG")
        first = scene.system.worker(log_level="DEBUG")
        events.wait_for("worker-heartbeat")
        let_wechat_answer_badly(scene)
        first.stop(timeout_s=60)
        second = let_wechat_be_away(scene)
        events.wait_for("task-succeeded")
    let_redis_be_refused(scene)
    stored = everything_in_redis(scene)
    let_redis_be_away(scene)
    second.wait_for_line("calls wait", timeout_s=20)

    assert {"http_status", "not_json", "truncated", "reset", *BROKEN} <= scene.transports()
    assert {("main", 0), ("main", -1), ("main", 40001)} <= scene.errcodes()
    tokens = {token for command in commands.commands for token in TOKEN.findall(command)}
    assert len(tokens) >= 5, "four accounts, one of them twice"
    scene.secrets |= tokens
    places = {
        "the terminal": "\n".join(scene.printed),
        **{p.log.name: p.output for p in (first, second, beat)},
        "Celery's events": "\n".join(map(repr, events.events)),
        "the broker": "\n".join(c for c in commands.commands if ":token" not in c),
        "Redis": stored,
        **{file.name: file.read_bytes().decode("latin-1") for file in databases(scene)},
    }
    # How much of it the broker still has is the worker's pace.
    least = {"Redis": 100}
    sizes = {place: len(text) for place, text in places.items()}
    assert all(size > least.get(place, 1_000) for place, size in sizes.items()), sizes
    assert leaks(places, scene.secrets) == []
    # The search itself finds what is there.
    assert leaks({"MONITOR": "\n".join(commands.commands)}, tokens)


def let_wechat_answer_badly(scene: Scene) -> None:
    """Every kind of bad reply before a good one, an echo, 40001 sticky, and 40125."""
    scene.run("token", "refresh", "--account", "main")
    found = TOKEN.findall(everything_in_redis(scene, tokens=True))
    # Beat has fetched those of the others, which are classic ones.
    [token] = [each for each in found if each.startswith("82_")]
    main = scene.simulator.account.appid
    echo = f"system error access_token={token} [{token}]"
    for fault in (
        {"kind": "html"},
        {"kind": "garbage"},
        {"kind": "truncated"},
        {"kind": "drop"},
        {"kind": "errcode", "errcode": -1, "errmsg": echo},
        {"kind": "invalidate_token"},
    ):
        scene.simulator.fault(**fault, when="before", path=MASS_SEND, appid=main)
    scene.send("main", "bad replies", "--wait")
    scene.simulator.invalidate_token(main, space="stable", sticky=True)
    # Longer than the command line waits for a reply.
    scene.simulator.fault("slow", path=QUOTA, seconds=6, when="before", skip=1)
    assert "no reply in time" in scene.run("quota", "--account", "main", status=3)
    assert "40125" in scene.run("token", "refresh", "--account", "wrong", status=None)
    held = scene.send("wrong", "never")
    until(lambda: scene.system.report(held).lane.gate(GateKind.STOP), 20, "the stop for 40125")
    assert "40125" in scene.run("status", held)
    for account in scene.simulator.accounts:
        if account.name in BROKEN:
            # It is planned now, and not sent until its WeChat is away.
            scene.simulator.fault(
                "errcode",
                errcode=45011,
                when="before",
                path=MASS_SEND,
                appid=account.appid,
                count=100_000,
            )
            scene.send(account.name, "nobody hears it")
    throttled = {(name, 45011) for name in BROKEN}
    until(lambda: throttled <= scene.errcodes(), 20, "a call of each broken account")


def ask_about_everything(scene: Scene) -> None:
    """Every command that shows something."""
    for words in (
        ["accounts"],
        ["accounts", "--json"],
        ["list"],
        ["status", "--json"],
        ["token", "show", "--account", "main"],
        ["token", "show", "--account", "dns"],
    ):
        scene.run(*words)


def let_wechat_be_away(scene: Scene) -> RunningProcess:
    """A name that does not resolve, a closed port, TLS to a server without; tokens still live."""
    bases = dict.fromkeys(NAMES, scene.simulator.url) | {
        "dns": f"http://operator:{PROXY_PASSWORD}@no-such-host.invalid",
        "refused": f"http://operator:{PROXY_PASSWORD}@127.0.0.1:{free_port()}",
        "tls": scene.simulator.url.replace("http:", "https:"),
    }
    scene.write_accounts(bases)
    worker = scene.system.worker(log_level="DEBUG")
    for name in BROKEN:
        # The secret is in the URL that fails.
        scene.run("token", "refresh", "--account", name, status=3)
    scene.send("refused", "stored without a proof")
    until(lambda: set(BROKEN) <= scene.transports(), 30, "a failure of each broken account")
    ask_about_everything(scene)
    return worker


def let_redis_be_refused(scene: Scene) -> None:
    """URLs with a password that Redis or a database refuses, and some that nobody can read."""
    port = scene.valkey.port
    wrong = f"not-{REDIS_PASSWORD}"
    scene.secrets.add(wrong)
    right = quote(REDIS_PASSWORD, safe="")
    for name, url in (
        ("REDIS_URL", f"redis://:{quote(wrong, safe='')}@127.0.0.1:{port}/0"),
        ("REDIS_URL", f"redis://:{REDIS_PASSWORD}@127.0.0.1:{port}/0"),
        ("REDIS_URL", f"redis://:{right}@127.0.0.1:port/0"),
        ("DATABASE_URL", f"postgresql://operator:{right}@127.0.0.1:{port}/0"),
        ("DATABASE_URL", f"postgresql://operator:{right}@127.0.0.1:port/0"),
    ):
        words = ("token", "show", "--account", "main") if name == "REDIS_URL" else ("list",)
        assert scene.run(*words, status=None, **{name: url})


def let_redis_be_away(scene: Scene) -> None:
    """Redis is killed during a call: stored with a warning; the logs say so."""
    before = len(scene.attempts())
    main = scene.simulator.account.appid
    scene.simulator.fault("slow", path=MASS_SEND, appid=main, seconds=3, when="before")
    for text in ("the last call with Redis", "the first call without"):
        scene.send("main", text)
    until(lambda: len(scene.attempts()) > before, 20, "a call during which Redis goes away")
    scene.valkey.kill()
    assert scene.send("main", "Redis is away")
    scene.run("token", "refresh", "--account", "main", status=3)


def everything_in_redis(scene: Scene, *, tokens: bool = False) -> str:
    """Every key and what it holds; the tokens' own keys (`…:token`) only when asked for."""
    told: list[str] = []
    with scene.valkey.client() as client:
        told.extend(
            f"{key!r} {value_of(client, key)!r}"
            for key in sorted(client.scan_iter(count=1000))
            if tokens or not key.endswith(b":token")
        )
    return "\n".join(told)


def value_of(client: object, key: bytes) -> object:
    """Read a key of any type."""
    read = {
        b"string": "get",
        b"hash": "hgetall",
        b"set": "smembers",
    }
    kind: bytes = client.type(key)  # type: ignore[attr-defined]
    if kind == b"none":
        return None  # it ended while the others were read
    if kind in read:
        return getattr(client, read[kind])(key)
    ranged = {b"list": "lrange", b"zset": "zrange"}
    return getattr(client, ranged[kind])(key, 0, -1)


def databases(scene: Scene) -> list[Path]:
    """The database and what SQLite keeps beside it."""
    return [f for f in scene.system.folder.glob("broadcast.db*") if f.stat().st_size > 1_000]


def leaks(places: Mapping[str, str], secrets: set[str]) -> list[str]:
    """Say where a secret stands, as it is or as a URL writes it, whole or cut off."""
    found = []
    for secret in secrets:
        for form in {secret, quote(secret, safe=""), secret[:24], secret[-24:]}:
            for place, text in places.items():
                at = text.find(form)
                if at >= 0:
                    found.append(f"{place}: {text[max(at - 120, 0) : at]}>>>{form}")
    return found
