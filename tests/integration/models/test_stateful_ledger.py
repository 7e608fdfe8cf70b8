"""The ledger against a small model of the promise, through random histories of everything.

Twice: with a WeChat that does what it says, where followers are counted, and with one that says
anything, where only what the ledger made of it can be held against the promise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine

from broadcast.errors import InputError
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import NotSent, OperatorVerdict, Sent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import BatchState
from models.ledger.audit.case import Check
from models.ledger.outcomes import resolves
from models.ledger.outcomes.resolves import Resolved
from tests.integration.models.ledger_machine import (
    CONSOLE,
    MEANWHILE,
    LedgerMachine,
    lies,
)
from tests.integration.models.ledger_models import InFlight
from tests.integration.models.ledger_people import WHO, one_of, picks
from tests.integration.models.mass_send_twin import REFUSALS, Reply
from tests.integration.models.reference import BatchModel
from tests.integration.models.still_clock import StillClock
from tests.kit import ledger
from tests.kit.ledger import LOST, said

ANSWERS = st.sampled_from([*Reply, *REFUSALS])
VERDICTS = st.sampled_from([NotSent(), Sent(), Sent(1), Sent(2), Sent(3)])
#: A wrong verdict that is corrected at once; mostly there is none.
WRONG_NUMBER = Sent(999)
SLIPS = [None, None, NotSent(), Sent(), WRONG_NUMBER]
#: Where a verdict may stand, and may be corrected.
SETTLED = (BatchState.ACCEPTED, BatchState.FINISHED, BatchState.REFUSED)


class Honest(LedgerMachine):
    """WeChat does what it says, and people say what they saw; nothing is ever told twice."""

    def a_call(self, pick: int, what: Reply | int, told: bool, meanwhile: str | None) -> None:
        # Between the look and the claim, or between the claim and the answer.
        before, after = (meanwhile, None) if pick % 2 else (None, meanwhile)
        flight = self.call_begins(pick, before)
        if flight is not None:
            self.somebody_says(pick, after)
            flight.reply = self._answered(flight, what)
            self.event_overtakes(pick, self._job(flight.batch))
            if told:
                self._tell(flight, flight.reply)

    # A history is mostly calls.
    call = rule(pick=picks, what=ANSWERS, told=st.booleans(), meanwhile=MEANWHILE)(a_call)
    another_call = rule(pick=picks, what=ANSWERS, told=st.booleans(), meanwhile=MEANWHILE)(a_call)

    @rule(pick=picks, what=ANSWERS)
    def call_ends_in_doubt(self, pick: int, what: Reply | int) -> None:
        """Lose the reply, and let nobody call again before WeChat's window is over."""
        flight = self.call_begins(pick)
        if flight is not None:
            flight.reply = self._answered(flight, what)
            self._tell(flight, LOST)
            self.the_promise_holds()
            self.window_closes()

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
            batch.key,
            batch.broadcast_id,
            self.world.openids(batch),
            now=self.world.now,
            reply=what,
        )

    @precondition(lambda self: self.world.untold())
    @rule(pick=picks, lost=st.booleans())
    def driver_records(self, pick: int, lost: bool) -> None:
        """Record what came back, now or long after; what was lost may yet arrive."""
        flight = one_of(self.world.untold(), pick)
        self._tell(flight, LOST if lost else flight.reply or LOST)

    @precondition(lambda self: self.world.standing(BatchState.IN_DOUBT))
    @rule(pick=picks, numbered=st.booleans(), slip=st.sampled_from(SLIPS))
    def person_looks_into_the_console(
        self, pick: int, numbered: bool, slip: OperatorVerdict | None
    ) -> None:
        """Say what is there, once nothing is on its way any more; perhaps not at the first go."""
        batch = one_of(self.world.standing(BatchState.IN_DOUBT), pick)
        if any(flight.batch is batch for flight in self.world.in_the_air()):
            return
        job = self._job(batch)
        # "Sent" alone says nothing against a wrong number.
        numbered = numbered or slip == WRONG_NUMBER
        truth = NotSent() if job is None else Sent(job if numbered else None)
        if slip is not None:
            with contextlib.suppress(InputError):
                _resolve(self.engine, batch, slip)
        done = _resolve(self.engine, batch, truth)
        assert done.msg_id in {None, job}, "it has another batch's number"
        assert done.changed or slip == truth or {type(slip), type(truth)} == {Sent}

    @precondition(lambda self: self._unnamed())
    @rule(pick=picks)
    def person_finds_the_number(self, pick: int) -> None:
        batch = one_of(self._unnamed(), pick)
        assert _resolve(self.engine, batch, Sent(self._job(batch))).changed

    def _job(self, batch: BatchModel) -> int | None:
        jobs = self.world.wechat.jobs.get(batch.key)
        return jobs[-1].msg_id if jobs else None

    def _unnamed(self) -> list[BatchModel]:
        """Return the batches that a person said were sent, and nobody knows as which job."""
        return [
            batch
            for batch in self.world.standing(BatchState.ACCEPTED)
            if batch.said_sent and self._row(batch).msg_id is None
        ]

    def _row(self, batch: BatchModel) -> Any:
        [row] = [r for r in ledger.batches(self.engine, batch.broadcast_id) if r.id == batch.id]
        return row


class Lying(LedgerMachine):
    """WeChat and people say anything."""

    honest = False
    evidence = frozenset({Check.MSG_IDS})

    def ended_jobs(self) -> list[int]:
        """It tells of the ends of jobs that it never named, too."""
        return [1, 2, 3, CONSOLE]

    def a_call(self, pick: int, fact: CallResult, told: bool, meanwhile: str | None) -> None:
        # Between the look and the claim, or between the claim and the answer.
        before, after = (meanwhile, None) if pick % 2 else (None, meanwhile)
        flight = self.call_begins(pick, before)
        if flight is not None:
            self.somebody_says(pick, after)
            self.event_overtakes(pick, fact.msg_id)
            if told:
                self._tell(flight, fact)

    # A history is mostly calls.
    call = rule(pick=picks, fact=lies, told=st.booleans(), meanwhile=MEANWHILE)(a_call)
    another_call = rule(pick=picks, fact=lies, told=st.booleans(), meanwhile=MEANWHILE)(a_call)

    @rule(pick=picks, fact=lies)
    def call_ends_in_doubt(self, pick: int, fact: CallResult) -> None:
        """Let nobody call again before WeChat's window is over, whatever it says."""
        flight = self.call_begins(pick)
        if flight is not None:
            self._tell(flight, fact)
            self.the_promise_holds()
            self.window_closes()

    @precondition(lambda self: self.world.flights)
    @rule(pick=picks, fact=lies)
    def driver_records(self, pick: int, fact: CallResult) -> None:
        self._tell(one_of(self.world.flights, pick), fact)

    @precondition(lambda self: self.world.uncalled())
    @rule(pick=picks, fact=lies)
    def driver_records_the_first_fact(self, pick: int, fact: CallResult) -> None:
        self._tell(one_of(self.world.uncalled(), pick), fact)

    @precondition(lambda self: self.world.standing(BatchState.IN_DOUBT))
    @rule(pick=picks, verdict=VERDICTS)
    def person_says_anything(self, pick: int, verdict: OperatorVerdict) -> None:
        batch = one_of(self.world.standing(BatchState.IN_DOUBT), pick)
        try:
            assert _resolve(self.engine, batch, verdict).changed
        except InputError:
            took = any(call.outcome is Outcome.ACCEPTED for call in batch.calls)
            why = "another batch has it, or WeChat said that it does"
            assert isinstance(verdict, Sent) or took, why
            assert verdict != Sent() or batch.named(), "sent, and nobody can say why not"

    @precondition(lambda self: self.world.standing(*SETTLED))
    @rule(pick=picks, verdict=VERDICTS)
    def person_says_otherwise(self, pick: int, verdict: OperatorVerdict) -> None:
        batch = one_of(self.world.standing(*SETTLED), pick)
        with contextlib.suppress(InputError):
            _resolve(self.engine, batch, verdict)


def _resolve(engine: Engine, batch: BatchModel, verdict: OperatorVerdict) -> Resolved:
    """Say something of a batch, and see that this says of its number what WeChat did at most."""
    done = resolves.resolve(engine, batch.broadcast_id, batch.n, verdict=verdict, who=WHO)
    if done.changed:
        if isinstance(verdict, Sent) and verdict.msg_id is not None:
            assert done.msg_id == verdict.msg_id
        elif done.msg_id is not None:
            assert isinstance(verdict, Sent)
            assert done.msg_id in batch.named()
        batch.settle(verdict, done.msg_id)
    return done


MACHINES = pytest.mark.parametrize("machine", [Honest, Lying])
SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
SERVERS = pytest.mark.parametrize("engine", ["postgresql", "mariadb"], indirect=True)


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


@SQLITE
@MACHINES
def test_random_histories_keep_the_promise(machine: type[LedgerMachine], still: Still) -> None:
    _run(machine, still, max_examples=16, stateful_step_count=40, derandomize=True)


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
