"""How much stands on the screen before a question: at most twelve lines of 80 columns.

Twenty situations, one after the other, on one system without a worker, which costs two lines in
each. Whatever is left out, the same command shows with --dry-run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from entrypoints.cli.question_screen import MOST_NOTICES
from simulator.openid import openid_lines
from tests.acceptance.test_audiences import suppress
from tests.acceptance.test_drafts import Console
from tests.kit import dates, ledger, media
from tests.kit.terminal import COLUMNS, Shown, typed
from tests.unit.audience.workbooks import xlsx

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

#: Lines of a screen of 80 columns, at most.
BAR = 12
FOLLOWERS = 30
MASS_SEND = "/cgi-bin/message/mass/send"
#: Where the question begins, and what is said of the lines that are not shown.
QUESTION = {
    "en": re.compile(r"(Send|Store|Enable) (?!:)"),
    "zh": re.compile(r"将|从 |账号恢复后|保存活动|启用活动"),
}
MORE = {
    "en": re.compile(r"--dry-run( --now)? shows all|show all after your answer"),
    "zh": re.compile(r"加 --dry-run( --now)? 可查看全部|确认后用"),
}
WARNING = {"en": "Warning: ", "zh": "注意："}
#: What nobody answers and a broken account are called.
NOBODY = {"en": "No worker answers", "zh": "没有 worker 应答"}
BROKEN = {"en": "Nothing is sent before this is fixed", "zh": "解决之前不会发送"}
LONG = "\n".join(
    f"第 {n} 段：周五晚八点直播，现场抽奖，老客户优先，名额有限，先到先得。" * 4
    for n in range(1, 8)
)


class Desk:
    """A person's desk: the system, its lists, and commands that are typed and answered with no."""

    def __init__(self, system: System, lang: str) -> None:
        self.system, self._lang = system, lang
        self.wechat = system.simulator
        self.people = sorted(self.wechat.openids(FOLLOWERS))
        self.write("list.txt", self.people)

    def write(self, name: str, lines: Sequence[str]) -> None:
        (self.system.folder / name).write_text("\n".join(lines) + "\n", "utf-8")

    def quota(self, left: int) -> None:
        self.wechat.change_account(daily_limit=100, used_today={MASS_SEND: 100 - left})

    def send(self, words: str) -> Shown:
        return self.type(f"send --account account1 {words}")

    def type(self, words: str) -> Shown:
        environment = {
            **os.environ,
            **self.system.env,
            "BROADCAST_LANG": self._lang,
            "BROADCAST_PREVIEW_TO": "editor_01",
            "BROADCAST_COOLING_OFF": "60s above 5",
        }
        line = f"broadcast {words}"
        return typed(line, folder=self.system.folder, environment=environment, answers=["n"])


Situation = tuple[Callable[[Desk], object], str]


def nothing(_: Desk) -> None:
    """Leave all as it is."""


def malformed(desk: Desk) -> None:
    desk.write("bad.txt", [*desk.people, *desk.people[:3], "=HYPERLINK(1)", "no id", "13800000000"])


def workbook(desk: Desk) -> None:
    rows: list[list[str]] = [["昵称", "openid"]]
    rows += [["客户", one] for one in desk.people]
    (desk.system.folder / "名单.xlsx").write_bytes(xlsx({"名单": rows}))


def excluded(desk: Desk) -> None:
    desk.write("out.txt", desk.people[:4])


def synced_long_ago(desk: Desk) -> None:
    desk.system.broadcast("followers", "sync", "--account", "account1")
    ledger.pass_time(desk.system.engine, timedelta(days=9))


def drafted(desk: Desk) -> None:
    desk.wechat.set_switches(media_must_exist=False)
    Console(desk.system).write(*(f"十二月上新第 {n} 篇：新品与活动说明" for n in range(1, 9)))


def pictured(desk: Desk) -> None:
    (desk.system.folder / "shop.jpg").write_bytes(media.picture())


def long_text(desk: Desk) -> None:
    (desk.system.folder / "long.txt").write_text(LONG[:580], "utf-8")


def went_out_in_part(desk: Desk) -> None:
    """Another version went to some and not to the others, and one is to come."""
    desk.quota(50)
    sent = ("send", "--openids", "list.txt", "--account", "account1", "--json", "--again")
    desk.wechat.fault("errcode", errcode=40007, path=MASS_SEND, when="before", skip=1, count=2)
    told = desk.system.broadcast(*sent, "--text", "错字").stdout.splitlines()[-1]
    worker = desk.system.worker()
    desk.system.until_state(json.loads(told)["id"], "paused")
    worker.stop()
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    desk.system.broadcast(*sent, "--text", "改期", "--at", later)


def another_account(desk: Desk) -> None:
    other = "".join(one.decode() for one in openid_lines("wx0000000000000002", count=9))
    (desk.system.folder / "other.txt").write_text(other, "ascii")
    desk.system.broadcast(
        "send", "--account", "account2", "--openids", "other.txt", "--text", "hello", "--json"
    )


def suppressed(desk: Desk) -> None:
    suppress(desk.system, desk.people[:25])


def wrong_secret(desk: Desk) -> None:
    file = desk.system.folder / "accounts.toml"
    secret = desk.wechat.accounts[0].secret
    file.write_text(file.read_text("utf-8").replace(secret, "f" * 32, 1), "utf-8")
    desk.wechat.invalidate_token(desk.wechat.accounts[0].appid)


TEXT = "--openids list.txt --text '周五 20:00 直播'"
NIGHT = "--at 'tomorrow 3:30'"
#: In this order: what one changes stays.
SITUATIONS: dict[str, Situation] = {
    "a list": (nothing, TEXT),
    "a file with malformed lines": (malformed, "--openids bad.txt --text hello --title 十二月"),
    "a workbook with a title row": (workbook, "--openids 名单.xlsx --text hello"),
    "an exclusion": (excluded, f"{TEXT} --exclude file:out.txt --priority 5 --title 上新"),
    "a sample": (nothing, f"{TEXT} --sample 50%"),
    "a night": (nothing, f"{TEXT} {NIGHT}"),
    "another account had the same text": (another_account, "--openids list.txt --text hello"),
    "over several days": (lambda desk: desk.quota(2), f"{TEXT} --spread-days"),
    "the last calls": (lambda desk: desk.quota(3), TEXT),
    "a picture": (pictured, "--openids list.txt --image shop.jpg"),
    "a draft of eight articles": (
        drafted,
        "--openids list.txt --draft '十二月上新第 1 篇：新品与活动说明'",
    ),
    "a long text with paragraphs": (long_text, "--openids list.txt --text-file long.txt"),
    "everybody": (nothing, "--to-all --text hello"),
    "a tag that nobody has": (
        lambda desk: desk.system.broadcast("tags", "create", "VIP", "--account", "account1"),
        "--tag VIP --text hello",
    ),
    "followers of long ago": (synced_long_ago, f"--followers --text hello --again {NIGHT}"),
    "followers with a tag": (
        nothing,
        f"--followers --with-tag VIP --only-current --text hello {NIGHT}",
    ),
    "yesterday's version went out in part": (went_out_in_part, TEXT),
    "a long suppression list": (suppressed, f"{TEXT} --exclude file:out.txt"),
    "a broken account": (wrong_secret, f"{TEXT} --at 'tomorrow 20:00'"),
    "a halt": (
        lambda desk: desk.system.broadcast("halt", "--account", "account1", "--why", "下班"),
        f"{TEXT} --at 'tomorrow 20:00'",
    ),
}


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Two accounts of thirty followers; nobody sends."""
    made = start_system(followers=FOLLOWERS, accounts=2, BROADCAST_BATCH_SIZE="10")
    made.simulator.change_account(made.simulator.accounts[0].appid, daily_limit=100)
    return made


def rows_before(shown: Shown, lang: str) -> list[str]:
    """The rows of 80 columns before the question; where there is none, all is shown."""
    found = list[str]()
    for line in shown.text.splitlines():
        if QUESTION[lang].match(line):
            return found
        found += [line] * max(1, -(-cell_len(line) // COLUMNS))
    raise AssertionError(f"nothing was asked:\n{shown.text}")


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.parametrize("lang", [pytest.param("en", marks=pytest.mark.prove), "zh"])
def test_at_most_twelve_lines_stand_before_the_question_in_twenty_situations(
    system: System, lang: str
) -> None:
    desk = Desk(system, lang)
    counted: dict[str, int] = {}
    for name, (changes, words) in SITUATIONS.items():
        changes(desk)
        shown = desk.send(words)
        rows = rows_before(shown, lang)
        counted[name] = len(rows)
        print(f"--- {name}: {len(rows)}\n{shown.text}")
        assert "account1" in shown.text
        assert sum(bool(MORE[lang].search(row)) for row in rows) <= 1

    assert len(SITUATIONS) == 20
    assert {name: rows for name, rows in counted.items() if rows > BAR} == {}


def stored(desk: Desk, words: str) -> None:
    desk.system.broadcast("campaigns", "add", *shlex.split(words), "--yes")


def excluded_from_a_long_text(desk: Desk) -> None:
    excluded(desk)
    long_text(desk)


def others_of_the_month(desk: Desk) -> None:
    for n in range(4):
        stored(desk, f"每日{n} --account account1 {TEXT} --cron '{n} 9 * * *'")


FRIDAYS = "--cron '0 20 * * 5'"
ALL_OF_IT = f"--account account1 --openids list.txt --text-file long.txt --title 上新 {FRIDAYS}"
#: In this order: what one changes stays.
CAMPAIGNS: dict[str, Situation] = {
    "a campaign": (nothing, f"add weekly --account account1 {TEXT} {FRIDAYS}"),
    "once, at night": (nothing, f"add once --account account1 {TEXT} {NIGHT}"),
    "to everybody": (
        nothing,
        f"add all --account account1 --to-all --text hello {FRIDAYS}",
    ),
    "with holidays, exclusions and a long text": (
        excluded_from_a_long_text,
        (
            f"add spring {ALL_OF_IT} --exclude file:out.txt --from {dates.ahead(1).date()}"
            " --except 12-25..12-28"
        ),
    ),
    "a fifth message of the month": (
        others_of_the_month,
        f"add weekly --account account1 {TEXT} --cron '0 20 * * *'",
    ),
    "an edit": (nothing, "edit 每日0 --except 12-25 --text '周六 {date} 直播' --cron '0 3 * * 6'"),
    "a run of now": (
        lambda desk: stored(desk, f"spring {ALL_OF_IT} --exclude file:out.txt --priority 5"),
        "run spring",
    ),
    "a run of now to everybody": (
        lambda desk: stored(
            desk, f"all --account account1 --to-all --yes-to-all --text hello {FRIDAYS}"
        ),
        "run all",
    ),
    "a run, with a long suppression list": (
        suppressed,
        "run spring",
    ),
    "enabled again, to everybody": (
        lambda desk: desk.system.broadcast("campaigns", "disable", "all"),
        "enable all",
    ),
    "of a broken account": (
        wrong_secret,
        f"add weekly --account account1 {TEXT} --cron '0 20 * * *'",
    ),
}


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.parametrize("lang", [pytest.param("en", marks=pytest.mark.prove), "zh"])
def test_before_the_question_of_a_campaign_stand_few_lines_and_what_keeps_it_from_going(
    system: System, lang: str
) -> None:
    desk = Desk(system, lang)
    counted: dict[str, tuple[int, int]] = {}
    for name, (changes, words) in CAMPAIGNS.items():
        changes(desk)
        shown = desk.type(f"campaigns {words}")
        rows = rows_before(shown, lang)
        counted[name] = len(rows), sum(row.startswith(WARNING[lang]) for row in dict.fromkeys(rows))
        print(f"--- {name}: {len(rows)}\n{shown.text}")
        assert any(NOBODY[lang] in row for row in rows)
        assert shown.text.count(NOBODY[lang]) == 1
        # A sentence may go over two lines.
        is_broken = BROKEN[lang].replace(" ", "") in "".join("".join(rows).split())
        assert is_broken == (name == "of a broken account")

    beyond = {name: n for name, n in counted.items() if n[0] > BAR or n[1] > MOST_NOTICES}
    assert beyond == {}
