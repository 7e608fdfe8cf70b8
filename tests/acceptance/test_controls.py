"""A person's words on the command line: exact, recorded, harmless twice, and what cannot be."""

from __future__ import annotations

import codecs
import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast import accounts
from models.engine import open_engine
from models.ledger import submits
from tests.kit import ledger
from tests.kit.command_line import CommandLine, Result
from tests.kit.ledger import LOST, Driver, said

APPID = "wx0000000000000001"
PEOPLE = [f"oTEST{n:023}" for n in range(8)]
OWNER = accounts.make("default", appid=APPID, appsecret="0123456789abcdef")
LINES = [*PEOPLE, "=HYPERLINK(1)|no id", PEOPLE[0]]


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """A command line with tables and a list; four batches of two."""
    (tmp_path / "list.txt").write_text("\n".join(LINES), encoding="utf-8")
    made = CommandLine(tmp_path, env={"WECHAT_APPID": APPID, "BROADCAST_BATCH_SIZE": "2"})
    assert made.run("db", "upgrade").status == 0
    return made


@pytest.fixture
def store(line: CommandLine) -> Iterator[Engine]:
    """The ledger behind the command line, in which these tests play the worker."""
    engine = open_engine(line.env["DATABASE_URL"])
    yield engine
    engine.dispose()


@pytest.fixture
def sent(line: CommandLine, store: Engine) -> str:
    """A broadcast that waits for its first call."""
    broadcast_id = submitted(line)
    ledger.planned(store, broadcast_id, owner=OWNER)
    return broadcast_id


def submitted(line: CommandLine) -> str:
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


def rows(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.out.removeprefix("\ufeff"))))


# -- pause, resume, cancel


def test_pause_names_the_call_that_it_does_not_reach_and_who_said_why(
    line: CommandLine, store: Engine, sent: str
) -> None:
    Driver(store).claim()

    said_first = good(line.run("pause", sent, "--why", "wrong\ntext"))
    said_again = good(line.run("pause", sent, "--why", "another reason"))
    shown = good(line.run("status", sent))

    assert f"{sent} is paused: no new call starts" in said_first
    assert f"{sent} was not running" in said_again
    for told in (said_first, said_again):
        assert f"Under way: broadcast {sent}, batch 1, 2 followers" in told
    for told in (said_first, said_again, shown):
        assert "Paused by cli:" in told
        assert "“wrong text”" in told
        assert told.count(f"broadcast resume {sent}") == 1
        assert "another reason" not in told


def test_resume_and_cancel_are_harmless_twice(line: CommandLine, sent: str) -> None:
    assert "was running already" in good(line.run("resume", sent))
    line.run("pause", sent)
    assert "goes on" in good(line.run("resume", sent, "--why", "mended"))
    assert "no new call starts, for good" in good(line.run("cancel", sent, "--why", "over"))
    before = line.rows()

    again = good(line.run("cancel", sent, "--why", "once more"))

    assert "nothing was changed" in again
    assert "Cancelled by cli:" in again
    assert "“over”" in again
    assert line.rows() == before


def test_resume_of_an_ended_broadcast_is_refused_in_one_line(
    line: CommandLine, store: Engine, sent: str
) -> None:
    driver = Driver(store)
    for n in range(1, 5):
        driver.call(said(0, msg_id=n))

    result = line.run("resume", sent)

    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert "has ended" in result.err
    assert "nothing was changed" in good(line.run("cancel", sent))


@pytest.mark.parametrize(
    "words",
    [
        ("pause",), ("resume",), ("cancel",), ("retry",), ("recipients", "--set", "accepted"),
        ("resolve", "--batch", "1", "--not-sent"), ("status",),
    ],
)  # fmt: skip
def test_unknown_id_is_told_in_one_line_with_the_near_one(
    line: CommandLine, sent: str, words: tuple[str, ...]
) -> None:
    before = line.rows()

    result = line.run(words[0], sent + "x", *words[1:])

    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert f"did you mean {sent}?" in result.err
    assert line.rows() == before


# -- halt


def test_halt_says_what_waits_and_what_it_does_not_reach_and_twice_who_said_it(
    line: CommandLine, store: Engine, sent: str
) -> None:
    Driver(store).claim()

    first = good(line.run("halt", "--why", "the boss calls"))
    again = good(line.run("halt", "--why", "me too"))

    assert "Halted: default" in first
    assert "with more to send: 1" in first
    assert f"Under way: broadcast {sent}, batch 1, 2 followers" in first
    assert "is halted already" in again
    for told in (again, line.run("status", sent).out, line.run("accounts").out):
        assert "“the boss calls”" in told
        assert "broadcast unhalt --account default" in told
        assert "me too" not in told
    [account] = line.run("accounts", "--json").json["accounts"]
    assert account["halted"]["why"] == "the boss calls"
    assert "Running again: default" in good(line.run("unhalt"))
    assert "neither halted nor stopped" in good(line.run("unhalt"))


def test_halting_an_unknown_account_stores_nothing(line: CommandLine) -> None:
    before = line.rows()
    for command in ("halt", "unhalt"):
        result = line.run(command, "--account", "nobody")
        assert (result.status, len(result.lines), result.out) == (2, 1, "")
        assert "There is no account nobody" in result.err
    assert line.rows() == before


def test_account_that_left_the_settings_is_still_halted_by_its_name(
    line: CommandLine, sent: str
) -> None:
    del sent
    line.env |= {"BROADCAST_ACCOUNTS_FILE": "accounts.toml"}
    for name in ("WECHAT_APPID", "WECHAT_APPSECRET"):
        line.env.pop(name)
    (line.folder / "accounts.toml").write_text(
        '[accounts.other]\nappid = "wx0000000000000009"\nappsecret = "appsecret-of-the-other"\n',
        encoding="utf-8",
    )
    assert "Halted: default" in good(line.run("halt", "--account", "default"))


# -- resolve


def test_status_names_for_each_doubt_where_to_look_and_the_command(
    line: CommandLine, store: Engine, sent: str
) -> None:
    doubt(Driver(store))

    for lang in ("en", "zh"):
        shown = line.run("status", sent, BROADCAST_LANG=lang).out
        [told] = [one for one in shown.splitlines() if "mp.weixin.qq.com" in one]
        assert "群发记录" in told
        assert f"broadcast resolve {sent} --batch 1 --sent MSG_ID" in told
        assert "--not-sent" in told


def test_sent_closes_as_accepted_and_not_sent_as_refused(
    line: CommandLine, store: Engine, sent: str
) -> None:
    driver = Driver(store)
    doubt(driver)
    doubt(driver)

    was = good(line.run("resolve", sent, "--batch", "1", "--sent", "99", "--why", "seen there"))
    was_not = good(line.run("resolve", sent, "--batch", "2", "--not-sent"))

    assert "closed as accepted, msg_id 99" in was
    assert "closed as refused: not sent" in was_not
    assert f"broadcast retry {sent}" in was_not
    told = line.run("status", sent, "--json").json
    assert told["recipients"] == {
        "accepted": 2, "refused": 2, "cancelled": 0, "in_doubt": 0, "waiting": 4,
    }  # fmt: skip
    assert told["batch_list"][0]["msg_id"] == 99
    again = line.run("resolve", sent, "--batch", "1", "--sent", "99")
    assert "was closed as accepted already" in good(again)
    assert "already" in good(line.run("resolve", sent, "--batch", "2", "--not-sent"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--batch", "1"), "--sent MSG_ID, or --not-sent"),
        (("--batch", "1", "--sent", "9", "--not-sent"), "not both"),
        (("--not-sent",), "--batch is missing"),
        (("--batch", "x", "--not-sent"), "--batch has a wrong value"),
        (("--batch", "1", "--sent", "abc"), "--sent has a wrong value"),
        (("--batch", "1", "--sent", "0"), "0 is no msg_id"),
        (("--batch", "9", "--not-sent"), "has no batch 9; in doubt: 1"),
        (("--batch", "2", "--not-sent"), "not in doubt but accepted by WeChat"),
        (("--batch", "1", "--sent", "7"), "belongs to batch 2 of broadcast"),
    ],
)
def test_words_that_cannot_be_are_refused_in_one_line(
    line: CommandLine, store: Engine, sent: str, words: tuple[str, ...], told: str
) -> None:
    driver = Driver(store)
    doubt(driver)
    driver.call(said(0, msg_id=7))
    before = line.rows()

    result = line.run("resolve", sent, *words)

    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert told in result.err
    assert line.rows() == before


# -- retry


def test_retry_tells_what_it_did_and_what_it_left_and_why(
    line: CommandLine, store: Engine, sent: str
) -> None:
    driver = Driver(store)
    doubt(driver)
    for fact in (said(43004), said(40003), said(0, msg_id=4)):
        driver.call(fact)
    assert f"broadcast retry {sent}" in line.run("status", sent).out

    first = good(line.run("retry", sent))
    again = good(line.run("retry", sent))

    assert "batches 2 (2 followers) are called again" in first
    assert "Left alone: batches 1 (2 followers) are in doubt" in first
    assert "Left alone: batches 3 (2 followers) were refused for a reason that does not" in first
    assert "(40003)" in first
    assert "no refused batch can be called again" in again
    assert "Left alone: batches 2 (2 followers) wait" in again
    assert driver.next().n == 2


def test_retry_of_a_cancelled_broadcast_is_refused_in_one_line(
    line: CommandLine, sent: str
) -> None:
    line.run("cancel", sent)
    result = line.run("retry", sent)
    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert "a cancel is final" in result.err
    assert "broadcast retry" not in line.run("status", sent).out


def test_reply_that_says_otherwise_than_a_person_is_told(
    line: CommandLine, store: Engine, sent: str
) -> None:
    doubt(Driver(store))
    line.run("resolve", sent, "--batch", "1", "--not-sent")
    line.run("retry", sent)
    ledger.pass_time(store, timedelta(seconds=30))
    Driver(store, owner="later").call(said(45065, msg_id=71))

    shown = line.run("status", sent).out

    assert "Batch 1: a person said that it was not sent, but WeChat said otherwise" in shown
    assert "msg_id 71" in shown


# -- recipients


def test_recipients_are_one_a_line_and_together_the_list(
    line: CommandLine, store: Engine, sent: str
) -> None:
    driver = Driver(store)
    driver.call(said(0, msg_id=1))
    driver.call(said(43004))
    doubt(driver)

    told = {
        name: good(line.run("recipients", sent, "--set", name)).splitlines()
        for name in ("accepted", "refused", "cancelled", "in_doubt", "waiting")
    }

    assert [len(each) for each in told.values()] == [2, 2, 0, 2, 2]
    assert sorted(one for each in told.values() for one in each) == PEOPLE


def test_csv_is_what_excel_opens(line: CommandLine, store: Engine, sent: str) -> None:
    driver = Driver(store)
    driver.call(said(0, msg_id=2**33 + 1))
    driver.call(said(43004))

    accepted = line.run("recipients", sent, "--set", "accepted", "--csv")
    refused = line.run("recipients", sent, "--set", "refused", "--csv")

    assert accepted.out.encode().startswith(codecs.BOM_UTF8 + b"openid,batch,state,reason,")
    assert rows(accepted)[0] == {
        "openid": PEOPLE[0], "batch": "1", "state": "accepted", "reason": "", "errcode": "",
        "msg_id": str(2**33 + 1),
    }  # fmt: skip
    assert [row["openid"] for row in rows(refused)] == PEOPLE[2:4]
    assert {(row["state"], row["errcode"]) for row in rows(refused)} == {("refused", "43004")}
    assert all("WeChat refuses the recipients" in row["reason"] for row in rows(refused))


def test_cancelled_before_it_was_cut_lists_everybody(line: CommandLine) -> None:
    broadcast_id = submitted(line)
    line.run("cancel", broadcast_id)
    listed = good(line.run("recipients", broadcast_id, "--set", "cancelled"))
    assert sorted(listed.splitlines()) == PEOPLE


def test_skipped_lines_come_with_their_number_and_reason_and_no_formula(
    line: CommandLine, sent: str
) -> None:
    plain = line.run("recipients", sent, "--set", "skipped")
    table = line.run("recipients", sent, "--set", "skipped", "--csv")

    assert plain.out.splitlines() == [
        f"10\tduplicate\t{PEOPLE[0]}", "9\tmalformed\t=HYPERLINK(1)|no id",
    ]  # fmt: skip
    assert [(row["line"], row["reason"]) for row in rows(table)] == [
        ("10", "duplicate"), ("9", "malformed"),
    ]  # fmt: skip
    assert rows(table)[1]["text"] == "'=HYPERLINK(1)|no id"
    for told in (plain, table):
        assert told.status == 0
        assert "malformed 1" in told.err
        assert "duplicate 1" in told.err


def test_unknown_set_is_told_in_one_line(line: CommandLine, sent: str) -> None:
    result = line.run("recipients", sent, "--set", "everybody")
    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert "accepted, refused, cancelled, in_doubt, waiting, skipped" in result.err


MANY = 1_000_000


@pytest.fixture
def many(line: CommandLine, store: Engine) -> str:
    """A broadcast to a million that was cancelled before it was cut."""
    told = ledger.body(size=2, owner=OWNER)
    broadcast_id = ledger.upload(store, told, size=MANY, batches=100)
    submits.publish(
        store, broadcast_id, told, figures=ledger.figures(size=MANY, batches=100), quota=None,
        terms=submits.Terms(who="tests"),
    )  # fmt: skip
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
    command = [sys.executable, "-m", "cli.main", "recipients", many, "--set", "cancelled", "--csv"]

    def run(words: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            words, env=line.environment({}), cwd=line.folder, capture_output=True, timeout=120,
            check=True,
        )  # fmt: skip

    measured: Any = json.loads(run([sys.executable, "-c", MEASURE, "all.csv", *command]).stdout)
    with (line.folder / "all.csv").open("rb") as file:
        count = sum(1 for _ in file) - 1

    assert (measured["status"], count) == (0, MANY)
    assert measured["took_s"] < 20
    assert measured["peak_mb"] < 150
    closed = run(["sh", "-c", '"$@" | head -n 3', "sh", *command])
    assert len(closed.stdout.splitlines()) == 3
    assert closed.stderr == b""
