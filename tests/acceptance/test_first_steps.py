"""What a newcomer runs into on the first day: each says what it is and names the way on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broadcast.views.texts import Texts
from broadcast.views.words import follower_count
from entrypoints.cli.embedded import embedded_stack
from models.engine import open_engine
from tests.acceptance.by_hand import seated
from tests.acceptance.test_terminal import on_terminal
from tests.kit.command_line import CommandLine

PEOPLE = [f"oTEST{n:023}" for n in range(5)]
SEND = ("send", "--openids", "list.txt", "--text", "hello")
SECRET = "appsecret-of-the-tests"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with tables and a good list; no Redis and no worker is there."""
    with seated(tmp_path, PEOPLE) as made:
        yield made


def sent(line: CommandLine, *words: str) -> str:
    """Store a broadcast; return its id."""
    return str(line.run(*SEND, *words, "--json").json["id"])


def in_hours(hours: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


# -- accounts


def test_the_real_appid_after_the_trial_one_is_told_to_take_a_database_of_its_own(
    line: CommandLine,
) -> None:
    sent(line)

    refused = line.run(*SEND, "--again", WECHAT_APPID="wx00000000000000ff")
    own = f"sqlite:///{line.folder / 'real.db'}"
    line.run("db", "upgrade", DATABASE_URL=own)
    begun = line.run(*SEND, WECHAT_APPID="wx00000000000000ff", DATABASE_URL=own)

    assert (refused.status, len(refused.lines)) == (2, 1)
    assert "DATABASE_URL" in refused.err
    assert "BROADCAST_ACCOUNTS_FILE" in refused.err
    assert begun.status == 0, begun.err
    assert line.run("audit", "--all", DATABASE_URL=own).status == 0


def test_up_refuses_an_appid_that_the_database_has_under_another_name(line: CommandLine) -> None:
    sent(line)

    refused = line.run("up", "--skip-checks", WECHAT_APPID="wx00000000000000ff")

    assert (refused.status, refused.out, len(refused.lines)) == (2, "", 1), refused.err
    assert "DATABASE_URL" in refused.err


@pytest.mark.parametrize("words", [SEND, ("up",)])
def test_without_an_account_the_file_that_was_looked_at_is_named(
    line: CommandLine, words: tuple[str, ...]
) -> None:
    result = line.run(*words, WECHAT_APPID=None, WECHAT_APPSECRET=None)

    assert (result.status, result.out, len(result.lines)) == (2, "", 1)
    assert str(line.folder / ".env") in result.err


def test_two_appsecrets_are_an_error_that_names_both(line: CommandLine) -> None:
    (line.folder / "secret").write_text(SECRET, encoding="ascii")

    result = line.run(*SEND, WECHAT_APPSECRET_FILE="secret")

    assert (result.status, len(result.lines)) == (2, 1)
    assert "WECHAT_APPSECRET and by WECHAT_APPSECRET_FILE" in result.err
    assert SECRET not in result.err


def test_a_misspelt_setting_is_told_once_with_the_right_name(line: CommandLine) -> None:
    (line.folder / ".env").write_text("BROADCAST_BATCHSIZE=2\n", encoding="ascii")

    result = line.run("accounts", "--json", WECHAT_APP_KIND="test", WECHAT_ACOUNT_KIND="test")

    told = [one for one in result.lines if "is not a setting" in one]
    assert len(told) == 2, result.err
    assert any("BROADCAST_BATCHSIZE" in one and "BROADCAST_BATCH_SIZE" in one for one in told)
    assert any("WECHAT_ACOUNT_KIND" in one and "WECHAT_ACCOUNT_KIND" in one for one in told)
    assert result.json["error"] is None


@pytest.mark.parametrize("name", ["WECHAT_TOKEN", "WECHAT_ROBOT_NAME", "BROADCAST_DEBUG"])
def test_variables_of_other_programs_are_no_misspelt_settings(line: CommandLine, name: str) -> None:
    result = line.run("accounts", **{name: "1"})  # type: ignore[arg-type]  # a variable's name

    assert result.err == ""


# -- an account that stands still


def test_a_send_on_a_halted_account_says_what_it_waits_for(line: CommandLine) -> None:
    assert "unhalt" not in line.run(*SEND).out
    line.run("halt")

    stored = line.run(*SEND, "--again")
    later = line.run(*SEND, "--again", "--at", in_hours(48))

    for result in (stored, later):
        assert result.status == 0, result.err
        assert result.out.splitlines()[-1].endswith("broadcast unhalt --account default")


def test_a_person_is_asked_in_other_words_on_a_halted_account(line: CommandLine) -> None:
    line.run(*SEND)
    line.run("halt", "--why", "the boss calls")

    shown = on_terminal(line, *SEND, "--again", types=b"n\n").out

    assert "the boss calls" in shown
    assert "it is sent after broadcast unhalt --account default" in " ".join(shown.split())


def test_halting_twice_says_exactly_what_is_halted(line: CommandLine) -> None:
    nothing = line.run("unhalt", "--all").out
    unknown = line.run("halt", "--all", WECHAT_APPID=None, WECHAT_APPSECRET=None).out
    line.run("halt")

    assert nothing == "Nothing to unhalt: no account is halted or stopped.\n"
    assert unknown.startswith("Nothing to halt: neither the settings nor the database")
    assert line.run("halt").out.startswith("Nothing to halt: default is already halted.\n")
    again = line.run("halt", "--all").out.splitlines()
    assert again[0] == "Nothing to halt: every account is halted already."
    # Who, since when and the command, as for one account.
    assert "broadcast unhalt --account default" in again[-1]


# -- nobody runs


def test_without_redis_a_send_names_the_command_that_starts_everything(line: CommandLine) -> None:
    result = line.run(*SEND)

    assert result.status == 0
    assert "`broadcast up`" in result.err


def test_the_status_of_what_nobody_takes_up_names_the_commands(line: CommandLine) -> None:
    broadcast_id = sent(line)
    fresh = line.run("status", broadcast_id).out
    line.pass_time(timedelta(minutes=5))

    told = line.run("status", broadcast_id).out
    line.run("pause", broadcast_id)
    resumed = line.run("resume", broadcast_id).out

    assert "(5 min ago). Start one, " in told
    assert "\n    broadcast up\n(or `celery -A worker worker`)." in told
    # Seconds after it was stored or resumed nothing is wrong yet.
    assert "No worker" not in fresh + resumed


def test_the_status_of_what_was_halted_until_now_misses_no_worker(line: CommandLine) -> None:
    broadcast_id = sent(line)
    line.run("halt")
    line.pass_time(timedelta(hours=2))
    line.run("unhalt")
    assert "No worker" not in line.run("status", broadcast_id).out
    line.pass_time(timedelta(minutes=5))
    assert "No worker" in line.run("status", broadcast_id).out
    line.run("cancel", broadcast_id)


def test_an_overdue_time_is_told_with_what_is_missing(line: CommandLine) -> None:
    broadcast_id = sent(line, "--at", in_hours(5))
    ahead = line.run("status", broadcast_id).out
    line.pass_time(timedelta(hours=5, minutes=5))

    told = line.run("status", broadcast_id).out

    assert "Scheduled:" in ahead
    assert "Overdue: it was due" in told
    assert "at once" in told
    line.pass_time(timedelta(minutes=11))
    assert "held, not sent. Start them" in (late := line.run("status", broadcast_id).out)
    assert f"broadcast resume {broadcast_id}" in late
    assert "celery -A worker beat" in told
    assert f"broadcast cancel {broadcast_id}" in told
    assert line.run("cancel", broadcast_id).status == 0


def test_up_lists_what_it_finds_what_an_account_keeps_back_and_nothing_that_is_held_still(
    line: CommandLine,
) -> None:
    later = in_hours(60)
    old, overdue = sent(line), sent(line, "--again", "--at", in_hours(1))
    line.pass_time(timedelta(hours=10, minutes=5))
    paused, ahead = sent(line, "--again"), sent(line, "--again", "--at", later)
    line.run("pause", paused)
    engine = open_engine(line.env["DATABASE_URL"])
    told = list(embedded_stack.backlog_lines(engine, {"default"}))
    of_others = list(embedded_stack.backlog_lines(engine, {"shop"}))
    line.run("halt")

    halted = list(embedded_stack.backlog_lines(engine, {"default"}))
    engine.dispose()

    assert len(told) == 3, told
    assert {shown.facts["id"] for shown in told[1:]} == {old, overdue}
    for shown in told[1:]:
        # Hours after they were due a worker holds them.
        assert (shown.id, shown.facts["followers"]) == ("up.backlog_late", follower_count(5))
        assert "(10 h ago)" in Texts("en")(shown)
    for one in (old, overdue):
        assert line.run("cancel", one).status == 0
    assert not {paused, ahead} & {str(shown.facts["id"]) for shown in told[1:]}
    assert of_others == []
    [stopped] = halted
    assert (stopped.id, stopped.facts["n"]) == ("up.backlog_stopped", 2)
    assert Texts("en")(stopped).endswith("Let it go on: broadcast unhalt --account default")


# -- what is sent


def test_openids_that_do_not_begin_with_o_are_told_and_not_refused(line: CommandLine) -> None:
    strange = [f"xTEST{n:023}" for n in range(3)]
    (line.folder / "list.txt").write_text("\n".join([*PEOPLE, *strange]), encoding="ascii")

    result = line.run(*SEND)

    assert result.status == 0
    assert "begin with o, but 3 of 8 do not" in result.err


def test_a_dry_run_without_tables_proposes_no_key(line: CommandLine) -> None:
    line.database.unlink()

    result = line.run(*SEND, "--dry-run")

    assert (result.status, len(result.lines)) == (3, 1)
    assert "broadcast db upgrade" in result.err
    assert "--key" not in result.err
