"""What waited too long for its first call, and what only waited its turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from broadcast.gates.late import First, is_late

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DUE = First(
    scheduled_at=AT, published_at=AT - timedelta(days=1), lane_busy_until=None, waited_until=None,
    late_by_s=15 * 60,
)  # fmt: skip


@pytest.mark.parametrize(("minutes", "late"), [(0, False), (15, False), (16, True), (600, True)])
def test_a_first_call_is_late_after_its_grace_and_not_before(minutes: int, late: bool) -> None:
    assert is_late(DUE, AT + minutes * MINUTE) == late


def test_what_has_no_time_of_its_own_is_due_when_it_was_published() -> None:
    unscheduled = replace(DUE, scheduled_at=None, published_at=AT)

    assert not is_late(unscheduled, AT + 15 * MINUTE)
    assert is_late(unscheduled, AT + 16 * MINUTE)


def test_what_was_published_after_its_time_is_due_from_then_on() -> None:
    published = replace(DUE, published_at=AT + timedelta(hours=1))

    assert not is_late(published, AT + timedelta(hours=1, minutes=15))


@pytest.mark.parametrize("excuse", ["lane_busy_until", "waited_until"])
def test_a_turn_that_was_waited_for_is_no_delay(excuse: str) -> None:
    waited = replace(DUE, **cast(Any, {excuse: AT + timedelta(hours=5)}))

    assert not is_late(waited, AT + timedelta(hours=5, minutes=15))
    assert is_late(waited, AT + timedelta(hours=5, minutes=16))


def test_a_gate_that_somebody_opened_begins_the_count_anew() -> None:
    opened = AT + timedelta(hours=5)

    assert not is_late(DUE, opened + 15 * MINUTE, opened_at=opened)
    assert is_late(DUE, opened + 16 * MINUTE, opened_at=opened)


def test_what_is_due_at_no_moment_is_never_late() -> None:
    nothing = First(
        scheduled_at=None, published_at=None, lane_busy_until=None, waited_until=None, late_by_s=0
    )
    assert not is_late(nothing, AT)
