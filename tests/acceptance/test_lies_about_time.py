"""WeChat's day is not ours to the second, and its memory of a clientmsgid has an end.

The clock of the ledger and WeChat's are put where a story needs them; waits have their true length.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from broadcast import day
from broadcast.rules.accounts import from_file as accounts_of
from broadcast.rules.calls.waits import NEAR_TURN
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.reports import Report
from broadcast.rules.states import Reason
from models.ledger.steer import operator
from tests.acceptance.liar import FOREVER, SIZE, Liar, Victim, installed
from tests.kit import direct
from tests.kit.clock import Clock
from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A day in the future, at ten in the morning.
FIRST_MORNING = datetime(2030, 5, 1, 10, tzinfo=day.SHANGHAI)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """An installation with its clock; each story has days of its own."""

    liar: Liar
    clock: Clock
    mornings: Iterator[datetime]

    def put(self, moment: datetime, *, wechat: datetime | None = None) -> None:
        """Let it be *moment* here, and at WeChat too if nothing else is said."""
        self.clock.put(self.liar.system, moment, wechat=wechat)


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calendar]:
    """One worker and one beat for all stories."""
    folder = tmp_path_factory.mktemp("time")
    clock = Clock(folder)
    with installed(folder, accounts=8, **clock.settings) as liar:
        # A token's end is another story, and each leap in time would be one.
        liar.system.simulator.set_switches(token_lifetime_s=(100 * DAY).total_seconds())
        clock.follow(liar.system)
        mornings = (FIRST_MORNING + n * 4 * DAY for n in itertools.count())
        made = Calendar(liar, clock, mornings)
        made.put(FIRST_MORNING - DAY)
        liar.system.worker()
        liar.system.beat()
        yield made


@pytest.fixture
def morning(calendar: Calendar) -> datetime:
    """Ten o'clock of a day that no story has seen, which it is now."""
    now = next(calendar.mornings)
    calendar.put(now)
    return now


@pytest.fixture
def victim(calendar: Calendar) -> Victim:
    """An account that nobody lied to yet."""
    return calendar.liar.victim()


def use_up_the_day(victim: Victim, *, daily_limit: int = 5) -> None:
    """Let this account have made all its calls of WeChat's day."""
    used = {"daily_limit": daily_limit, "used": daily_limit}
    victim.system.simulator.change_account(victim.account.appid, **used)


def test_45009_three_seconds_after_the_turn_is_asked_again_in_minutes_and_not_in_a_day(
    calendar: Calendar, morning: datetime, victim: Victim
) -> None:
    turn = day.turn(morning)
    calendar.put(turn + 3 * SECOND, wechat=turn - MINUTE)
    victim.system.simulator.fault(
        "errcode",
        when="before",
        errcode=45009,
        count=1,
        appid=victim.account.appid,
        path=MASS_SEND,
    )

    victim.send()

    until(lambda: victim.replies() == [45009], 20, "the refusal")
    until(lambda: victim.report().lane.not_before, 20, "the wait")
    report = victim.report()
    assert report.lane.not_before is not None
    assert report.lane.wait_reason is Reason.QUOTA_TODAY
    assert MINUTE < report.lane.not_before - turn < NEAR_TURN
    assert report.batches["refused"] == 0

    # By now WeChat's day has turned as well.
    calendar.put(turn + 3 * MINUTE)
    victim.ends("completed", accepted=SIZE)
    assert victim.replies() == [45009, 0]
    victim.got_it()


def test_a_broadcast_planned_at_the_turn_does_not_stand_still_for_the_calls_of_yesterday(
    calendar: Calendar, morning: datetime, victim: Victim
) -> None:
    turn, too_large = day.turn(morning), calendar.liar.victim()
    calendar.put(turn + 3 * SECOND, wechat=turn - MINUTE)
    use_up_the_day(victim)
    use_up_the_day(too_large, daily_limit=1)

    submit_unproved(victim, key="midnight", batches=1)
    submit_unproved(too_large, key="too large for any day", batches=2)

    until(lambda: victim.report().lane.not_before, 20, "the wait")
    report = victim.report()
    assert (report.state, report.lane.wait_reason) == ("planning", Reason.QUOTA_TODAY)
    assert "00:02" in victim.shown()
    held = too_large.ends("held", waiting=2 * SIZE)
    assert reason_of(held) is Reason.PLAN_DOES_NOT_FIT
    calendar.put(turn + 3 * MINUTE)
    victim.ends("completed", accepted=SIZE)
    assert victim.replies() == [0]
    victim.got_it()


def test_a_day_that_is_used_up_holds_the_plan_when_the_turn_is_over(
    calendar: Calendar, morning: datetime, victim: Victim
) -> None:
    turn = day.turn(morning)
    calendar.put(turn + 3 * SECOND)
    use_up_the_day(victim)

    submit_unproved(victim, key="night", batches=1)

    until(lambda: victim.report().lane.not_before, 20, "the wait")
    calendar.put(turn + NEAR_TURN + MINUTE)
    assert reason_of(victim.ends("held", waiting=SIZE)) is Reason.PLAN_DOES_NOT_FIT
    assert victim.calls() == []


def reason_of(held: Report) -> Reason | None:
    """Return why a broadcast is held."""
    gate = held.gate(GateKind.HOLD)
    return None if gate is None else gate.reason


def submit_unproved(victim: Victim, *, key: str, batches: int) -> None:
    """Store a broadcast as one for midnight: proved in its time, and planned when that comes."""
    known = accounts_of(victim.system.folder / "accounts.toml")[victim.account.name]
    victim.openids = victim.system.simulator.openids(SIZE * batches, appid=victim.account.appid)
    victim.id = direct.submit(victim.system.engine, known, victim.openids, key=key, batch_size=SIZE)


def test_a_batch_that_was_taken_and_meets_45009_ever_since_is_held_before_its_key_is_forgotten(
    calendar: Calendar, morning: datetime, victim: Victim
) -> None:
    victim.fault("drop")
    victim.refuse(45009, skip=1, count=FOREVER)

    victim.send()

    turn = day.turn(morning)
    until(lambda: victim.report().lane.not_before == turn, 20, "the wait for the turn")
    assert victim.replies() == [0, 45009]
    calendar.put(turn + SECOND)
    until(lambda: len(victim.calls()) == 3, 20, "the repeat after the turn")
    until(lambda: victim.report().lane.not_before not in {None, turn}, 20, "its reply to be stored")
    # The next turn but one comes after WeChat has forgotten the key.
    calendar.put(turn + HOUR)
    report = victim.ends("held", in_doubt=SIZE)
    assert report.batch_list[0].reason is Reason.WINDOW_CLOSED
    assert victim.replies() == [0, *[45009] * 3]
    assert len(victim.keys()) == 1
    victim.got_it()


@pytest.mark.prove
def test_a_batch_that_was_taken_and_could_not_be_asked_about_for_23_hours_is_held_in_doubt(
    calendar: Calendar, morning: datetime, victim: Victim
) -> None:
    victim.fault("drop")
    victim.refuse(45066, skip=1)
    victim.send()
    until(lambda: victim.replies() == [0, 45066], 20, "the repeat")
    operator.pause(victim.system.engine, victim.id, who="tests")

    calendar.put(morning + 23 * HOUR - MINUTE)
    calendar.liar.see_a_sweep()
    assert victim.report().recipients["in_doubt"] == 0
    # The call was made some seconds after the morning began.
    calendar.put(morning + 23 * HOUR + MINUTE)

    report = victim.ends("held", in_doubt=SIZE)
    assert report.batch_list[0].reason is Reason.WINDOW_CLOSED
    shown = victim.shown()
    assert "23 hours" in shown
    assert f"{morning:%Y-%m-%d %H:%M}" in shown
    assert f"    broadcast resolve {victim.id} --batch 1 --sent\n" in shown
    # WeChat's own 24 hours are over, and now a repeat would be a second send.
    calendar.put(morning + 25 * HOUR)
    calendar.liar.see_a_sweep()
    assert victim.replies() == [0, 45066]
    victim.got_it()
