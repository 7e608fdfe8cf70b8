"""December of three accounts: its campaigns, who is to get each run, and what is planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.acceptance.month.world import YEAR, beijing
from tests.kit.simulator import SimulatedAccount

CLUB, SHOP, NEWS = ACCOUNTS = (
    SimulatedAccount(name="club", appid="wx0000000000000001"),
    SimulatedAccount(name="shop", appid="wx0000000000000002"),
    SimulatedAccount(name="news", appid="wx0000000000000003", kind="subscription"),
)
FOLLOWERS = 300
#: Tags of the club and of the news, by the numbers of their followers.
VIP, REGION = range(60, 80), range(20)
#: Lists of the club.
LISTS = {
    "sale": range(40),
    "digest": range(40, 60),
    "members": range(80, 100),
    "growth": range(100, 220),
    "flash": range(220, 240),
}
#: What the list has become before its second run: more than half as much again.
GROWN = range(100, 290)

#: As they are typed, with the folder of lists and articles in the place of `DIR`.
CAMPAIGNS = f"""
sale --account club --openids DIR/sale.txt --cron '0 20 * * 5' --except {YEAR}-12-25
digest --account club --openids DIR/digest.txt --cron '0 9 * * *' --missed skip \
 --from {YEAR}-12-07 --until {YEAR}-12-11 --except {YEAR}-12-09..{YEAR}-12-10
vip --account club --followers --with-tag 101 --cron '0 10 * * 3' --missed late
members --account club --openids DIR/members.txt --draft 'Members {{date}}' \
 --at '{YEAR}-12-15 12:00'
growth --account club --openids DIR/growth.txt --cron '0 11 * * 1' \
 --from {YEAR}-12-07 --until {YEAR}-12-14
flash --account club --openids DIR/flash.txt --cron '0 14,15 17 12 *'
goodbye --account club --followers --exclude tag:101 --at '{YEAR}-12-31 18:00'
everybody --account shop --to-all --yes-to-all --cron '0 19 * * 0'
fifth --account shop --to-all --yes-to-all --at '{YEAR}-12-29 12:00'
daily --account news --to-all --yes-to-all --cron '0 8 * * *' \
 --from {YEAR}-12-21 --until {YEAR}-12-23
regions --account news --tag 7 --at '{YEAR}-12-23 18:00'
article --account news --tag 7 --article DIR/post.md --at '{YEAR}-12-18 18:00'
"""
#: They send no text.
OF_ARTICLES = ("members", "article")
EVERYBODY = range(FOLLOWERS)


@dataclass(frozen=True)
class Expected:
    """A due time: who is to have its message in the end, and how its run stands then."""

    name: str
    account: SimulatedAccount
    due: str
    people: Counter[int]
    state: str = "launched"

    @property
    def at(self) -> datetime:
        """The due time."""
        return beijing(self.due)


def _all(account: SimulatedAccount, name: str, people: range, *dues: str) -> Iterator[Expected]:
    for due in dues:
        yield Expected(name=name, account=account, due=due, people=Counter(people))


def _none(account: SimulatedAccount, name: str, due: str, state: str) -> Expected:
    return Expected(name=name, account=account, due=due, people=Counter(), state=state)


EXPECTED = [
    *_all(CLUB, "sale", LISTS["sale"], "12-04 20:00", "12-11 20:00", "12-18 20:00"),
    *_all(CLUB, "digest", LISTS["digest"], "12-07 09:00", "12-11 09:00"),
    *_all(CLUB, "vip", VIP, "12-02 10:00", "12-09 10:00", "12-16 10:00", "12-23 10:00"),
    *_all(CLUB, "members", LISTS["members"], "12-15 12:00"),
    *_all(CLUB, "growth", LISTS["growth"], "12-07 11:00"),
    *_all(CLUB, "growth", GROWN, "12-14 11:00"),
    *_all(CLUB, "flash", LISTS["flash"], "12-17 14:00"),
    Expected("goodbye", CLUB, "12-31 18:00", Counter(set(EVERYBODY) - set(VIP))),
    *_all(SHOP, "everybody", EVERYBODY, "12-06 19:00", "12-13 19:00", "12-27 19:00"),
    *_all(NEWS, "daily", EVERYBODY, "12-22 08:00", "12-23 08:00"),
    *_all(NEWS, "article", REGION, "12-18 18:00"),
    # Sent before the restore, which does not know them any more: nobody lets them go again.
    Expected("everybody", SHOP, "12-20 19:00", Counter(EVERYBODY), state="held"),
    Expected("daily", NEWS, "12-21 08:00", Counter(EVERYBODY), state="held"),
    _none(CLUB, "digest", "12-08 09:00", "skipped"),
    _none(CLUB, "flash", "12-17 15:00", "skipped"),
    # WeChat refuses the two to its own lists, and delivers the fifth message to nobody.
    _none(CLUB, "vip", "12-30 10:00", "launched"),
    _none(SHOP, "fifth", "12-29 12:00", "launched"),
    _none(NEWS, "regions", "12-23 18:00", "launched"),
]


@dataclass(frozen=True)
class Fault:
    """What was planted, and the words by which a notice has to name it, in any language."""

    what: str
    words: tuple[str, ...]
    #: The run that it is in the way of: it is named before that is due.
    before: str | None = None
    #: It is named afterwards.
    after: str | None = None
    #: Later runs that it is in the way of as well, until somebody does what is asked for.
    again: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that it is in the way of."""
        return (*filter(None, [self.before]), *self.again)


FAULTS = (
    Fault(
        "an administrator to be asked",
        ("everybody", "19:30"),
        before="12-06 19:00",
        again=("12-13 19:00", "12-20 19:00", "12-27 19:00"),
    ),
    Fault("a missing draft", ("members", "Members 2026-12-15", "--rehearse"), before="12-15 12:00"),
    Fault("an AppSecret that was reset", ("article", "40125"), before="12-18 18:00"),
    # It is a week old before each of the next runs, too.
    Fault(
        "an old list of followers",
        ("vip", "followers sync"),
        before="12-09 10:00",
        again=("12-16 10:00", "12-23 10:00", "12-30 10:00"),
    ),
    Fault("a list that grew", ("growth", "190", "120", "--rehearse"), before="12-14 11:00"),
    Fault("a second send of a day to come", ("regions", "12-23 daily"), before="12-23 18:00"),
    Fault("a second send of the day", ("regions", "45028"), before="12-23 18:00"),
    Fault("a fifth send to everybody", ("fifth", "--rehearse"), before="12-29 12:00"),
    Fault("a fifth message to a tag", ("vip", "12-23 vip"), before="12-30 10:00"),
    Fault("a dead worker: skipped", ("digest", "2026-12-08 09:00"), after="12-08 09:00"),
    Fault("a dead worker: asked", ("sale", "--due '2026-12-11 20:00'"), after="12-11 20:00"),
    Fault("a silent administrator", ("everybody", "--due '2026-12-13 19:00'"), after="12-13 19:30"),
    Fault("WeChat out of reach", ("flash", "2026-12-17 15:00"), after="12-17 15:00"),
    Fault("a restored copy", ("broadcast restored",), after="12-22 08:00"),
    Fault("a run after the copy", ("daily", "--due '2026-12-22 08:00'"), after="12-22 08:00"),
)
#: No notice speaks of the run that the holiday took out.
HOLIDAY = "2026-12-25"


def lay(folder: Path, picture: Path) -> None:
    """Write the articles."""
    for name, title in (("members", f"Members {YEAR}-12-15"), ("post", "Post")):
        words = f"---\ntitle: {title}\ncover: {picture.name}\n---\nHello.\n"
        (folder / f"{name}.md").write_text(words, "utf-8")
