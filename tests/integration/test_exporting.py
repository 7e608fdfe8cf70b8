"""All of one broadcast in a file: its figures, batches, calls and history, and everybody once."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.rules.reports import SETS
from entrypoints.cli import exits, main
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.test_erasures import PEOPLE, left_out
from tests.integration.models.test_recipients import in_all_sets
from tests.integration.test_resolving import told
from tests.kit import ledger

#: A word that a spreadsheet would calculate.
FORMULA = "=1+1"


@pytest.fixture
def mixed(here: Engine) -> str:
    """One with people in each set, and lines that were left out."""
    broadcast_id = in_all_sets(here)
    operator.cancel(here, broadcast_id, who="tests")
    with here.begin() as connection:
        connection.exec_driver_sql('UPDATE bc_broadcasts SET malformed = 2, "read" = 42')
        connection.exec_driver_sql(
            "INSERT INTO bc_skipped (broadcast_id, reason, count, sample) VALUES"
            f" ('{broadcast_id}', 'malformed', 2, '[[3, \"{FORMULA}\"], [7, \"b\"]]')"
        )
    return broadcast_id


def test_json_has_all_that_the_ledger_has_and_each_person_once(
    here: Engine, mixed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["export", mixed, "--json"]) == 0

    whole = json.loads(capsys.readouterr().out)
    report = broadcast_reports.report(here, mixed)
    assert whole["broadcast"]["recipients"] == report.recipients
    assert whole["content"]["text"]["content"] == "您好 🎉"
    states = [batch.state for batch in ledger.batches(here, mixed)]
    assert [batch["state"] for batch in whole["batches"]] == states
    assert {batch["parent"] for batch in whole["batches"]} == {None, 3}
    calls = [(call["batch"], call["number"], call["outcome"]) for call in whole["calls"]]
    assert len(calls) == report.calls
    assert calls[0] == (1, 1, "accepted")
    assert {line["kind"] for line in whole["history"]} >= {"batch.move", "operator.action"}
    assert [gate["kind"] for gate in whole["gates"]] == ["cancel"]
    people = [(one, piece["set"]) for piece in whole["people"] for one in piece["openids"]]
    assert sorted(one for one, _ in people) == ledger.openids(40)
    assert Counter(name for _, name in people) == {
        name: n for name, n in report.recipients.items() if n
    }
    assert whole["lines"] == [
        {"reason": "malformed", "count": 2, "first": [[3, FORMULA], [7, "b"]]}
    ]
    assert whole["error"] is None


def test_table_in_a_file_has_a_row_a_person_and_each_line_that_was_left_out(
    here: Engine, mixed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "all.csv"

    told(capsys, "export", mixed, "--csv", "--output", str(file))

    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    assert sorted(row["openid"] for row in rows if row["set"] in SETS) == ledger.openids(40)
    assert Counter(row["set"] for row in rows if row["set"] in SETS) == {
        name: n for name, n in broadcast_reports.report(here, mixed).recipients.items() if n
    }
    left_out = [
        (row["openid"], row["reason"], row["line"]) for row in rows if row["set"] == "skipped"
    ]
    assert left_out == [(f"'{FORMULA}", "malformed", "3"), ("b", "malformed", "7")]
    assert next(row for row in rows if row["batch"] == "1")["calls"] == "1"
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".part"] == []


def test_who_was_left_out_by_the_plan_is_in_no_batch(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = left_out(here)

    whole = json.loads(told(capsys, "export", broadcast_id))
    rows = list(csv.DictReader(io.StringIO(told(capsys, "export", broadcast_id, "--csv"))))

    [piece] = [piece for piece in whole["people"] if piece["set"] == "skipped"]
    out = [PEOPLE[5], PEOPLE[7]]
    assert piece == {
        "set": "skipped",
        "batch": None,
        "state": None,
        "reason": "suppressed",
        "openids": out,
    }
    assert [
        (row["reason"], row["batch"], row["state"], row["line"])
        for row in rows
        if row["set"] == "skipped"
    ] == [("suppressed", "", "", "")] * 2
    assert sorted(openid for row in rows for openid in list(row.values())[:1]) == PEOPLE


@pytest.mark.parametrize("kind", [["--csv"], []])
def test_file_that_cannot_be_written_whole_stays_as_it_was(
    here: Engine, mixed: str, tmp_path: Path, kind: list[str]
) -> None:
    file = tmp_path / "all"
    file.write_text("before")
    with here.begin() as connection:
        connection.exec_driver_sql("DELETE FROM bc_chunks WHERE start > 0")

    assert main.run(["export", mixed, "--output", str(file), *kind]) != 0

    assert file.read_text() == "before"
    assert list(tmp_path.glob(".*.part")) == []


def test_a_pipe_is_written_to_and_stays_one(here: Engine, mixed: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = list[bytes]()
    # A daemon: where the pipe is replaced, nobody writes to what it waits for.
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()

    assert main.run(["export", mixed, "--output", str(pipe)]) == 0

    assert pipe.is_fifo()
    reader.join()
    assert json.loads(read[0])["error"] is None


def test_the_file_that_a_link_leads_to_is_replaced(
    here: Engine, mixed: str, tmp_path: Path
) -> None:
    file, link = tmp_path / "file", tmp_path / "links" / "link"
    file.write_text("before")
    link.parent.mkdir()
    link.symlink_to("../file")

    assert main.run(["export", mixed, "--output", str(link)]) == 0

    assert link.is_symlink()
    assert json.loads(file.read_text())["error"] is None
    assert [one.name for one in link.parent.iterdir()] == ["link"]


@pytest.mark.parametrize("where", [".", "/", "missing/file", "file/below"])
def test_a_place_where_no_file_can_be_is_named(
    here: Engine, mixed: str, tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("before")

    assert main.run(["export", mixed, "--output", str(tmp_path / where)]) == exits.BAD_INPUT

    said = " ".join(capsys.readouterr().err.split())
    assert "Name a file, in a folder that is there" in said
    assert (tmp_path / "file").read_text() == "before"
    assert list(tmp_path.glob("**/*.part")) == []


def test_a_terminal_gets_no_lists(
    mixed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    assert main.run(["export", mixed]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert "broadcast export ID > FILE" in told.err
