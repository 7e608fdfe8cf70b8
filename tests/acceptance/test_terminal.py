"""The brake: on a terminal a person sees what will be sent, and is asked."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.engine import open_engine
from tests.acceptance.by_hand import OWNER, seated
from tests.kit import commands, ledger
from tests.kit.command_line import CommandLine, Result
from tests.kit.terminal import typed
from tests.kit.wait import can_read
from tests.servers.valkey import Valkey

PEOPLE = [f"oTEST{n:023}" for n in range(5)]
SEND = ("send", "--openids", "list.txt", "--text", "周五 20:00 开播\n第二行")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with tables and a list of five, one of them twice, and a bad line."""
    with seated(tmp_path, [*PEOPLE, PEOPLE[0], "bad"], BROADCAST_BATCH_SIZE="3") as made:
        yield made


def on_terminal(
    line: CommandLine,
    *words: str,
    types: bytes = b"",
    ahead: bytes = b"",
    asked: Callable[[], None] | None = None,
    interrupted: bool = False,
    **env: str,
) -> Result:
    """Run a command whose three streams are a terminal; return what it showed.

    Each line of *types* is typed when the next question is shown, after *asked* was called; where
    it is *interrupted* then, that is Ctrl-C. What is typed *ahead* lies there from the start.
    """
    ours, theirs = pty.openpty()
    os.write(ours, ahead)
    process = commands.started(
        words,
        (theirs, theirs, theirs),
        line.folder,
        environment=line.environment({"TERM": "dumb", "COLUMNS": "200", **env}),
        session=True,
    )
    os.close(theirs)
    shown, answered, lines = b"", 0, types.splitlines(keepends=True)
    # Linux ends a terminal whose other side is gone with an error, macOS with nothing.
    while data := _read(ours, again=process if interrupted and answered else None):
        shown += data
        if shown.count(b"[y/N]") == answered:
            continue
        answered += 1
        if asked is not None:
            asked()
        if interrupted:
            process.send_signal(signal.SIGINT)
        os.write(ours, lines.pop(0) if lines else b"")
    assert answered or asked is None, shown
    os.close(ours)
    return Result(process.wait(60), shown.decode().replace("\r\n", "\n"), "")


def _read(terminal: int, *, again: Any = None) -> bytes:
    """Return what is shown next; Python forgets a Ctrl-C that came just before it reads."""
    while again and not can_read(terminal, 20):
        again.send_signal(signal.SIGINT)
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_a_person_sees_everything_and_can_say_no(line: CommandLine) -> None:
    result = on_terminal(line, *SEND, types=b"n\n")

    assert result.status == 1
    for fact in (
        "default",
        "service account",
        "wx0000000000000001",
        "read 7 · malformed 1 · duplicate 1 · planned 5",
        "the number left today is unknown",
        "Warning: Redis at redis://",
        "周五 20:00 开播",
        "; whole: the same command with --dry-run)",
        "2 lines more: the same command with --dry-run shows all.",
        "at once",
        "Beijing time",
        "Send to 5 followers (",
        "of account default, now",
        "? It cannot be recalled. [y/N] ",
        "Nothing was stored",
    ):
        assert fact in result.out, result.out
    assert "Priority" not in result.out
    whole = on_terminal(line, *SEND, "--dry-run").out
    assert "2, of 2 to 3 followers" in whole
    assert "第二行" in whole
    assert line.rows() == {}


def gone_out_in_part(line: CommandLine) -> str:
    """Send another content, of which one batch goes out and the next is refused."""
    first: str = line.run(*SEND[:-1], "wrong", "--json").json["id"]
    engine = open_engine(f"sqlite:///{line.database}")
    ledger.planned(engine, first, owner=OWNER)
    driver = ledger.Driver(engine)
    driver.call(ledger.said(0, msg_id=1))
    driver.call(ledger.said(40007))
    engine.dispose()
    return first


@pytest.mark.parametrize(
    ("lang", "told", "asked"),
    [
        (
            "en",
            "3 of this list got the version before, or may have (",
            "? 3 of them already got the",
        ),
        (
            "zh",
            "名单中 3 位已收到或可能已收到上一版内容（",
            "其中 3 位已收到或可能已收到上一版内容。",
        ),
    ],
)
def test_the_question_says_who_has_the_version_before_and_how_to_send_to_the_rest(
    line: CommandLine, lang: str, told: str, asked: str
) -> None:
    first = gone_out_in_part(line)

    shown = on_terminal(line, *SEND, "--key", "k", types=b"n\n", BROADCAST_LANG=lang).out

    before, _, after = shown.partition("[y/N]")
    assert told + first in before
    assert asked in " ".join(before.split())
    assert "rest.txt" not in after
    whole = on_terminal(line, *SEND, "--dry-run", BROADCAST_LANG=lang).out
    assert f"    broadcast recipients {first} --set refused > rest.txt\n" in whole
    assert "    broadcast send --openids rest.txt --text $'周五" in whole


def test_with_yes_the_facts_are_told_without_commands_that_come_too_late(line: CommandLine) -> None:
    gone_out_in_part(line)

    result = on_terminal(line, *SEND, "--yes")

    assert "3 of this list got the version before" in result.out
    assert "rest.txt" not in result.out


def test_a_dry_run_tells_what_the_followers_got_and_a_program_is_warned_in_one_line(
    line: CommandLine,
) -> None:
    first = gone_out_in_part(line)

    dry = line.run(*SEND, "--dry-run", "--json")
    sent = line.run(*SEND, "--yes")

    shown = re.findall("^    (broadcast .*)$", dry.err, re.MULTILINE)
    assert shown[0] == f"broadcast recipients {first} --set refused > rest.txt"
    assert "--dry-run" not in shown[1]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", "\n".join(shown)],
        env=line.environment({"PATH": path}),
        cwd=line.folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert line.run("status", "@last", "--json").json["audience"]["planned"] == 2
    known = json.loads(dry.out.splitlines()[0])["overlaps"]
    assert known["today"] == {"followers": 3, "broadcasts": [first]}
    [earlier] = known["earlier"]
    assert (earlier["id"], earlier["followers"]) == (first, 3)
    [warning] = [one for one in sent.lines if first in one]
    assert f"3 of the 5 OpenIDs in this list were sent broadcast {first}" in warning
    assert sent.status == 0


@pytest.mark.parametrize("part", ["Redis", "WeChat"])
def test_before_the_question_it_is_said_once_which_part_cannot_be_asked(
    line: CommandLine, valkey: Valkey, part: str
) -> None:
    if part == "WeChat":
        line.env |= {"REDIS_URL": valkey.url}

    before, _, after = on_terminal(line, *SEND, types=b"y\n").out.partition("[y/N]")

    assert re.findall(r"Warning: (\w+) at ", before) == [part]
    assert "checked before the first call" in before
    assert "unknown" not in after
    assert f"Warning: {part}" not in after


def test_before_the_question_it_is_said_that_no_worker_answers(
    line: CommandLine, valkey: Valkey
) -> None:
    line.env |= {"REDIS_URL": valkey.url}

    before, _, after = on_terminal(line, *SEND, types=b"y\n").out.partition("[y/N]")

    assert "No worker answers" in before
    assert "Stored as" in after
    assert "No worker answers" not in after


def test_the_text_is_shown_as_followers_will_read_it(line: CommandLine) -> None:
    """Masked like a secret, it would not be what is sent."""
    link = "https://example.com/?access_token=of-a-coupon"

    result = on_terminal(line, *SEND[:-1], f"see {link}", types=b"n\n")

    assert link in result.out


@pytest.mark.parametrize(
    ("columns", "created"),
    [("80", r"\d\d:\d\d"), ("120", r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d")],
)
def test_the_list_has_one_line_for_each_broadcast(
    line: CommandLine, columns: str, created: str
) -> None:
    for text in ("one", "two"):
        assert line.run(*SEND[:-1], text).status == 0
    newest = line.run("list", "--json").json["broadcasts"][0]["id"]
    line.run("cancel", newest)

    drawn = on_terminal(line, "list", COLUMNS=columns, TERM="xterm").out
    shown = re.sub(r"\x1b\[[\d;]*m", "", drawn).splitlines()

    assert len(shown) == 3, shown
    assert max(map(len, shown)) <= int(columns)
    assert re.fullmatch(
        rf"{newest} +{created} +(text: )?two +0/5 +cancelled *(cli:\S+)? *", shown[1]
    ), shown
    assert re.fullmatch(rf"\S+ +{created} +(text: )?one +0/5 +stored *(cli:\S+)? *", shown[2]), (
        shown
    )


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_ctrl_c_at_the_question_stores_nothing_and_says_so(line: CommandLine, lang: str) -> None:
    result = on_terminal(line, *SEND, asked=lambda: None, interrupted=True, BROADCAST_LANG=lang)

    assert result.status == 130
    said = {
        "en": "Nothing was stored, and nothing will be sent",
        "zh": "没有保存任何内容，不会发送",
    }
    assert said[lang] in result.out
    assert line.rows() == {}


def test_a_yes_that_was_typed_before_the_question_does_not_answer_it(line: CommandLine) -> None:
    result = on_terminal(line, *SEND, ahead=b"y\ny\n", types=b"n\n")

    assert (result.status, "Nothing was stored" in result.out) == (1, True)
    assert line.rows() == {}


@pytest.mark.parametrize("answer", [b"\n", b"no\n", b"\x04", b"yess\n"])
def test_anything_but_yes_is_no(line: CommandLine, answer: bytes) -> None:
    assert on_terminal(line, *SEND, types=answer).status == 1
    assert line.rows() == {}


@pytest.mark.parametrize(("answer", "lang"), [("y", "en"), ("YES", "en"), ("是", "zh")])
def test_yes_in_either_language_sends(line: CommandLine, answer: str, lang: str) -> None:
    result = on_terminal(line, *SEND, types=f"{answer}\n".encode(), BROADCAST_LANG=lang)

    assert result.status == 0, result.out
    assert line.rows()["bc_broadcasts"] == 1


def test_with_yes_it_is_shown_but_not_asked(line: CommandLine) -> None:
    result = on_terminal(line, *SEND, "--yes", "--priority", "-7")

    assert result.status == 0
    assert "planned 5" in result.out
    assert "Priority  -7" in result.out
    assert "[y/N]" not in result.out


def test_the_same_send_again_is_not_asked_but_refused(line: CommandLine) -> None:
    on_terminal(line, *SEND, "--yes")

    result = on_terminal(line, *SEND, types=b"y\n")

    assert result.status == 2
    assert "--again" in result.out
    assert "[y/N]" not in result.out
    assert line.rows()["bc_broadcasts"] == 1


def test_without_a_terminal_nobody_is_asked(line: CommandLine) -> None:
    result = line.run(*SEND)

    assert result.status == 0
    assert "[y/N]" not in result.err
    assert "planned" not in result.err


def test_the_language_may_stand_in_dotenv(line: CommandLine) -> None:
    (line.folder / ".env").write_text("BROADCAST_LANG=zh\n", encoding="utf-8")

    assert "错误" in line.run("send", BROADCAST_LANG=None, LC_ALL="C.UTF-8").err
    assert "Error" in line.run("send", BROADCAST_LANG="en").err


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_command_has_its_help(line: CommandLine, lang: str) -> None:
    root = line.run("--help", BROADCAST_LANG=lang)
    names = [one.split()[0] for one in root.out.splitlines() if one.startswith("  ")][2:]

    assert root.status == 0
    assert {"send", "status", "watch", "halt", "db"} <= set(names)
    assert line.run("send", "--help", BROADCAST_LANG=lang).out.count("--") > 10
    assert ("用法" if lang == "zh" else "Usage") in root.out


def test_the_help_names_the_range_of_a_number(line: CommandLine) -> None:
    assert "--most 1..1000" in line.run("list", "--help").out
    told = line.run("simulator", "--help").out
    assert "--port 0..65535" in told
    assert "--followers 0.." in told


def stored(line: CommandLine) -> str:
    broadcast_id: str = line.run(*SEND, "--json").json["id"]
    return broadcast_id


def test_a_cancel_pauses_at_once_and_asks_before_the_rest_is_lost(line: CommandLine) -> None:
    broadcast_id = stored(line)

    def is_paused() -> None:
        assert line.run("status", broadcast_id, "--json").json["state"] == "paused"

    kept = on_terminal(line, "cancel", types=b"n\n", asked=is_paused)
    assert kept.status == 1
    assert "Not sent yet: 5 followers" in kept.out
    assert (
        f"Not cancelled. It stays paused. Resume:\n    broadcast resume {broadcast_id}" in kept.out
    )
    is_paused()

    gone = on_terminal(line, "cancel", types=b"y\n", asked=is_paused)
    assert gone.status == 0
    assert line.run("status", broadcast_id, "--json").json["state"] == "cancelled"


def test_ctrl_c_at_the_question_of_a_cancel_leaves_the_broadcast_paused(line: CommandLine) -> None:
    broadcast_id = stored(line)

    result = on_terminal(line, "cancel", broadcast_id, asked=lambda: None, interrupted=True)

    assert result.status == 130
    assert "Not cancelled. It stays paused." in result.out
    assert line.run("status", broadcast_id, "--json").json["state"] == "paused"


@pytest.mark.parametrize("words", [["--yes"], []])
def test_a_cancel_asks_nobody_who_said_yes_or_who_is_no_person(
    line: CommandLine, words: list[str]
) -> None:
    broadcast_id = stored(line)

    if words:
        assert on_terminal(line, "cancel", broadcast_id, *words).status == 0
    else:
        assert line.run("cancel", broadcast_id).status == 0

    assert line.run("status", broadcast_id, "--json").json["state"] == "cancelled"


@pytest.mark.parametrize(
    ("term", "no_color", "bold"),
    [("xterm", "", True), ("dumb", "", False), ("xterm", "1", False)],
)
def test_the_question_is_bold_where_the_terminal_shows_it(
    line: CommandLine, term: str, no_color: str, *, bold: bool
) -> None:
    shown = on_terminal(line, *SEND, types=b"n\n", TERM=term, NO_COLOR=no_color).out

    assert ("\x1b[1mSend to 5 followers" in shown) is bold


HELLO = "broadcast send --openids list.txt --text hello"


@pytest.mark.parametrize("into", ["2>log", ">out 2>log", ">out", "--json 2>log", "2>&1 >out"])
def test_a_person_whose_output_goes_into_files_sees_the_facts_and_is_asked(
    line: CommandLine, into: str
) -> None:
    shown = typed(
        f"{HELLO} {into}",
        folder=line.folder,
        environment=line.environment({}),
        answers=["n"],
        controls=True,
    )

    assert shown.status == 1
    assert "5 followers" in shown.text
    assert shown.text.count("[y/N]") == 1
    assert "There are no broadcasts yet" in line.run("list").err + line.run("list").out


@pytest.mark.parametrize("how", ["setsid -w", "cat list.txt | env"])
def test_nobody_is_asked_without_a_terminal_of_the_process_or_its_keys(
    line: CommandLine, how: str
) -> None:
    command = f"{HELLO} 2>log"
    shown = typed(
        f"{how} {command}", folder=line.folder, environment=line.environment({}), controls=True
    )

    assert (shown.status, "[y/N]" in shown.text) == (0, False)
    assert "Stored as" in shown.text
