"""The real command `broadcast audit`: what it says, in which language, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.ledger.audit import Check
from tests.kit.command_line import CommandLine

PEOPLE = [f"oTEST{n:023}" for n in range(5)]


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """A command line with tables and a good list."""
    (tmp_path / "list.txt").write_text("\n".join(PEOPLE), encoding="utf-8")
    made = CommandLine(tmp_path)
    assert made.run("db", "upgrade").status == 0
    return made


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
    assert result.out == "Nothing to audit: there is no broadcast yet.\n"
    assert line.run(*words, "--json").json["audited"]["broadcasts"] == 0


def test_healthy_ledger_is_told_in_one_line_a_check(line: CommandLine, stored: str) -> None:
    for words in (("audit",), ("audit", "--all"), ("audit", stored)):
        result = line.run(*words)
        assert result.status == 0, result
        head, *checks = result.out.splitlines()
        assert "1 broadcasts, 5 OpenIDs" in head
        assert [one.split()[0] for one in checks] == ["ok"] * len(Check)


def test_object_is_the_last_line_and_has_every_check(line: CommandLine, stored: str) -> None:
    result = line.run("audit", stored, "--json")

    assert result.status == 0
    assert result.out.count("\n") == 1
    assert (result.json["id"], result.json["ok"], result.json["findings"]) == (stored, True, [])
    assert result.json["checks"] == dict.fromkeys(map(str, Check), 0)


def test_finding_ends_with_status_1_and_names_its_row(line: CommandLine, stored: str) -> None:
    line.execute("UPDATE broadcasts SET state = 'completed' WHERE id = :id", id=stored)

    result = line.run("audit", stored)
    assert result.status == 1
    assert "WRONG  Every state was reached by legal moves: 1" in result.out
    assert f"{stored} (account default): its history ends at" in result.out
    assert "What it means:" in result.out

    told = line.run("audit", "--json")
    assert told.status == 1
    assert told.json["ok"] is False
    rows = {(row["check"], row["code"], row["broadcast"]) for row in told.json["findings"]}
    assert ("moves", "moves.last", stored) in rows


def test_finding_is_told_in_chinese(line: CommandLine, stored: str) -> None:
    line.execute("UPDATE broadcasts SET state = 'completed' WHERE id = :id", id=stored)

    result = line.run("audit", BROADCAST_LANG="zh")

    assert result.status == 1
    assert "异常  每个状态都是经合法的变化到达的：1 处" in result.out
    assert "含义：" in result.out


def test_unknown_id_names_near_ones_and_ends_with_status_2(line: CommandLine, stored: str) -> None:
    wrong = stored[:-1] + ("2" if stored[-1] != "2" else "3")

    result = line.run("audit", wrong)

    assert (result.status, result.out) == (2, "")
    assert len(result.lines) == 1
    assert f"did you mean {stored}?" in result.err


def test_id_beside_all_is_refused(line: CommandLine, stored: str) -> None:
    result = line.run("audit", stored, "--all")

    assert result.status == 2
    assert "exclude each other" in result.err


def test_absent_database_is_out_of_reach_and_no_finding(tmp_path: Path) -> None:
    assert CommandLine(tmp_path).run("audit").status == 3
