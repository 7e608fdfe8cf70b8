"""The real command `broadcast audit`: what it says, in which language, and how it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.engine import open_engine
from models.ledger.audit.case import Check
from tests.acceptance.by_hand import seated
from tests.acceptance.test_large_audience import MEASURED, MOST_PEAK_BYTES
from tests.kit import ledger
from tests.kit.command_line import CommandLine
from tests.kit.ledger import Driver, said
from tests.kit.processes import RunningProcess
from tests.kit.wait import patiently

#: A million OpenIDs; a machine without other work takes a second.
MOST_S = patiently(10)
PEOPLE = [f"oTEST{n:023}" for n in range(5)]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with tables and a good list."""
    with seated(tmp_path, PEOPLE) as made:
        yield made


@pytest.fixture
def stored(line: CommandLine) -> str:
    """The id of a broadcast that nobody takes up."""
    result = line.run("send", "--openids", "list.txt", "--text", "hello", "--json")
    return str(result.json["id"])


@pytest.mark.parametrize("words", [("audit",), ("audit", "--all")])
def test_audit_of_an_empty_database_says_so_and_is_fine(
    line: CommandLine, words: tuple[str, ...]
) -> None:
    result = line.run(*words)

    assert (result.status, result.err) == (0, "")
    assert result.out == "Nothing to audit: there are no broadcasts yet.\n"
    assert line.run(*words, "--json").json["audited"]["broadcasts"] == 0


def test_healthy_ledger_is_told_in_one_line_a_check(line: CommandLine, stored: str) -> None:
    for words in (("audit",), ("audit", "--all"), ("audit", stored)):
        result = line.run(*words)
        assert result.status == 0, result
        head, *checks, verdict = result.out.splitlines()
        assert "1 broadcast, 5 OpenIDs" in head
        assert verdict == f"All {len(Check)} checks passed."
        assert [one.split()[0] for one in checks] == ["ok"] * len(Check)


def test_object_is_the_last_line_and_has_every_check(line: CommandLine, stored: str) -> None:
    result = line.run("audit", stored, "--json")

    assert result.status == 0
    assert result.out.count("\n") == 1
    assert (result.json["id"], result.json["ok"], result.json["findings"]) == (stored, True, [])
    assert result.json["checks"] == dict.fromkeys(map(str, Check), 0)


def end_it(line: CommandLine, broadcast_id: str) -> None:
    """Let it say that it ended, though nothing of it was called."""
    line.break_promise(
        "UPDATE bc_broadcasts SET result = 'completed' WHERE id = :id", id=broadcast_id
    )


def test_finding_ends_with_status_1_and_names_its_row(line: CommandLine, stored: str) -> None:
    end_it(line, stored)

    result = line.run("audit", stored)
    assert result.status == 1
    [wrong] = [one for one in result.out.splitlines() if one.startswith("FAILED")]
    assert "is in exactly one set, and the sets add up (violations: 1)" in wrong
    assert f"{stored} (account default): its state is" in result.out
    assert "Meaning:" in result.out

    told = line.run("audit", "--json")
    assert told.status == 1
    assert told.json["ok"] is False
    rows = {(row["check"], row["code"], row["broadcast"]) for row in told.json["findings"]}
    assert ("sets", "sets.early", stored) in rows


def test_finding_is_told_in_chinese(line: CommandLine, stored: str) -> None:
    end_it(line, stored)

    result = line.run("audit", BROADCAST_LANG="zh")

    assert result.status == 1
    assert "异常  读取的每个人都恰好属于一个集合，各集合之和相符（不符 1 处）" in result.out
    assert "含义：" in result.out


def test_unknown_id_names_near_ones_and_ends_with_status_2(line: CommandLine, stored: str) -> None:
    wrong = stored[:-1] + ("2" if stored[-1] != "2" else "3")

    result = line.run("audit", wrong)

    assert (result.status, result.out) == (2, "")
    assert len(result.lines) == 1
    assert f"Did you mean {stored}?" in result.err


def test_id_beside_all_is_refused(line: CommandLine, stored: str) -> None:
    result = line.run("audit", stored, "--all")

    assert result.status == 2
    assert "cannot be combined" in result.err


def test_absent_database_is_out_of_reach_and_no_finding(tmp_path: Path) -> None:
    assert CommandLine(tmp_path).run("audit").status == 3


@pytest.mark.parametrize("in_order", [pytest.param(True, marks=pytest.mark.prove), False])
def test_million_openids_are_audited_in_seconds_and_bounded_memory(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, *, in_order: bool
) -> None:
    """Also where the batches are out of order, and order alone proves nothing."""
    names = ledger.openids(1_000_000)
    monkeypatch.setattr(
        ledger, "openids", lambda count: (sorted(names) if in_order else names)[:count]
    )
    engine = open_engine(line.env["DATABASE_URL"])
    ledger.broadcast(engine, size=1_000_000, batches=100)
    driver = Driver(engine)
    for msg_id in range(1, 101):
        driver.call(said(0, msg_id=msg_id))
    engine.dispose()

    with RunningProcess(
        [sys.executable, "-c", MEASURED, sys.executable, "-m", "entrypoints.cli.main", "audit"],
        log=line.folder / "audit.log",
        env=line.environment({}),
        cwd=line.folder,
    ) as command:
        began = time.monotonic()
        status = command.wait(timeout_s=60)
        took_s = time.monotonic() - began

    assert status == 0, command.output
    assert "1,000,000 OpenIDs, 100 batches, 100 calls" in command.output
    assert took_s < MOST_S
    assert int(command.output.rpartition("peak ")[2]) < MOST_PEAK_BYTES
