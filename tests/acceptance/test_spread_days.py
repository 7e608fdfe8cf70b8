"""A broadcast over several days: as many batches as the day has calls, the rest when it turned."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from broadcast import day
from broadcast.rules.states import Reason
from models.ledger.views import broadcast_reports
from tests.acceptance.conftest import sets_of
from tests.kit.clock import Clock
from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

SIZE = 2
#: The second day is the last of its month.
FIRST_EVENING = datetime(2026, 2, 27, 22, tzinfo=day.SHANGHAI)
FIRST_TURN, SECOND_TURN = day.turn(FIRST_EVENING), day.turn(FIRST_EVENING) + timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Story:
    """A broadcast of *batches* on *quota* calls a day, and how many go out on each day."""

    batches: int
    quota: int
    days: tuple[int, int, int]

    def until(self, days: int) -> int:
        """How many have gone out after so many days."""
        return sum(self.days[:days])


STEADY = Story(250, 100, (100, 100, 50))
#: WeChat cuts the quota down to 6 over night.
SHRINKING = Story(20, 10, (10, 6, 4))
#: Another program makes 4 calls of the second day.
SHARED = Story(20, 10, (10, 6, 4))
#: The reply to the last call of the first day is lost, and its repeat takes a call of the second.
LOST = Story(25, 10, (10, 9, 6))
STORIES = (STEADY, SHRINKING, SHARED, LOST)


@pytest.mark.prove
def test_nothing_is_lost_where_days_and_the_month_turn_and_the_quota_shrinks(
    start_system: StartSystem, tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    settings: dict[str, Any] = {"BROADCAST_BATCH_SIZE": str(SIZE), **clock.settings}
    system = start_system(followers=SIZE * STEADY.batches, accounts=len(STORIES), **settings)
    clock.follow(system)
    clock.put(system, FIRST_EVENING)
    _, shrinking, shared, lost = (account.appid for account in system.simulator.accounts)
    system.simulator.fault("drop", path=MASS_SEND, appid=lost, skip=LOST.quota - 1)
    system.worker()
    system.beat()

    sent = [send(system, n) for n in range(len(STORIES))]

    see_that_all_wait(system, sent, until_then=FIRST_TURN, days=1)
    system.simulator.change_account(shrinking, daily_limit=6)
    # WeChat's day turns first, so that the other program is there before us.
    clock.put(system, FIRST_TURN - SECOND, wechat=FIRST_TURN)
    system.simulator.change_account(shared, used=4)
    see_what_went_out(system, days=2)
    # So near to the turn the lanes ask again in minutes; by noon they know.
    clock.put(system, FIRST_TURN + timedelta(hours=12))
    see_that_all_wait(system, sent, until_then=SECOND_TURN, days=2)
    clock.put(system, SECOND_TURN - SECOND)

    for broadcast_id, story in zip(sent, STORIES, strict=True):
        report = system.until_state(broadcast_id, "completed", timeout_s=40)
        assert sets_of(report) == {"accepted": SIZE * story.batches}
    for account, story in zip(system.simulator.accounts, STORIES, strict=True):
        assert jobs_by_day(system, account.appid) == dict(zip(DAYS, story.days, strict=True))
        everybody = system.simulator.openids(SIZE * story.batches, appid=account.appid)
        assert system.simulator.delivered(everybody, appid=account.appid) == dict.fromkeys(
            everybody, 1
        )


DAYS = ("2026-02-27", "2026-02-28", "2026-03-01")


def send(system: System, n: int) -> str:
    """Send the story number *n* by its account; return the broadcast's id."""
    account, story = system.simulator.accounts[n], STORIES[n]
    system.simulator.change_account(account.appid, daily_limit=story.quota)
    openids = system.simulator.openids(SIZE * story.batches, appid=account.appid)
    told = system.send(openids, "--account", account.name, "--spread-days")
    return str(told["id"])


def see_that_all_wait(system: System, sent: list[str], *, until_then: datetime, days: int) -> None:
    """Every one waits for the turn, exactly, and the command says so."""
    for broadcast_id, story in zip(sent, STORIES, strict=True):
        until(
            partial(waits_for, system, broadcast_id, until_then),
            40,
            "the wait for the turn of the day",
        )
        report = system.report(broadcast_id)
        if story is not LOST:
            assert report.batches["accepted"] == story.until(days)
        assert report.batches["waiting"] > 0
    assert "00:00" in system.broadcast("status", sent[0]).stdout
    see_what_went_out(system, days=days)


def waits_for(system: System, broadcast_id: str, moment: datetime) -> bool:
    """It waits for exactly this moment: its share is sent, or WeChat has no more calls today."""
    report = system.report(broadcast_id)
    waits = [(gate.reason, gate.until) for gate in report.gates]
    waits.append((report.lane.wait_reason, report.lane.not_before))
    return bool({(Reason.SPREAD_OVER_DAYS, moment), (Reason.QUOTA_TODAY, moment)} & {*waits})


def see_what_went_out(system: System, *, days: int) -> None:
    """After so many days WeChat has taken this much of each story, and no more."""
    wanted = [story.until(days) for story in STORIES]
    appids = [account.appid for account in system.simulator.accounts]

    def taken() -> list[int]:
        return [len(system.simulator.jobs(appid=appid)) for appid in appids]

    until(lambda: taken() == wanted, 40, f"jobs of {wanted}")


def jobs_by_day(system: System, appid: str) -> dict[str, int]:
    """How many jobs WeChat accepted on each of its days."""
    moments = [
        datetime.fromtimestamp(job["accepted_at"], UTC).astimezone(day.SHANGHAI)
        for job in system.simulator.jobs(appid=appid)
    ]
    return dict(Counter(f"{moment:%Y-%m-%d}" for moment in moments))


def test_without_the_word_nothing_of_what_exceeds_the_day_is_stored(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=14, BROADCAST_BATCH_SIZE=str(SIZE))
    system.simulator.change_account(daily_limit=3)
    file = system.folder / "list.txt"
    file.write_text("\n".join(system.simulator.openids(14)), encoding="ascii")
    system.broadcast("token", "refresh")

    done = system.broadcast("send", "--openids", file, "--text", "a", status=None)

    assert done.returncode == 2
    assert "--spread-days" in done.stderr
    assert broadcast_reports.reports(system.engine) == []
