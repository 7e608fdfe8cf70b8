"""A resume, an unhalt: the lane is woken at once, by no sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import sets_of
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System


def stopped_by(system: System, *words: str) -> int:
    """Stop what is under way; return how many calls were made when its lane had come to rest."""
    system.broadcast(*words)

    def calls() -> int:
        return sum(call["end"] is not None for call in system.simulator.mass_calls())

    until(lambda: not driven(system), 20, "the end of the slice")
    return calls()


def driven(system: System) -> bool:
    """Whether somebody has the lease of the only lane."""
    with system.engine.connect() as connection:
        owner: str | None = connection.exec_driver_sql("SELECT owner FROM bc_lanes").scalar()
    return owner is not None


@pytest.mark.parametrize(
    ("stop", "go"), [(["pause", "ID"], ["resume", "ID"]), (["halt"], ["unhalt"])]
)
def test_what_goes_on_by_a_word_goes_on_without_a_sweep(
    start_system: StartSystem, stop: list[str], go: list[str]
) -> None:
    system = start_system(followers=40, latency_ms=100, BROADCAST_BATCH_SIZE="2")
    system.worker()  # and no beat: nobody sweeps
    sent = system.send(system.simulator.openids(40))["id"]
    system.simulator.wait_for_jobs(2)
    made = stopped_by(system, *(word.replace("ID", sent) for word in stop))
    assert made < 20

    system.broadcast(*(word.replace("ID", sent) for word in go))

    assert sets_of(system.until_state(sent, "completed")) == {"accepted": 40}
    assert system.simulator.ledger()["delivered_max"] == 1
