"""An installation that sends a group of combinations, from the doors for programs to the wire."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from producer import Producer
from tests.golden.combinations import (
    ACCOUNTS,
    EARLIER,
    FILE,
    FOLLOWERS,
    LEFT,
    STRANGERS,
    SUPPRESSED,
    TAGS,
    Combination,
)
from tests.golden.wire import Wire
from tests.kit.processes import RunningProcess, python_module
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.system import System
from tests.servers.valkey import Valkey

_SIMULATED: Final = {
    name: SimulatedAccount(name=name, appid=f"wx{n:016}", secret=f"{n:032x}")
    for n, name in enumerate(ACCOUNTS, start=1)
}
_BATCH_SIZE: Final = "BROADCAST_BATCH_SIZE"


class Installation:
    """Accounts with followers, tags, suppressed people and one broadcast of before."""

    def __init__(self, system: System, wire: Wire, programs: Mapping[int, Producer]) -> None:
        self._system = system
        self._wire = wire
        self._programs = programs
        self._people = {
            name: system.simulator.openids(STRANGERS.stop, appid=one.appid)
            for name, one in _SIMULATED.items()
        }
        self._lay_out()
        self._earlier = {name: self._send_earlier(name) for name in ACCOUNTS}
        self._drive(self._earlier.items())
        wire.calls.clear()

    def _lay_out(self) -> None:
        wechat = self._system.simulator
        wechat.set_switches(media_must_exist=False, monthly_cap=0)
        for name, one in _SIMULATED.items():
            people = self._people[name]
            wechat.change_account(one.appid, daily_limit=100_000, calls_per_minute=0)
            for tag_id, members in TAGS.items():
                path = f"accounts/{one.appid}/tags/{tag_id}"
                wechat.admin("POST", path, lines=[people[n] for n in members])
            self._write(f"out-{name}.txt", [people[n] for n in FILE])
            self._system.broadcast("followers", "sync", "--account", name)
            wechat.remove_followers([people[n] for n in LEFT], appid=one.appid)
            self._system.broadcast("followers", "sync", "--account", name)
        everybody = [people[n] for people in self._people.values() for n in SUPPRESSED]
        self._system.broadcast(
            "suppress", "import", self._write("suppressed.txt", everybody), "--all"
        )

    def _send_earlier(self, account: str) -> str:
        content = {"msgtype": "text", "text": {"content": "earlier"}}
        openids = [self._people[account][n] for n in EARLIER]
        return self._program.submit(
            key="earlier", account=account, content=content, audience={"openids": openids}
        ).id

    def send(self, combinations: Sequence[Combination]) -> dict[str, dict[str, Any]]:
        """Submit, plan and send them all; return what each became, by its name."""
        self._drive([(one.account, self._submit(one)) for one in combinations])
        done = self._system.broadcast("list", "--most", "1000", "--json")
        listed = json.loads(done.stdout.splitlines()[-1])["broadcasts"]
        ended = {one["key"]: one for one in listed}
        return {one.name: self._cut(one, ended[one.name]) for one in combinations}

    def turns(self, combinations: Sequence[Combination]) -> dict[str, list[str]]:
        """Return in which order each account's broadcasts were called first."""
        accounts = {one.name: one.account for one in combinations}
        order = dict.fromkeys(call.name for call in self._wire.calls)
        return {
            account: [name for name in order if accounts[name] == account] for account in ACCOUNTS
        }

    def _cut(self, one: Combination, ended: Mapping[str, Any]) -> dict[str, Any]:
        calls = [call for call in self._wire.calls if call.name == one.name]
        return {
            "asked": one.asked,
            "state": ended["state"],
            "audience": {name: count for name, count in ended["audience"].items() if count != 0},
            "path": sorted({call.path for call in calls}),
            "calls": [call.evidence for call in calls],
        }

    @property
    def _program(self) -> Producer:
        return next(iter(self._programs.values()))

    def _drive(self, broadcasts: Iterable[tuple[str, str]]) -> None:
        words = [f"{account}:{broadcast_id}" for account, broadcast_id in broadcasts]
        process = RunningProcess(
            python_module("tests.golden.drive", *words),
            log=self._system.folder / "drive.log",
            env=self._system.env,
            warm=True,
        )
        with process:
            assert process.wait(timeout_s=120) == 0, process.output[-4_000:]

    def _submit(self, one: Combination) -> str:
        earlier = f"broadcast:{self._earlier[one.account]}"
        exclude = [earlier if whom == "broadcast:earlier" else whom for whom in one.exclude]
        if one.door == "cli":
            return self._command(one, exclude)
        body: dict[str, Any] = {"account": one.account, "content": one.content, **one.options}
        if one.audience == "with_tag":
            body["with_tag"] = min(TAGS)
        if exclude:
            body["exclude"] = exclude
        made = self._programs[one.batch_size].submit(
            key=one.name, audience=self._audience(one), **body
        )
        return made.id

    def _audience(self, one: Combination) -> dict[str, Any]:
        match one.audience:
            case "openids":
                return {"openids": self._lines(one)}
            case "tag_id":
                return {"tag_id": min(TAGS)}
            case "to_all":
                return {"to_all": True, "confirm_to_all": one.account}
        return {"followers": True}

    def _lines(self, one: Combination) -> list[str]:
        people = self._people[one.account]
        return [people[n] if isinstance(n, int) else n for n in one.lines]

    def _command(self, one: Combination, exclude: Sequence[str]) -> str:
        content = self._write(f"{one.name}.json", [json.dumps(one.content)])
        words = ["send", "--account", one.account, "--key", one.name, "--json"]
        words += ["--openids", self._write(f"{one.name}.txt", self._lines(one))]
        words += ["--content", content]
        for whom in exclude:
            name = f"file:{self._system.folder / f'out-{one.account}.txt'}"
            words += ["--exclude", name if whom == "file:out" else whom]
        for name, value in one.options.items():
            option = f"--{name.replace('_', '-')}"
            words += [option] if value is True else [option, str(value)]
        self._system.env[_BATCH_SIZE] = str(one.batch_size)
        done = self._system.broadcast(*words)
        return str(json.loads(done.stdout.splitlines()[-1])["id"])

    def _write(self, name: str, lines: Iterable[str]) -> str:
        file = self._system.folder / name
        file.write_text("\n".join([*lines, ""]), "utf-8")
        return str(file)


@contextlib.contextmanager
def installation(
    folder: Path, valkey: Valkey, *, patch: pytest.MonkeyPatch, sizes: Iterable[int]
) -> Iterator[Installation]:
    """Give an installation that sends."""
    with contextlib.ExitStack() as stack:
        wechat = stack.enter_context(Simulator(list(_SIMULATED.values()), followers=FOLLOWERS))
        wire = stack.enter_context(Wire(wechat.url))
        system = stack.enter_context(
            System(
                folder,
                valkey=valkey,
                simulator=wechat,
                settings={"BROADCAST_ACCOUNTS_FILE": str(_accounts(folder, wire))},
            )
        )
        for name, value in system.env.items():
            patch.setenv(name, value)
        programs = {size: stack.enter_context(_program(size, patch)) for size in sizes}
        yield Installation(system, wire, programs)


def _accounts(folder: Path, wire: Wire) -> Path:
    file = folder / "by-wire.toml"
    file.write_text(
        "".join(
            f'[accounts.{one.name}]\nappid = "{one.appid}"\nappsecret = "{one.secret}"\n'
            f'api_base = "{wire.url}"\ncalls_per_minute = 0\n'
            for one in _SIMULATED.values()
        ),
        "utf-8",
    )
    return file


def _program(size: int, patch: pytest.MonkeyPatch) -> Producer:
    patch.setenv(_BATCH_SIZE, str(size))
    program = Producer("golden")
    # It reads its settings when it is first used.
    assert program.find("nothing", account=ACCOUNTS[0]) is None
    return program
