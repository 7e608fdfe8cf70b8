"""What a question says of a broadcast: when it is sent, to how many, and how long it takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from broadcast.message import Message
from broadcast.rules.accounts import ALLOWANCES, AccountKind
from broadcast.rules.plan.audience import Everyone
from broadcast.rules.plan.proof import Quota, prove
from broadcast.views.texts import Texts
from entrypoints.cli import confirmation
from producer.submit.checks import SendallCount
from producer.submit.order import Order
from producer.submit.prepare import Prepared

NOON = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 30, 19, 30, tzinfo=UTC)  # 03:30 in Beijing


def asked(
    *, free: int = 100, at: datetime | None = None, kept_back_s: int = 0, now: datetime = NOON
) -> str:
    """Return the English question of three batches, where so many calls are free."""
    sizes = (10_000, 10_000, 1)
    quota = Quota(daily_limit=100, used=100 - free, remain=free)
    prepared = SimpleNamespace(
        now=now,
        estimate=None,
        known=None,
        sizes=sizes,
        terms=SimpleNamespace(cooling_off=timedelta(seconds=kept_back_s)),
        figures=SimpleNamespace(planned=sum(sizes)),
        wanted=SimpleNamespace(audience=None),
        proof=prove(calls=len(sizes), quota=quota, reserved=0, spread=True),
    )
    order = SimpleNamespace(account=SimpleNamespace(name="default"), scheduled_at=at)
    made = confirmation.question(
        cast("Order", order), cast("Prepared", prepared), source="list.txt"
    )
    return Texts("en")(made)


@pytest.mark.parametrize(
    ("free", "said"),
    [
        (3, "20,001 followers (list.txt) of account default, now?"),
        (2, "now to 20,000 of them, and to 1 from Tue 2026-12-01 00:00"),
        (1, "now to 10,000 of them, and to 10,001 from Tue 2026-12-01 00:00"),
        (0, "from Tue 2026-12-01 00:00 Beijing time (in 12 h) on, as no call is left"),
    ],
)
def test_a_send_over_several_days_says_who_gets_it_today(free: int, said: str) -> None:
    assert said in asked(free=free)


def test_until_when_it_can_be_called_off_is_said() -> None:
    within = "Within 60 s `broadcast cancel` stops it"
    assert "It cannot be recalled." in asked()
    assert within in asked(kept_back_s=60)
    assert within in asked(kept_back_s=60, at=NOON + timedelta(seconds=59))
    assert "Until then `broadcast cancel` stops it" in asked(
        kept_back_s=60, at=NOON + timedelta(seconds=60)
    )


def test_a_time_at_night_is_named() -> None:
    assert "at night, on Tue 2026-12-01 03:30" in asked(at=MIDNIGHT)
    assert "night" not in asked(at=NOON.replace(hour=10))
    assert "now, at night (03:30 Beijing time)?" in asked(now=MIDNIGHT)
    assert "now, at night (03:30 Beijing time) to 10,000 of them" in asked(now=MIDNIGHT, free=1)
    assert "night" not in asked(now=MIDNIGHT, at=NOON + timedelta(days=1))


def to_all(
    *,
    sent: int,
    followers: int,
    kind: AccountKind = AccountKind.SERVICE,
    protected: bool = False,
    at: datetime | None = None,
    beside: Message | None = None,
    opens: str | None = None,
) -> str:
    """Return the English question of a send to everybody."""
    count = SendallCount(sent=sent, to_come=1, in_doubt=0, allowance=ALLOWANCES[kind], at=NOON)
    prepared = SimpleNamespace(
        now=NOON,
        estimate=None,
        known=None,
        sizes=(),
        proof=None,
        sendalls=count,
        terms=SimpleNamespace(cooling_off=timedelta()),
        wanted=SimpleNamespace(audience=Everyone()),
    )
    account = SimpleNamespace(name="default", send_protection=protected)
    order = SimpleNamespace(account=account, scheduled_at=at)
    made = confirmation.question(
        cast("Order", order),
        cast("Prepared", prepared),
        source="",
        everybody=Message("send.everyone_known", n=followers) if followers else None,
        beside=beside,
        opens=opens,
    )
    return Texts("en")(made)


def test_a_send_to_everybody_says_to_how_many_and_which_of_the_month_s_it_is() -> None:
    shown = to_all(sent=1, followers=1_234_567)

    assert "to EVERY follower (1,234,567 in our list) of account default, now?" in shown
    assert "It is message 3 of the 4 to everybody that WeChat allows in 2026-11" in shown
    assert "EVERY follower (how many is not known: " in to_all(sent=1, followers=0)
    # A notice says that WeChat will refuse it.
    assert "It is message" not in to_all(sent=3, followers=0)
    assert "It is message" not in to_all(sent=0, followers=0, kind=AccountKind.SUBSCRIPTION)


@pytest.mark.parametrize("opens", [None, "broadcast unhalt"])
def test_that_wechat_refuses_the_second_of_a_day_to_everybody_stands_in_the_question(
    opens: str | None,
) -> None:
    beside = Message("launches.to_all_before", name="20261130-a", at=NOON, most=1)

    shown = to_all(sent=1, followers=9, beside=beside, opens=opens)

    assert "20261130-a" in shown
    assert "WeChat allows 1 a day and will refuse this one." in shown
    assert "It is message" not in shown


def test_a_send_to_everybody_says_until_when_the_administrator_is_waited_for() -> None:
    now = to_all(sent=1, followers=9, protected=True)
    later = to_all(sent=1, followers=9, protected=True, at=NOON + timedelta(hours=8))

    assert "waits for them until Mon 2026-11-30 12:30" in now
    assert "waits for them until Mon 2026-11-30 20:30" in later
    assert "administrator" not in to_all(sent=1, followers=9)


@pytest.mark.parametrize(
    ("calls", "per_minute", "said"),
    [
        (60, 60, "less than a minute"),
        (61, 60, "about 1 min"),
        (1_000, 60, "about 16 min"),
        # Nobody knows how long calls without a pace take.
        (1_000, 0, "left on the day of sending"),
    ],
)
def test_beside_the_calls_stands_how_long_they_take(calls: int, per_minute: int, said: str) -> None:
    proof = prove(
        calls=calls, quota=Quota(daily_limit=2_000, used=0, remain=2_000), reserved=0, spread=False
    )

    assert Texts("en")(confirmation._calls(proof, per_minute)).endswith(said)
