"""Since when nobody has done what a worker does at once."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from broadcast.rules.gates import lateness
from broadcast.rules.gates.lateness import SignsOfLife

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
NOTHING = SignsOfLife()


def test_a_lane_for_which_nothing_waits_is_never_silent() -> None:
    assert lateness.of_lane([], AT, NOTHING) is None


def test_it_is_silent_since_the_first_batch_was_due_and_its_broadcast_moved() -> None:
    assert lateness.of_lane([LATER, AT], AT, NOTHING) == AT
    assert lateness.of_lane([LATER], AT, NOTHING) == LATER
    assert lateness.of_lane([AT], LATER, NOTHING) == LATER


@pytest.mark.parametrize("sign", [field.name for field in fields(SignsOfLife)])
def test_each_sign_explains_the_silence_before_it(sign: str) -> None:
    assert lateness.of_lane([AT], AT, replace(NOTHING, **{sign: LATER})) == LATER


@pytest.mark.parametrize(
    ("sign", "since"),
    [
        ("waits_until", LATER),
        ("due_changed_at", LATER),
        ("leased_until", AT),
        ("called_at", AT),
        ("doubt_until", AT),
    ],
)
def test_a_plan_needs_no_lane_so_a_driver_of_it_is_no_sign_for_the_plan(
    sign: str, since: datetime
) -> None:
    assert lateness.of_plan(AT, replace(NOTHING, **{sign: LATER})) == since
