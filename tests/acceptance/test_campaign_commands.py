"""``broadcast campaigns``: added, seen, changed, stopped, run and released by its command line."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from broadcast.day import SHANGHAI
from tests.acceptance.test_draft_add import picture
from tests.acceptance.test_terminal import on_terminal
from tests.kit import dates, ledger
from tests.kit.command_line import CommandLine
from tests.kit.terminal import COLUMNS, typed

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

FRIDAYS = ("--cron", "0 20 * * 5")
TEXT = ("--text", "Live on {weekday_en}")
LATER = dates.ahead(80)
FAR_DAYS = f"{LATER.year + 3}-01-01..{LATER.year + 3}-02-01"
WEEKDAYS = "一二三四五六日"


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """A system with a list of four; no worker runs yet."""
    made = start_system(followers=400)
    people = made.simulator.openids(4)
    (made.folder / "list.txt").write_text("\n".join(people) + "\n", "ascii")
    return made


def told(system: System, *words: str, status: int = 0) -> dict[str, Any]:
    """Run a command with ``--json`` and return its object."""
    done = system.broadcast("campaigns", *words, "--json", status=status, timeout_s=90)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def add(system: System, name: str = "weekly", *words: str) -> dict[str, Any]:
    """Add a campaign to the list."""
    return told(system, "add", name, "--openids", "list.txt", *TEXT, *(words or FRIDAYS))


def test_a_campaign_is_added_shown_changed_stopped_and_removed(system: System) -> None:
    made = add(system)
    assert (made["name"], made["state"], made["cron"], made["timezone"]) == (
        "weekly",
        "enabled",
        "0 20 * * 5",
        "Asia/Shanghai",
    )
    assert (made["missed"], made["overlap"], made["size_brake"]) == ("ask", "skip", 30)
    assert len(made["next"]) == 5
    assert all("T12:00:00" in one for one in made["next"])
    assert made["audience_file"] == str(system.folder / "list.txt")

    edited = told(
        system,
        "edit",
        "weekly",
        "--cron",
        "30 9 1 * *",
        "--except",
        FAR_DAYS,
        "--missed",
        "late",
        "--late-by",
        "2h",
        "--size-brake",
        "0",
        "--text",
        "{date}",
    )
    assert (edited["version"], edited["except"]) == (2, [FAR_DAYS])
    assert (edited["missed"], edited["late_by_s"], edited["size_brake"]) == ("late", 7200, 0)
    assert edited["request"]["content"]["text"]["content"] == "{date}"
    assert edited["audience_file"] == made["audience_file"]
    assert told(system, "edit", "weekly", "--except", "none")["except"] == []

    assert told(system, "disable", "weekly")["next"] == []
    assert told(system, "enable", "weekly")["state"] == "enabled"
    shown = system.broadcast("campaign", "show", "weekly").stdout
    assert "weekly: enabled, account default, next" in shown
    assert "Times: 30 9 1 * * (minute, hour, day, month, weekday) in Asia/Shanghai" in shown
    assert shown.count("Next: ") == 5
    assert "Missed: launched late, within 2 h." in shown
    assert [one["name"] for one in told(system, "list")["campaigns"]] == ["weekly"]
    told(system, "remove", "weekly")
    assert told(system, "list")["campaigns"] == []
    assert add(system)["version"] == 1


def test_days_are_taken_as_people_write_them_and_shown_with_their_weekdays(system: System) -> None:
    now = datetime.now(SHANGHAI).date()
    one, first, last, end = (now + timedelta(days=n) for n in (30, 35, 38, 40))
    days = ("--from", "明天", "--until", f"{end:%m-%d}", "--except", f"{one:%m月%d日}")

    made = add(
        system, "weekly", "--cron", "0 20 * * *", *days, "--except", f"{first:%m-%d}..{last:%m-%d}"
    )

    assert made["from"] in {str(now + timedelta(days=n)) for n in (1, 2)}
    assert (made["until"], made["except"]) == (str(end), [str(one), f"{first}..{last}"])
    shown = " ".join(system.broadcast("campaigns", "show", "weekly").stdout.split())
    assert f"until {end:%a} {end}, not {one:%a} {one}, not {first:%a} {first} to {last:%a}" in shown


def test_times_of_another_zone_are_shown_by_both_clocks(system: System) -> None:
    add(system, "berlin", "--cron", "30 8 * * 1", "--timezone", "Europe/Berlin")

    shown = system.broadcast("campaigns", "show", "berlin").stdout
    assert "08:30 in Europe/Berlin, Mon" in shown
    assert "15:30 Beijing time" in shown or "14:30 Beijing time" in shown


#: What is wrong with the times and the policy of a campaign, and what is said of it.
NO_CAMPAIGNS = [
    ((), "When is it due?"),
    (("--cron", "0 20 * * 5", "--at", "23:30"), "--cron or --at, not both"),
    (("--cron", "0 20 * *"), "has 4 fields"),
    (("--cron", "0 0 20 * * 5"), "has 6 fields"),
    (("--cron", "0 25 * * *"), "see its field number 2"),
    (("--cron", "0 20 30 2 *"), "never comes due: month 2 has no day 30"),
    (("--cron", "0 0 */31 * 2#2"), "never comes"),
    ((*FRIDAYS, "--until", "2020-01-01"), "too far from today"),
    (("--at", f"{datetime.now(UTC).year + 3}-01-01 20:00"), "in more than 13 months"),
    ((*FRIDAYS, "--timezone", "Asia/Peking"), "no time zone “Asia/Peking”"),
    (("--at", f"{dates.last_sunday_of(3)} 02:30", "--timezone", "Europe/Berlin"), "does not exist"),
    (("--at", f"{dates.last_sunday_of(10)} 02:30", "--timezone", "Europe/Berlin"), "comes twice"),
    (("--at", "2020-01-01 20:00"), "past"),
    (("--at", "soon"), "soon"),
    ((*FRIDAYS, "--except", "2026-13-01"), "no day"),
    (
        (*FRIDAYS, "--except", f"{dates.ahead(3).date()}..{dates.ahead(1).date()}"),
        "ends before it begins",
    ),
    (("--at", dates.typed(LATER), "--from", str(dates.ahead(9).date())), "--cron"),
    ((*FRIDAYS, "--missed", "maybe"), "Choose one of ask, late, skip"),
    ((*FRIDAYS, "--overlap", "maybe"), "Choose one of skip, queue"),
    ((*FRIDAYS, "--late-by", "5"), "--late-by"),
    ((*FRIDAYS, "--size-brake", "much"), "Write 30%"),
    ((*FRIDAYS, "--exclude", "file:nobody.txt"), "nobody.txt"),
    ((*FRIDAYS, "--title", " "), "title"),
]
#: The same of its request.
NO_REQUESTS = [
    (("--openids", "gone.txt", *TEXT), "gone.txt"),
    (("--openids", "-", *TEXT), "not “-”"),
    (("--openids", "/dev/zero", *TEXT), "no regular file"),
    (TEXT, "AUDIENCE"),
    (("--openids", "list.txt"), "CONTENT"),
    (("--openids", "list.txt", "--text", "{dat}"), "Did you mean {date}?"),
    (("--openids", "list.txt", "--text", "{优惠}"), "no variable “优惠”"),
    (("--openids", "list.txt", "--draft", "New {days}"), "{day}"),
    (("--openids", "list.txt", "--mpnews", "M" * 43), "--draft 'News {date}'"),
    (("--openids", "list.txt", "--article", "gone.md"), "gone.md"),
    (("--openids", "list.txt", "--article", "a.md", *TEXT), "content"),
    (("--to-all", *TEXT), "--yes-to-all"),
]


def test_a_campaign_that_could_not_run_is_refused_in_one_line(line: CommandLine) -> None:
    request = ("--openids", "list.txt", *TEXT)
    whole = [((*request, *words), says) for words, says in NO_CAMPAIGNS]
    whole += [((*words, *FRIDAYS), says) for words, says in NO_REQUESTS]

    for words, says in whole:
        done = line.run("campaigns", "add", "weekly", *words)
        assert (done.status, len(done.err.splitlines())) == (2, 1), (words, done)
        assert says.casefold() in done.err.casefold(), words
    assert line.rows() == {}


def test_a_local_picture_is_refused_with_the_command_that_uploads_it(line: CommandLine) -> None:
    picture(line.folder / "poster.jpg")
    words = ("--openids", "list.txt", "--image", "poster.jpg", *FRIDAYS)

    done = line.run("campaigns", "add", "weekly", *words)

    assert (done.status, len(done.err.splitlines())) == (2, 1), done
    assert "`broadcast media upload FILE --permanent`" in done.err
    assert "give its media_id" in done.err


def test_on_a_terminal_a_campaign_is_shown_and_asked_for(line: CommandLine) -> None:
    words = ("campaigns", "add", "weekly", "--openids", "list.txt", *TEXT, *FRIDAYS)

    declined = on_terminal(line, *words, types=b"n\n")
    agreed = on_terminal(line, *words, types=b"y\n")
    chinese = on_terminal(
        line,
        "campaigns",
        "edit",
        "weekly",
        "--at",
        dates.typed(LATER),
        types=b"y\n",
        BROADCAST_LANG="zh",
    )

    assert (declined.status, "Nothing was changed." in declined.out) == (1, True)
    assert agreed.status == 0
    shown, _, stored = agreed.out.partition("[y/N]")
    assert "Without another question it sends to the OpenIDs of" in " ".join(shown.split())
    assert (shown.count("Next: Fri"), stored.count("Next: Fri")) == (5, 5)
    assert "Store campaign “weekly”?" in shown
    assert "Campaign “weekly” is stored." in stored
    assert (
        f"{LATER:%Y-%m-%d} 周{WEEKDAYS[LATER.weekday()]} 20:00" in chinese.out.partition("[y/N]")[0]
    )
    assert "活动“weekly”已修改" in chinese.out


def test_the_name_is_looked_for_first_and_an_interrupt_says_that_nothing_was_stored(
    line: CommandLine,
) -> None:
    words = ("campaigns", "add", "weekly", "--openids", "list.txt", *TEXT, *FRIDAYS)

    stopped = on_terminal(line, *words, types=b"y\n", interrupted=True)
    assert on_terminal(line, *words, types=b"y\n").status == 0
    taken = on_terminal(line, *words)

    assert "Interrupted. Nothing was stored or changed." in stopped.out
    assert (taken.status, "Times:" in taken.out) == (2, False)
    assert "There is a campaign “weekly” already" in taken.out


def test_a_name_that_is_taken_unknown_or_no_name_is_refused(system: System) -> None:
    add(system)
    words = ("--openids", "list.txt", *TEXT, *FRIDAYS)

    taken = system.broadcast("campaigns", "add", "weekly", *words, status=2)
    blank = system.broadcast("campaigns", "add", " ", *words, status=2)
    near = system.broadcast("campaigns", "show", "weakly", status=2)
    same = system.broadcast("campaigns", "edit", "weekly", status=2)
    no_run = system.broadcast("campaigns", "run", "weekly", "--due", "2026-01-01 20:00", status=2)

    assert "There is a campaign “weekly” already" in taken.stderr
    assert "1 to 64 printable characters" in blank.stderr
    assert "Did you mean weekly?" in near.stderr
    assert "is like that already" in same.stderr
    assert "has no run of 2026-01-01 20:00" in no_run.stderr


def test_the_list_is_ordered_by_the_next_time_and_says_that_nobody_is_there(system: System) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    added = system.broadcast(
        "campaigns", "add", "b", "--openids", "list.txt", *TEXT, "--at", soon.isoformat()
    )
    assert "No worker answers" in added.stdout
    add(system, "c", "--cron", "0 20 1 1 *")
    add(system, "a", "--cron", "0 20 1 1 *")
    ledger.pass_time(system.engine, timedelta(minutes=6))

    listed = system.broadcast("campaigns", "list").stdout

    assert [line.partition(":")[0] for line in listed.splitlines()[:3]] == ["b", "a", "c"]
    assert "has passed and it has not begun" in listed.splitlines()[0]
    assert "No worker answers" in listed


def test_campaigns_are_listed_although_the_settings_lost_an_account(system: System) -> None:
    add(system)
    accounts = system.folder / "accounts.toml"
    accounts.write_text(
        accounts.read_text("utf-8").replace("[accounts.", "[accounts.old-"), "utf-8"
    )

    listed = system.broadcast("campaigns", "list")

    assert listed.stdout.startswith("weekly: enabled")
    assert "does not exist" in listed.stderr


@pytest.mark.parametrize(("lang", "question"), [("en", "Store campaign “"), ("zh", "保存活动“")])
def test_at_most_twelve_lines_stand_before_the_question_of_a_campaign(
    system: System, lang: str, question: str
) -> None:
    for hour in (19, 21):
        told(
            system,
            "add",
            f"daily-{hour}",
            "--to-all",
            *TEXT,
            "--cron",
            f"0 {hour} * * *",
            "--yes-to-all",
        )
    (system.folder / "long.txt").write_text("周五晚八点直播，现场抽奖，先到先得。\n" * 20, "utf-8")

    shown = typed(
        "broadcast campaigns add new-year --to-all --text-file long.txt --cron '0 20 * * *'"
        " --timezone America/New_York --except 12-24..12-26 --except 12-31 --overlap queue",
        folder=system.folder,
        environment={**os.environ, **system.env, "BROADCAST_LANG": lang},
        answers=["n"],
    )

    lines = shown.text.splitlines()
    before = lines[: next(n for n, one in enumerate(lines) if question in one)]
    print(shown.text)
    assert sum(max(1, -(-cell_len(one) // COLUMNS)) for one in before) <= 12
    # The question has the first time, whatever else there is to be seen.
    assert re.search(r"(first|第一次) .*20\d\d-", " ".join(lines[len(before) :]))
    assert any(one.startswith(("Warning: ", "注意：")) for one in before)
    assert "campaigns show" in before[-1]


def test_at_most_twelve_lines_stand_before_the_question_of_an_edit_of_all_that_there_is(
    system: System,
) -> None:
    text = "周五晚八点直播，现场抽奖，先到先得。" * 10
    year = datetime.now(UTC).year + 1
    days = ("--except", f"{year}-12-24..{year}-12-26", "--until", f"{year + 1}-12-31")
    add(system, "weekly", *FRIDAYS, *days)
    told(system, "edit", "weekly", "--text", text)

    shown = typed(
        "broadcast campaigns edit weekly --cron '0 22 * * *' --except 12-31 --tag 2 --missed late"
        f" --overlap queue --size-brake 10 --title 十二月 --text '十二月{text}'",
        folder=system.folder,
        environment={**os.environ, **system.env, "BROADCAST_LANG": "zh"},
        answers=["n"],
    )

    lines = shown.text.splitlines()
    before = lines[: next(n for n, one in enumerate(lines) if "保存活动" in one)]
    print(shown.text)
    assert before[0].startswith("修改：--cron 0 20 * * 5 → --cron 0 22 * * *")
    assert any("不再除外。要保留：" in one for one in before)
    assert sum(max(1, -(-cell_len(one) // COLUMNS)) for one in before) <= 12
