"""What waited too long for its first call, and what only waited its turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broadcast.rules.gates.lateness import FirstCallLimit, is_late

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DUE = FirstCallLimit(due=AT, attended=(), unattended_s=0, unattended_at=None, late_by_s=15 * 60)


@pytest.mark.parametrize(("minutes", "late"), [(0, False), (15, False), (16, True), (600, True)])
def test_a_first_call_is_late_after_its_grace_and_not_before(minutes: int, late: bool) -> None:
    assert is_late(DUE, AT + minutes * MINUTE) == late


def test_a_turn_that_was_waited_for_is_no_delay() -> None:
    waited = replace(DUE, attended=(AT - HOUR, AT + 5 * HOUR, AT + HOUR))

    assert not is_late(waited, AT + 5 * HOUR + 15 * MINUTE)
    assert is_late(waited, AT + 5 * HOUR + 16 * MINUTE)


def test_what_was_lost_while_it_stood_in_line_adds_up() -> None:
    lost = replace(
        DUE, attended=(AT + 5 * HOUR,), unattended_s=10 * 60, unattended_at=AT + 4 * HOUR
    )

    assert not is_late(lost, AT + 5 * HOUR + 5 * MINUTE)
    assert is_late(lost, AT + 5 * HOUR + 6 * MINUTE)


def test_what_was_lost_before_it_was_due_anew_counts_no_more() -> None:
    resumed = replace(DUE, due=AT + 5 * HOUR, unattended_s=6 * 60 * 60, unattended_at=AT + 4 * HOUR)

    assert not is_late(resumed, AT + 5 * HOUR + 15 * MINUTE)
