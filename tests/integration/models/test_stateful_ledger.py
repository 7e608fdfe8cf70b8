"""The ledger against a small model of the promise, through random histories of everything.

Twice: with a WeChat that does what it says, where followers are counted, and with one that says
anything, where only what the ledger made of it can be held against the promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine

from broadcast.call.outcomes import Outcome
from broadcast.call.result import CallResult
from broadcast.errors import InputError
from broadcast.states import BatchState
from models.engine import open_engine
from models.ledger import resolves
from models.ledger.audit.findings import Check
from tests.integration.models.ledger_machine import (
    MEANWHILE,
    WHO,
    LedgerMachine,
    lies,
    one_of,
    picks,
)
from tests.integration.models.ledger_world import InFlight, deny
from tests.integration.models.mass_send_twin import REFUSALS, Reply
from tests.integration.models.still_clock import StillClock
from tests.kit.ledger import LOST, said

ANSWERS = st.sampled_from([*Reply, *REFUSALS])


class Honest(LedgerMachine):
    """WeChat does what it says, and people say what they saw; nothing is ever told twice."""

    def a_call(self, pick: int, what: Reply | int, told: bool, meanwhile: str | None) -> None:
        # Between the look and the claim, or between the claim and the answer.
        before, after = (meanwhile, None) if pick % 2 else (None, meanwhile)
        flight = self.call_begins(pick, before)
        if flight is not None:
            self.somebody_says(pick, after)
            flight.reply = self._answered(flight, what)
            if told:
                self._tell(flight, flight.reply)

    # A history is mostly calls.
    call = rule(pick=picks, what=ANSWERS, told=st.booleans(), meanwhile=MEANWHILE)(a_call)
    another_call = rule(pick=picks, what=ANSWERS, told=st.booleans(), meanwhile=MEANWHILE)(a_call)

    @precondition(lambda self: self.world.in_the_air())
    @rule(pick=picks, what=ANSWERS, told=st.booleans())
    def call_reaches_wechat(self, pick: int, what: Reply | int, told: bool) -> None:
        flight = one_of(self.world.in_the_air(), pick)
        flight.reply = self._answered(flight, what)
        if told:
            self._tell(flight, flight.reply)

    def _answered(self, flight: InFlight, what: Reply | int) -> CallResult:
        if not isinstance(what, Reply):
            return said(what)
        batch = flight.batch
        return self.world.wechat.call(
            batch.key, batch.broadcast_id, self.world.openids(batch), now=self.world.now,
            reply=what,
        )  # fmt: skip

    @precondition(lambda self: self.world.untold())
    @rule(pick=picks, lost=st.booleans())
    def driver_records(self, pick: int, lost: bool) -> None:
        """Record what came back, now or long after; what was lost may yet arrive."""
        flight = one_of(self.world.untold(), pick)
        self._tell(flight, LOST if lost else flight.reply or LOST)

    @precondition(lambda self: self.world.standing(BatchState.IN_DOUBT))
    @rule(pick=picks)
    def person_looks_into_the_console(self, pick: int) -> None:
        """Say what is there, once nothing is on its way any more."""
        batch = one_of(self.world.standing(BatchState.IN_DOUBT), pick)
        if any(flight.batch is batch for flight in self.world.in_the_air()):
            return
        jobs = self.world.wechat.jobs.get(batch.key)
        msg_id = jobs[-1].msg_id if jobs else None
        said_so = resolves.resolve(self.engine, batch.broadcast_id, batch.n, msg_id=msg_id, who=WHO)
        assert said_so.changed
        deny(batch, msg_id)


class Lying(LedgerMachine):
    """WeChat and people say anything."""

    honest = False
    evidence = frozenset({Check.MSG_IDS})

    def a_call(self, pick: int, fact: CallResult, told: bool, meanwhile: str | None) -> None:
        # Between the look and the claim, or between the claim and the answer.
        before, after = (meanwhile, None) if pick % 2 else (None, meanwhile)
        flight = self.call_begins(pick, before)
        if flight is not None:
            self.somebody_says(pick, after)
            if told:
                self._tell(flight, fact)

    # A history is mostly calls.
    call = rule(pick=picks, fact=lies, told=st.booleans(), meanwhile=MEANWHILE)(a_call)
    another_call = rule(pick=picks, fact=lies, told=st.booleans(), meanwhile=MEANWHILE)(a_call)

    @precondition(lambda self: self.world.flights)
    @rule(pick=picks, fact=lies)
    def driver_records(self, pick: int, fact: CallResult) -> None:
        self._tell(one_of(self.world.flights, pick), fact)

    @precondition(lambda self: self.world.uncalled())
    @rule(pick=picks, fact=lies)
    def driver_records_the_first_fact(self, pick: int, fact: CallResult) -> None:
        self._tell(one_of(self.world.uncalled(), pick), fact)

    @precondition(lambda self: self.world.standing(BatchState.IN_DOUBT))
    @rule(pick=picks, msg_id=st.sampled_from([None, 1, 2, 3]))
    def person_says_anything(self, pick: int, msg_id: int | None) -> None:
        batch = one_of(self.world.standing(BatchState.IN_DOUBT), pick)
        try:
            resolves.resolve(self.engine, batch.broadcast_id, batch.n, msg_id=msg_id, who=WHO)
        except InputError:
            took = any(call.outcome is Outcome.ACCEPTED for call in batch.calls)
            assert msg_id is not None or took, "another batch has it, or WeChat said that it does"
        else:
            deny(batch, msg_id)


MACHINES = pytest.mark.parametrize("machine", [Honest, Lying])
SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
SERVERS = pytest.mark.parametrize("engine", ["postgresql", "mariadb"], indirect=True)


@pytest.fixture
def still(url: str) -> Iterator[tuple[Engine, StillClock]]:
    """An engine whose clock stands still."""
    engine = open_engine(url)
    yield engine, StillClock(engine)
    engine.dispose()


Still = tuple[Engine, StillClock]


def _run(machine: Callable[..., LedgerMachine], still: Still, **how: Any) -> None:
    run_state_machine_as_test(
        cast("type[LedgerMachine]", lambda: machine(*still)),
        settings=settings(
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # To explain a failure, every line of every run would be traced.
            phases=[Phase.generate, Phase.shrink],
            **how,
        ),
    )


@pytest.mark.timeout(600)
@SQLITE
@MACHINES
def test_random_histories_keep_the_promise(machine: type[LedgerMachine], still: Still) -> None:
    _run(machine, still, max_examples=48, stateful_step_count=40, derandomize=True)


@pytest.mark.prove
@SERVERS
@MACHINES
def test_random_histories_keep_the_promise_on_servers(
    machine: type[LedgerMachine], still: Still
) -> None:
    _run(machine, still, max_examples=3, stateful_step_count=25, derandomize=True)


@pytest.mark.prove
@pytest.mark.timeout(3_600)
@SQLITE
@MACHINES
def test_many_random_histories_keep_the_promise(machine: type[LedgerMachine], still: Still) -> None:
    _run(machine, still, max_examples=1_600, stateful_step_count=60)
