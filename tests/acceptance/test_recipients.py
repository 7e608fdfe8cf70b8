"""``broadcast recipients``: each set as a list or a table, whole, and in flat memory."""

from __future__ import annotations

import codecs
import csv
import io
import json
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.rules.plan import submission
from models.ledger.submit import submits
from tests.acceptance.by_hand import OWNER, PEOPLE, doubt, good, submitted
from tests.kit import ledger
from tests.kit.command_line import CommandLine, Result
from tests.kit.ledger import Driver, said


def rows(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.out.removeprefix("\ufeff"))))


def test_recipients_are_one_a_line_and_together_the_list(
    line: CommandLine, store: Engine, sent: str
) -> None:
    driver = Driver(store)
    driver.call(said(0, msg_id=1))
    driver.call(said(43004))
    doubt(driver)

    told = {
        name: good(line.run("recipients", sent, "--set", name)).splitlines()
        for name in ("accepted", "refused", "in_doubt", "waiting")
    }
    nobody = line.run("recipients", sent, "--set", "cancelled")

    assert (nobody.status, nobody.out) == (0, "")
    assert "Nobody is in the set cancelled" in nobody.err
    assert [len(each) for each in told.values()] == [2, 2, 2, 2]
    assert sorted(one for each in told.values() for one in each) == PEOPLE


def test_csv_is_what_excel_opens(line: CommandLine, store: Engine, sent: str) -> None:
    driver = Driver(store)
    driver.call(said(0, msg_id=2**33 + 1))
    driver.call(said(43004))

    accepted = line.run("recipients", sent, "--set", "accepted", "--csv")
    refused = line.run("recipients", sent, "--set", "refused", "--csv")

    assert accepted.out.encode().startswith(codecs.BOM_UTF8 + b"openid,batch,state,reason,")
    assert rows(accepted)[0] == {
        "openid": PEOPLE[0],
        "batch": "1",
        "state": "accepted",
        "reason": "",
        "errcode": "",
        "msg_id": str(2**33 + 1),
    }
    assert [row["openid"] for row in rows(refused)] == PEOPLE[2:4]
    assert {(row["state"], row["errcode"]) for row in rows(refused)} == {("refused", "43004")}
    assert {row["reason"] for row in rows(refused)} == {"recipients_refused"}


def test_csv_is_the_same_in_every_language(line: CommandLine, store: Engine, sent: str) -> None:
    Driver(store).call(said(43004))

    for name in ("refused", "waiting", "skipped"):
        words = ("recipients", sent, "--set", name, "--csv")
        chinese = line.run(*words, BROADCAST_LANG="zh").out

        assert chinese.removeprefix("\ufeff").isascii()
        assert chinese == line.run(*words, BROADCAST_LANG="en").out


def test_cancelled_before_it_was_cut_lists_everybody(line: CommandLine) -> None:
    broadcast_id = submitted(line)
    line.run("cancel", broadcast_id)
    listed = good(line.run("recipients", broadcast_id, "--set", "cancelled"))
    assert sorted(listed.splitlines()) == PEOPLE


def test_skipped_lines_come_with_their_number_and_reason_and_no_formula(
    line: CommandLine, sent: str
) -> None:
    plain = line.run("recipients", sent, "--set", "skipped")
    chinese = line.run("recipients", sent, "--set", "skipped", BROADCAST_LANG="zh")
    table = line.run("recipients", sent, "--set", "skipped", "--csv")

    assert [one.split("\t")[1] for one in chinese.out.splitlines()] == ["重复", "格式错误"]
    assert plain.out.splitlines() == [
        f"10\tduplicate\t{PEOPLE[0]}",
        "9\tmalformed\t=HYPERLINK(1)|no id",
    ]
    assert [(row["line"], row["reason"]) for row in rows(table)] == [
        ("10", "duplicate"),
        ("9", "malformed"),
    ]
    assert rows(table)[1]["text"] == "'=HYPERLINK(1)|no id"
    for told in (plain, table):
        assert told.status == 0
        assert "1 malformed" in told.err
        assert "1 duplicate" in told.err


@pytest.mark.parametrize("name", ["everybody", ""])
def test_unknown_set_is_told_in_one_line(line: CommandLine, sent: str, name: str) -> None:
    result = line.run("recipients", sent, "--set", name)
    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert f"There is no set “{name}”. Use one of" in result.err
    assert "accepted, refused, cancelled, in_doubt, waiting, skipped" in result.err


MANY = 1_000_000


@pytest.fixture
def many(line: CommandLine, store: Engine) -> str:
    """A broadcast to a million that was cancelled before it was cut."""
    told = ledger.body(size=MANY, owner=OWNER)
    broadcast_id = ledger.upload(store, told, size=MANY)
    submits.publish(
        store,
        broadcast_id,
        told,
        figures=ledger.figures(size=MANY, batches=100),
        quota=None,
        terms=submission.Terms(who="tests"),
    )
    line.run("cancel", broadcast_id)
    return broadcast_id


MEASURE = """
import json, resource, subprocess, sys, time
start = time.monotonic()
with open(sys.argv[1], "wb") as out:
    status = subprocess.run(sys.argv[2:], stdout=out).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"status": status, "took_s": time.monotonic() - start, "peak_mb": peak / 1024}))
"""


def test_a_million_are_streamed_in_seconds_and_flat_memory_and_a_closed_pipe_is_quiet(
    line: CommandLine, many: str
) -> None:
    command = [
        sys.executable,
        "-m",
        "entrypoints.cli.main",
        "recipients",
        many,
        "--set",
        "cancelled",
        "--csv",
    ]

    def run(words: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            words,
            env=line.environment({}),
            cwd=line.folder,
            capture_output=True,
            timeout=120,
            check=True,
        )

    measured: Any = json.loads(run([sys.executable, "-c", MEASURE, "all.csv", *command]).stdout)
    with (line.folder / "all.csv").open("rb") as file:
        count = sum(1 for _ in file) - 1

    assert (measured["status"], count) == (0, MANY)
    assert measured["took_s"] < 20
    assert measured["peak_mb"] < 150
    closed = run(["sh", "-c", '"$@" | head -n 3', "sh", *command])
    assert len(closed.stdout.splitlines()) == 3
    assert closed.stderr == b""
