"""When a broadcast is sent, as its question says it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from broadcast.rules.plan.proof import Quota, prove
from broadcast.views.texts import Texts
from entrypoints.cli import confirmation
from producer.submit.order import Order
from producer.submit.prepare import Prepared

NOON = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 30, 19, 30, tzinfo=UTC)  # 03:30 in Beijing


def asked(*, free: int = 100, at: datetime | None = None) -> str:
    """Return the English question of three batches, where so many calls are free."""
    sizes = (10_000, 10_000, 1)
    quota = Quota(daily_limit=100, used=100 - free, remain=free)
    prepared = SimpleNamespace(
        now=NOON, estimate=None, known=None, sizes=sizes,
        figures=SimpleNamespace(planned=sum(sizes)), wanted=SimpleNamespace(audience=None),
        proof=prove(calls=len(sizes), quota=quota, reserved=0, spread=True),
    )  # fmt: skip
    order = SimpleNamespace(account=SimpleNamespace(name="default"), scheduled_at=at)
    made = confirmation.question(
        cast("Order", order), cast("Prepared", prepared), source="list.txt", blocked=False
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


def test_a_time_at_night_is_named() -> None:
    assert "at night, on Tue 2026-12-01 03:30" in asked(at=MIDNIGHT)
    assert "night" not in asked(at=NOON.replace(hour=10))
