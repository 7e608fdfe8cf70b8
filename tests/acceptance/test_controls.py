"""A person's words on the command line: exact, recorded, harmless twice, and what cannot be."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from models.accounts import Lane
from models.engine import now
from tests.acceptance.by_hand import doubt, good
from tests.kit import ledger
from tests.kit.command_line import CommandLine
from tests.kit.ledger import Driver, said


def keep_the_lease(store: Engine) -> None:
    """Let whoever drives a lane hold it for as long as a command may take."""
    with store.begin() as connection:
        connection.execute(update(Lane).values(leased_until=now(connection) + timedelta(minutes=5)))


# -- pause, resume, cancel


def test_pause_names_the_call_that_it_does_not_reach_and_who_said_why(
    line: CommandLine, store: Engine, sent: str
) -> None:
    Driver(store).claim()
    keep_the_lease(store)

    said_first = good(line.run("pause", sent, "--why", "wrong\ntext"))
    said_again = good(line.run("pause", sent, "--why", "another reason"))
    shown = good(line.run("status", sent))

    assert f"{sent} is paused. No new call starts" in said_first
    assert f"{sent} is already paused" in said_again
    for told in (said_first, said_again, shown):
        assert f"In progress: broadcast {sent}, batch 1, 2 followers" in told
        assert "Paused by cli:" in told
        assert "“wrong text”" in told
        assert told.count(f"broadcast resume {sent}") == 1
        assert "another reason" not in told


def test_resume_of_what_waits_for_its_time_says_so(line: CommandLine, store: Engine) -> None:
    later = ledger.published(store, ledger.body(at=datetime.now(UTC) + timedelta(hours=1)))

    assert "waits for its scheduled time" in good(line.run("resume", later))


def test_resume_and_cancel_are_harmless_twice(line: CommandLine, sent: str) -> None:
    assert "was already running" in good(line.run("resume", sent))
    line.run("pause", sent)
    assert "is resumed" in good(line.run("resume", sent, "--why", "mended"))
    assert "No new call ever starts" in good(line.run("cancel", sent, "--why", "over"))
    before = line.rows()

    again = good(line.run("cancel", sent, "--why", "once more"))

    assert "Nothing was changed" in again
    assert "Cancelled by cli:" in again
    assert "“over”" in again
    assert line.rows() == before


def test_resume_under_a_halt_is_kept_and_says_what_else_is_needed(
    line: CommandLine, sent: str
) -> None:
    line.run("pause", sent)
    line.run("halt")

    first = good(line.run("resume", sent)).splitlines()[:2]
    again = good(line.run("resume", sent)).splitlines()[:2]
    line.run("unhalt")

    assert f"{sent} is resumed, but its account is halted or stopped" in first[0]
    assert f"{sent} was not paused, but its account is halted or stopped" in again[0]
    for told in (first, again):
        assert told[1] == "    broadcast unhalt --account default"
    assert line.run("status", sent, "--json").json["state"] == "waiting"


@pytest.mark.parametrize("left", [True, False])
def test_a_batch_of_which_a_call_left_is_said_to_go_out_as_it_was(
    line: CommandLine, store: Engine, sent: str, *, left: bool
) -> None:
    Driver(store).call(said(45009) if left else CallResult(outcome=Outcome.NOT_CALLED))
    line.run("pause", sent)

    told, resumed = line.run("status", sent), line.run("resume", sent)

    assert ("called again as it was, also to who asked out since" in told.out) == left
    assert ("Called before, and sent as it was" in resumed.err) == left
    assert resumed.status == 0


def test_resume_of_an_ended_broadcast_is_refused_in_one_line(
    line: CommandLine, store: Engine, sent: str
) -> None:
    driver = Driver(store)
    for n in range(1, 5):
        driver.call(said(0, msg_id=n))

    result = line.run("resume", sent)

    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert "has ended" in result.err
    assert "Nothing was changed" in good(line.run("cancel", sent))


@pytest.mark.parametrize(
    "words",
    [
        ("pause",),
        ("resume",),
        ("cancel",),
        ("retry",),
        ("recipients", "--set", "accepted"),
        ("resolve", "--batch", "1", "--not-sent"),
        ("status",),
    ],
)
def test_unknown_id_is_told_in_one_line_with_the_near_one(
    line: CommandLine, sent: str, words: tuple[str, ...]
) -> None:
    before = line.rows()

    result = line.run(words[0], sent + "x", *words[1:])

    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert f"Did you mean {sent}?" in result.err
    assert line.rows() == before


# -- halt


def test_halt_says_what_waits_and_what_it_does_not_reach_and_twice_who_said_it(
    line: CommandLine, store: Engine, sent: str
) -> None:
    Driver(store).claim()
    keep_the_lease(store)

    first = good(line.run("halt", "--why", "the boss calls"))
    again = good(line.run("halt", "--why", "me too"))

    assert "Halted: default" in first
    assert "Account default no longer sends these broadcasts (1):" in first
    assert re.search(rf"^  {sent} · .*account off · 0 of ", first, re.MULTILINE)
    assert "    hello\n" in first
    assert f"In progress: broadcast {sent}, batch 1, 2 followers" in first
    assert "is already halted" in again
    for told in (again, line.run("status", sent).out, line.run("accounts").out):
        assert "“the boss calls”" in told
        assert "broadcast unhalt --account default" in told
        assert "me too" not in told
    [account] = line.run("accounts", "--json").json["accounts"]
    assert account["halted"]["why"] == "the boss calls"
    assert "Unhalted: default" in good(line.run("unhalt"))
    assert "is not halted or stopped" in good(line.run("unhalt"))


def test_what_a_worker_left_behind_is_told_while_it_stands_still(
    line: CommandLine, store: Engine, sent: str
) -> None:
    Driver(store).claim()
    ledger.pass_time(store, timedelta(minutes=1))

    for word in ("pause", "cancel"):
        told = good(line.run(word, sent))
        assert told.count("Abandoned: the worker that called batch 1 is gone") == 1
        assert "In progress" not in told
    assert "Abandoned" in line.run("status", sent).out
    [one] = line.run("status", sent, "--json").json["blockers"]
    assert (one["cause"], one["batch"], one["command"]) == ("left_behind", 1, "broadcast up")
    Driver(store, owner="later")  # takes the lane over
    assert "Abandoned" not in line.run("status", sent).out


@pytest.mark.parametrize("words", [("pause", "ID"), ("halt", "--all")])
def test_a_stop_names_what_may_have_been_sent_and_does_not_promise_to_ask_again(
    line: CommandLine, store: Engine, sent: str, words: tuple[str, str]
) -> None:
    Driver(store).call(said(45066))  # asked again in a minute
    assert "; next " in line.run("status", sent).out

    told = good(line.run(words[0], words[1].replace("ID", sent)))

    for said_ in (told, line.run("status", sent).out):
        assert "Batch 1: possibly sent; " in said_
        assert "the call is not repeated while the broadcast is blocked" in said_
        assert "; next " not in said_


def test_halt_of_a_stopped_account_tells_the_stop_and_its_mend(
    line: CommandLine, store: Engine, sent: str
) -> None:
    del sent
    Driver(store).call(said(48003))

    told = good(line.run("halt", "--account", "default"))

    assert "Stopped: account default" in told
    assert "48003" in told
    assert "Also halted: account default" in told


def test_halt_names_what_is_paused_and_stays_so_after_it(line: CommandLine, sent: str) -> None:
    line.run("pause", sent)

    halted = good(line.run("halt"))
    free = good(line.run("unhalt"))

    assert f"continue them (paused, held, or waiting for another day): {sent}." in halted
    assert "these broadcasts" not in halted
    assert "does not continue these broadcasts (1). The next command of each:" in free
    assert f"broadcast resume {sent}" in free
    line.run("cancel", sent)
    assert sent not in good(line.run("halt"))


def test_halting_an_unknown_account_stores_nothing(line: CommandLine) -> None:
    before = line.rows()
    for command in ("halt", "unhalt"):
        result = line.run(command, "--account", "nobody")
        assert (result.status, len(result.lines), result.out) == (2, 1, "")
        assert "Account nobody does not exist" in result.err
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


UNREADABLE = """
[accounts.default]
appid = "{appid}"
appsecret = "appsecret-of-the-tests"
[accounts.other]
appid = "wx0000000000000009"
appsecret_file = "gone"
"""


@pytest.mark.parametrize("whom", [["--all"], ["--account", "default"]])
def test_a_secret_that_cannot_be_read_keeps_nobody_from_the_kill_switch(
    line: CommandLine, sent: str, whom: list[str]
) -> None:
    text = UNREADABLE.format(appid=line.env.pop("WECHAT_APPID"))
    (line.folder / "accounts.toml").write_text(text, encoding="utf-8")
    line.env |= {"BROADCAST_ACCOUNTS_FILE": "accounts.toml"}

    halted = line.run("halt", *whom)

    assert halted.status == 0
    back = f"broadcast unhalt {' '.join(whom)}"
    assert halted.out.startswith("Halted: default. No new call starts.\n")
    assert halted.out.endswith(f"To lift the halt later:\n    {back}\n")
    assert ("gone" in halted.err) == (whom == ["--all"])
    assert "Halted: account default" in line.run("status", sent).out
    assert "Unhalted: default" in good(line.run("unhalt", *whom))


# -- resolve


# -- retry


# -- what people did


def test_status_ends_with_what_people_did_and_why(
    line: CommandLine, store: Engine, sent: str
) -> None:
    doubt(Driver(store))
    whys = ["a typo", "mended", "not in the list"]
    line.run("pause", sent, "--why", whys[0])
    line.run("resume", sent, "--why", whys[1])
    line.run("resolve", sent, "--batch", "1", "--not-sent", "--why", whys[2])

    shown = line.run("status", sent, "--json")

    section = shown.err[shown.err.index("Operator actions:") :].splitlines()[1:]
    assert [one.partition("“")[2].partition("”")[0] for one in section] == whys
    assert all("by cli:" in one for one in section)
    assert [one["why"] for one in shown.json["operator_actions"]] == whys
