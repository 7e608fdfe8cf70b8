"""Other programs send by the page's own snippets: each message is a broadcast, sent once."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import start_system
from tests.compat import clients
from tests.kit.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from broadcast.rules.reports import Report
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.valkey import Valkey

__all__ = ["start_system"]  # a fixture
PAGE = clients.ROOT / "docs" / "celery.md"
REDIS = "redis://localhost:6379/0"
TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Sender:
    """A program of others."""

    #: Of the page's snippets in its language, this one.
    language: str
    snippet: int
    command: Callable[[], list[str]]
    #: It waits for the answer and prints it.
    asks: bool

    def environment(self) -> dict[str, str]:
        """Nothing of ours."""
        modules = {"NODE_PATH": clients.node()[1]} if self.language == "js" else {}
        return {"PATH": os.environ["PATH"], **modules}


SENDERS = {
    "celery52": Sender("python", 0, lambda: [clients.sender("celery52")], asks=True),
    "celery54": Sender("python", 0, lambda: [clients.sender("celery54")], asks=True),
    "kombu": Sender("python", 1, lambda: [clients.sender("kombu")], asks=False),
    "node": Sender("js", 0, lambda: [clients.node()[0]], asks=True),
}


def program(sender: Sender, *, key: str, broker: str, backend: str, people: list[str]) -> str:
    """The page's snippet with a broker, people and a key of the test, sent at once."""
    fenced = re.compile(rf"^```{sender.language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    snippets = fenced.findall(PAGE.read_text("utf-8"))
    text: str = snippets[sender.snippet]
    assert text.count(REDIS) == 1 + sender.asks
    text = text.replace(REDIS, broker, 1).replace(REDIS, backend)
    text = re.sub(r'^ *"at": .*\n', "", text, flags=re.MULTILINE)
    text = re.sub(r"celery-\d+", key, text)
    for mark, openid in zip("AB", people, strict=True):
        text = text.replace(f"oAbcde{mark:0>22}", openid)
    return text


def installed() -> tuple[dict[str, list[str]], list[BaseException]]:
    """The commands of the programs that this machine has, and why it lacks the others."""
    commands, missing = dict[str, list[str]](), list[BaseException]()
    for name, one in SENDERS.items():
        try:
            commands[name] = one.command()
        except pytest.skip.Exception as why:
            missing.append(why)
    return commands, missing


@pytest.mark.timeout(2 * TIMEOUT_S)
def test_the_snippets_of_the_page_send_from_each_program(
    start_system: StartSystem, valkey: Valkey, broker_url: str, tmp_path: Path
) -> None:
    commands, missing = installed()
    system = start_system(followers=2 * len(SENDERS), CELERY_BROKER_URL=broker_url)
    people = system.simulator.openids(2 * len(commands))
    worker = system.worker()
    running = dict[str, subprocess.Popen[str]]()
    for n, (name, command) in enumerate(commands.items()):
        file = tmp_path / f"sender-{name}"
        mine = people[2 * n : 2 * n + 2]
        text = program(SENDERS[name], key=name, broker=broker_url, backend=valkey.url, people=mine)
        file.write_text(text, "utf-8")
        running[name] = subprocess.Popen(
            [*command, str(file)],
            env=SENDERS[name].environment(),
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    told = {name: one.communicate(timeout=TIMEOUT_S)[0] for name, one in running.items()}

    assert {name: one.returncode for name, one in running.items()} == dict.fromkeys(told, 0), told
    for name, said in told.items():
        sent = until(lambda name=name: by_key(system, name), 30, f"the broadcast of {name}")  # type: ignore[misc]
        assert sent is not None
        assert not SENDERS[name].asks or sent.id in said, said
        system.until_state(sent.id, "completed")
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert "Traceback" not in worker.output
    for why in missing:
        raise why


def by_key(system: System, key: str) -> Report | None:
    return next((one for one in system.all_reports() if one.key == key), None)
