"""A month that nobody looks at but by a chat: each run once, each fault foretold or named.

A worker, two beats and WeChat's stand-in live through December in steps: a day before, an hour
before and at each due time. Whoever plays the operator reads what a bot of 企业微信 got, and copies
the commands.
"""

from __future__ import annotations

import contextlib
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.acceptance.month import december
from tests.acceptance.month.december import CLUB, EXPECTED, FAULTS, NEWS, SHOP, Expected, Fault
from tests.acceptance.month.player import Heard, Player
from tests.acceptance.month.world import World, beijing
from tests.acceptance.test_draft_add import picture
from tests.kit import bots
from tests.kit.clock import Clock
from tests.kit.endpoints import MASS_SEND
from tests.kit.simulator import Simulator
from tests.kit.system import System
from tests.kit.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.valkey import Valkey

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class Begin(Protocol):
    """Begins a month at a moment, with these campaigns."""

    def __call__(self, at: str, *, names: Collection[str]) -> Month:
        """Begin it; it ends with the test."""


@pytest.fixture
def begin(tmp_path: Path, valkey: Valkey) -> Iterator[Begin]:
    """A factory of months, told of in Chinese."""
    with ExitStack() as stack:
        bot = stack.enter_context(bots.bot())
        clock = Clock(tmp_path)
        simulator = stack.enter_context(
            Simulator(
                december.ACCOUNTS,
                followers=december.FOLLOWERS,
                calls_per_minute=0,
                switches={
                    "keep_bodies": True,
                    "administrator_answer": "yes",
                    "unconfirmed_uses_message": False,
                },
            )
        )
        settings = {
            **clock.settings,
            "BROADCAST_NOTIFY": bot.url,
            "BROADCAST_BATCH_SIZE": "10",
            "BROADCAST_WEBHOOK_NETWORKS": "127.0.0.0/8",
            "BROADCAST_LANG": "zh",
        }
        system = stack.enter_context(
            System(tmp_path, valkey=valkey, simulator=simulator, settings=settings)
        )
        yield lambda at, *, names: Month(system, clock, bot, at=beijing(at), names=names)


class Month:
    """The month as it goes on."""

    def __init__(
        self, system: System, clock: Clock, bot: bots.Bot, *, at: datetime, names: Collection[str]
    ) -> None:
        self.system, self.simulator = system, system.simulator
        self.folder = system.folder
        self._prepare()
        self.world = World(system, clock, at)
        self.expected = [one for one in EXPECTED if one.name in names and one.at > at]
        system.broadcast("followers", "sync", "--account", CLUB.name)
        for line in december.CAMPAIGNS.strip().splitlines():
            words = shlex.split(line.replace("DIR", str(self.folder)))
            if words[0] not in names:
                continue
            if words[0] not in december.OF_ARTICLES:
                words += ["--text", f"{words[0]} {{date}} {{time}}"]
            system.broadcast("campaigns", "add", *words, "--yes")
        self.player = Player(
            world=self.world,
            bot=bot,
            in_console=self.in_console,
            by_hand={"Members 2026-12-15": self.add_draft, "40125": self.put_secret_right},
        )

    def _prepare(self) -> None:
        accounts = self.folder / "accounts.toml"
        lines = accounts.read_text("utf-8")
        protected = f"[accounts.{SHOP.name}]\nsend_protection = true\n"
        accounts.write_text(lines.replace(f"[accounts.{SHOP.name}]\n", protected), "utf-8")
        self.simulator.change_account(SHOP.appid, send_protection=True)
        for account, tag, people in ((CLUB, 101, december.VIP), (NEWS, 7, december.REGION)):
            path = f"accounts/{account.appid}/tags/{tag}"
            self.simulator.admin("POST", path, lines=self.openids(account.appid, people))
        for name, people in december.LISTS.items():
            self.write(name, people)
        cover = self.folder / "cover.jpg"
        picture(cover)
        december.lay(self.folder, cover)

    def openids(self, appid: str, people: range) -> list[str]:
        """Return the OpenIDs of followers by their numbers."""
        return self.simulator.openids(len(people), start=people.start, appid=appid)

    def write(self, name: str, people: range) -> None:
        """Write a list of the club."""
        lines = "\n".join(self.openids(CLUB.appid, people))
        (self.folder / f"{name}.txt").write_text(f"{lines}\n", "ascii")

    # What a person does by hand

    def add_draft(self) -> None:
        """Save the draft of the members, once."""
        article = self.folder / "members.md"
        if article.exists():
            self.system.broadcast("draft", "add", article, "--account", CLUB.name)
            article.unlink()

    def put_secret_right(self) -> None:
        """Take the AppSecret of the settings into force again."""
        self.simulator.change_account(NEWS.appid, secret=NEWS.secret)

    def in_console(self, command: Sequence[str]) -> bool:
        """Return whether WeChat's console lists the run of a command as sent."""
        name, due = command[2], command[command.index("--due") + 1]
        sent = [job for job in self.simulator.jobs() if job["status"] == "SEND_SUCCESS"]
        return any(self.label(job) == f"{name} {due}" for job in sent)

    def label(self, job: dict[str, Any]) -> str:
        """Return whose run a job is, by what it says; of an article, by the account's only one."""
        content = self.simulator.job(job["msg_id"])["content"]
        if "text" in content:
            return str(content["text"]["content"])
        of = {CLUB.appid: "members 2026-12-15 12:00", NEWS.appid: "article 2026-12-18 18:00"}
        return of[job["appid"]]

    # The days

    def live(self, steps: Iterable[datetime]) -> None:
        """Go from moment to moment; what is planted at one is done in the place of it."""
        faults = planted(self)
        for moment in steps:
            faults.get(moment, self.world.put)(moment)
            self.player.play()


def planted(month: Month) -> dict[datetime, Callable[[datetime], None]]:
    """Return what goes wrong, by the moment at which it does."""
    world, simulator = month.world, month.simulator
    backups: list[str] = []

    def silent(moment: datetime) -> None:
        simulator.set_switches(administrator_answer="none")
        world.put(moment)
        month.player.play()
        world.put(moment + 31 * MINUTE)
        until(lambda: "held" in month.world.runs("everybody")[moment], 60, "WeChat's word")
        simulator.set_switches(administrator_answer="yes")

    def away(moment: datetime) -> None:
        simulator.fault("drop", when="before", appid=CLUB.appid, path=MASS_SEND, count=1000)
        world.put(moment)
        calls = len(simulator.mass_calls())
        until(lambda: len(simulator.mass_calls()) > calls, 60, "a call")
        # Nobody rests while it is tried again.
        world.put(moment + HOUR)
        until(lambda: world.runs("flash").get(moment + HOUR) == ["skipped"], 60, "the next run")
        simulator.clear_faults()

    def reset(moment: datetime) -> None:
        simulator.change_account(NEWS.appid, secret="somebody-has-reset-it")
        world.put(moment)

    def grow(moment: datetime) -> None:
        month.write("growth", december.GROWN)
        world.put(moment)

    def back_up(moment: datetime) -> None:
        world.put(moment)
        month.player.play()
        backups.append(world.backed_up())

    return {
        beijing("12-08 09:00"): partial(world.without_worker, for_=10 * MINUTE),
        beijing("12-11 20:00"): partial(world.without_worker, for_=10 * MINUTE),
        beijing("12-13 11:00"): grow,
        beijing("12-13 19:00"): silent,
        beijing("12-16 10:00"): partial(world.without_worker, for_=10 * MINUTE),
        beijing("12-17 14:00"): away,
        beijing("12-17 18:00"): reset,
        beijing("12-20 18:00"): back_up,
        beijing("12-22 08:00"): lambda due: world.restore(backups[0], moment=due + HOUR),
    }


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_a_month_that_only_a_chat_tells_of_reaches_each_follower_once_and_names_each_fault(
    begin: Begin,
) -> None:
    month = begin("12-01 09:00", names={one.name for one in EXPECTED})
    dues = [one.at for one in EXPECTED]

    month.live(sorted({due - ahead for due in dues for ahead in (DAY, HOUR, 0 * DAY)}))

    check(month, FAULTS)


@pytest.mark.prove
def test_a_week_of_it_with_a_missing_draft_and_a_dead_worker(begin: Begin) -> None:
    month = begin("12-11 18:00", names=("sale", "members"))
    month.expected = [one for one in month.expected if one.due <= "12-15 12:00"]

    month.live(map(beijing, ("12-11 20:00", "12-14 12:00", "12-15 12:00")))

    check(month, [one for one in FAULTS if one.what in {"a missing draft", "a dead worker: asked"}])


def check(month: Month, faults: Iterable[Fault]) -> None:
    """Hold that each run went as it was meant, and that each fault was named in time."""
    # WeChat delivers after it has answered the last call.
    with contextlib.suppress(AssertionError):
        until(lambda: not sent_twice_or_wrongly(month), 15, "the last deliveries")
    assert sent_twice_or_wrongly(month) == {}
    for name in {one.name for one in month.expected}:
        wanted = {one.at: [one.state] for one in month.expected if one.name == name}
        assert month.world.runs(name) == wanted, name
    assert unnamed(month.player, faults) == []
    assert false_alarms(month.player) == []
    for report in month.system.all_reports():
        month.system.broadcast("audit", report.id)


def sent_twice_or_wrongly(month: Month) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """Return the runs whose followers are not those that they were meant for, each once."""
    got: dict[str, Counter[str]] = {}
    for job in month.simulator.jobs():
        if job["status"] == "SEND_SUCCESS":
            got.setdefault(month.label(job), Counter()).update(recipients(month, job))
    wanted = {
        f"{one.name} {one.at:%Y-%m-%d %H:%M}": openids_of(month, one) for one in month.expected
    }
    return {
        run: (got.get(run, Counter()), wanted.get(run, Counter()))
        for run in {*got, *wanted}
        if got.get(run, Counter()) != wanted.get(run, Counter())
    }


def openids_of(month: Month, one: Expected) -> Counter[str]:
    """Return who is to have a run, each how often."""
    everybody = month.openids(one.account.appid, december.EVERYBODY)
    return Counter({everybody[number]: count for number, count in one.people.items()})


def recipients(month: Month, job: dict[str, Any]) -> Sequence[str]:
    """Return who got a job: those of its list, the tag's, or everybody; nobody beyond the cap."""
    if not job["eligible"]:
        return []
    body = month.simulator.job(job["msg_id"])["body"]
    assert job["eligible"] == job["size"], job
    if "touser" in body:
        return list(body["touser"])
    people = december.EVERYBODY if body["filter"]["is_to_all"] else december.REGION
    return month.openids(job["appid"], people)


def unnamed(player: Player, faults: Iterable[Fault]) -> list[str]:
    """Return the faults of which no notice spoke in time."""
    return [fault.what for fault in faults if not any(_names(one, fault) for one in player.heard)]


def _names(one: Heard, fault: Fault) -> bool:
    in_time = one.at < beijing(fault.before) if fault.before else True
    after = one.at >= beijing(fault.after) if fault.after else True
    return in_time and after and all(word in one.text for word in fault.words)


def false_alarms(player: Player) -> list[str]:
    """Return the rehearsals' notices of a day on which nothing was in the way of that run."""
    return [
        f"{one.at:%m-%d %H:%M} {one.text}"
        for one in player.heard
        if "--rehearse" in one.text
        and (december.HOLIDAY in one.text or not any(_foretells(one, fault) for fault in FAULTS))
    ]


def _foretells(one: Heard, fault: Fault) -> bool:
    """Return whether a notice has the words of a fault, on the day before a run in its way."""
    ahead = [beijing(run) - one.at for run in fault.runs]
    is_its_day = any(timedelta(0) < each <= DAY for each in ahead)
    return is_its_day and all(word in one.text for word in fault.words)
