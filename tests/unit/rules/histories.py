"""Histories of one batch, by hand and by hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from broadcast.rules.calls.attempts import Attempt
from broadcast.rules.calls.outcomes import MAPS, Endpoint, Outcome

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # noon in Shanghai, far from the turn of the day
OF_MASS_SEND = MAPS[Endpoint.MASS_SEND]
CODES = {
    outcome: sorted(code for code, means in OF_MASS_SEND.items() if means.outcome is outcome)
    for outcome in Outcome
} | {Outcome.UNLISTED: [99999]}
#: What may be recorded, and None: claimed, and nothing was recorded.
RECORDED = (None, *Outcome)
ATTEMPT_EVERY = timedelta(minutes=1)


def attempt(number: int, outcome: Outcome | None, **facts: Any) -> Attempt:
    """One call a minute; a taken one has msg_id 7 unless said otherwise."""
    started = START + ATTEMPT_EVERY * (number - 1)
    taken = outcome in {Outcome.ACCEPTED, Outcome.ALREADY_ACCEPTED}
    known = {"msg_id": 7} if taken else {}
    heard = {} if outcome is None else {"outcome_recorded_at": started + timedelta(seconds=1)}
    values = {"started_at": started, **heard, **known, **facts}
    return Attempt(number=number, outcome=outcome, **values)


def history(*outcomes: Outcome | None) -> list[Attempt]:
    """A history with these outcomes, oldest first, each with a code that means it."""
    return [
        attempt(number, outcome, errcode=CODES[outcome][0] if outcome and CODES[outcome] else None)
        for number, outcome in enumerate(outcomes, 1)
    ]


@st.composite
def histories(draw: st.DrawFn) -> list[Attempt]:
    """Any history: any outcomes, any of their codes, any gaps, at most three different msg_ids."""
    outcomes = draw(st.lists(st.sampled_from(RECORDED), min_size=1, max_size=8))
    started, made = START, []
    for number, outcome in enumerate(outcomes, 1):
        facts: dict[str, Any] = {"started_at": started}
        if outcome is not None:
            facts["outcome_recorded_at"] = started + timedelta(seconds=draw(st.integers(0, 60)))
            facts["errcode"] = draw(st.sampled_from([*CODES[outcome], None]))
        if outcome is Outcome.ACCEPTED:
            facts["msg_id"] = draw(st.sampled_from([7, 7, 7, 8]))
        if outcome is Outcome.ALREADY_ACCEPTED:
            facts["msg_id"] = draw(st.sampled_from([7, 7, 8, None]))
            facts["confirmed"] = draw(st.sampled_from([None, True, False]))
            facts["owned_elsewhere"] = draw(st.sampled_from([False, False, False, True]))
        made.append(attempt(number, outcome, **facts))
        started += timedelta(minutes=draw(st.sampled_from([1, 5, 60, 600])))
    return made
