"""A person at the command line, with the tests in the place of the worker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from broadcast.rules import accounts
from tests.kit import ledger, template
from tests.kit.command_line import CommandLine, Result
from tests.kit.ledger import LOST, Driver, said

APPID = "wx0000000000000001"
PEOPLE = [f"oTEST{n:023}" for n in range(8)]
OWNER = accounts.make("default", appid=APPID, appsecret="0123456789abcdef")
LINES = [*PEOPLE, "=HYPERLINK(1)|no id", PEOPLE[0]]


@contextlib.contextmanager
def seated(folder: Path, lines: Iterable[str], **env: str) -> Iterator[CommandLine]:
    """A command line with tables and a list; its ledger is audited when the test has ended."""
    (folder / "list.txt").write_text("\n".join(lines), encoding="utf-8")
    with CommandLine(folder, env=env) as made:
        template.lay(made.database)
        yield made


def submitted(line: CommandLine) -> str:
    """Submit the list; return the broadcast's id."""
    done = line.run("send", "--openids", "list.txt", "--text", "hello", "--json")
    told: str = done.json["id"]
    return told


def doubt(driver: Driver) -> None:
    """End the next batch in doubt."""
    driver.call(LOST)
    ledger.pass_time(driver.engine, timedelta(seconds=3))
    driver.call(said(40130))


def good(result: Result) -> str:
    """Return what a command said that did as it was told."""
    assert (result.status, result.err) == (0, "")
    return result.out
