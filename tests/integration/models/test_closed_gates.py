"""No call is claimed behind a closed gate, several stand beside each other, and rows prove it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from broadcast.errors import InputError
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import Tuning
from broadcast.rules.gates.gate import TRAITS, GateKind, GateScope
from broadcast.rules.states import BatchState
from models.engine import now
from models.every_table import AttemptRow, GateRow, Lane
from models.ledger.lane import claims
from models.ledger.lane.next_work import Kind
from models.ledger.rows.transaction import read
from models.ledger.steer import operator, retries, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import OVER, close, kinds, standing_gates, the_gate
from tests.kit import ledger
from tests.kit.ledger import Driver, said

WHO = "a person"
HOUR = timedelta(hours=1)
OWN = GateScope.BROADCAST
ACCOUNT = GateScope.ACCOUNT
PATH = GateScope.PATH
STRANGE = "quiet_hours"

#: Every gate that can stand before a call: kind, scope, and whether it opens at a moment.
CLOSED = {
    "pause": (GateKind.PAUSE, OWN, None),
    "breaker": (GateKind.BREAKER, OWN, None),
    "hold": (GateKind.HOLD, OWN, None),
    "cancel": (GateKind.CANCEL, OWN, None),
    "schedule": (GateKind.SCHEDULE, OWN, HOUR),
    "halt": (GateKind.HALT, ACCOUNT, None),
    "stop": (GateKind.STOP, ACCOUNT, None),
    "account's breaker": (GateKind.BREAKER, ACCOUNT, None),
    "account's quota": (GateKind.QUOTA, ACCOUNT, HOUR),
    "quota of the path": (GateKind.QUOTA, PATH, HOUR),
    "stop of the path": (GateKind.STOP, PATH, None),
    "a newer release's": (STRANGE, OWN, None),
    "a newer release's, of the account": (STRANGE, ACCOUNT, HOUR),
    "a newer release's, of the path": (STRANGE, PATH, None),
}
EVERY = pytest.mark.parametrize("which", CLOSED)


def shut(engine: Engine, which: str, broadcast_id: str) -> None:
    """Close a gate behind the driver's back."""
    kind, scope, opens_in = CLOSED[which]
    known = GateKind.PAUSE if kind == STRANGE else GateKind(kind)
    until = None
    if opens_in is not None:
        with read(engine) as connection:
            until = now(connection) + opens_in
    assert close(
        engine,
        known,
        until=until,
        broadcast_id=broadcast_id if scope is OWN else None,
        path=SendPath.MASS_SEND if scope is PATH else None,
    )
    if kind == STRANGE:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE bc_gates SET kind = '{STRANGE}'")


def counters(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(select(Lane.account, Lane.gate_counter))
        return {row.account: row.gate_counter for row in rows}


def attempts(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(AttemptRow)) or 0


@EVERY
def test_gate_that_closes_between_look_and_claim_forbids_the_claim(
    engine: Engine, which: str
) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    work = driver.next()
    assert work.kind is Kind.CALL

    shut(engine, which, broadcast_id)

    assert claims.claim(engine, driver.lease, work) is None
    assert attempts(engine) == 0
    assert ledger.batch(engine, broadcast_id).state is BatchState.PLANNED
    assert driver.next().kind is Kind.REST
    assert sweeps.due(engine).lanes == []


@EVERY
def test_repeat_of_a_doubt_is_forbidden_as_every_call(engine: Engine, which: str) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    driver.call(ledger.LOST)
    ledger.pass_time(engine, timedelta(seconds=3))
    work = driver.next()
    assert work.state is BatchState.UNKNOWN

    shut(engine, which, broadcast_id)

    assert claims.claim(engine, driver.lease, work) is None
    assert attempts(engine) == 1


@pytest.mark.parametrize("which", [one for one, (_, _, opens) in CLOSED.items() if opens])
def test_gate_with_a_moment_opens_at_it_unless_it_is_of_a_newer_release(
    engine: Engine, which: str
) -> None:
    broadcast_id = ledger.broadcast(engine)
    shut(engine, which, broadcast_id)
    driver = Driver(engine)
    ledger.pass_time(engine, HOUR - timedelta(minutes=1))
    assert driver.next().kind is Kind.REST
    ledger.pass_time(engine, timedelta(minutes=1, seconds=1))

    opened = CLOSED[which][0] != STRANGE

    assert (driver.next().kind is Kind.CALL) == opened
    assert (sweeps.due(engine).lanes == [("default", broadcast_id)]) == opened
    if opened:
        Driver(engine).claim()


def test_gates_of_one_broadcast_let_the_others_go_on(engine: Engine) -> None:
    shut_off, other = ledger.broadcast(engine), ledger.broadcast(engine)
    for which, (_, scope, _) in CLOSED.items():
        if scope is OWN and which != "a newer release's":
            shut(engine, which, shut_off)
    driver = Driver(engine)

    assert driver.next().broadcast_id == other
    driver.claim()


def test_gates_of_one_account_let_the_others_go_on(engine: Engine) -> None:
    for name in ("default", "north"):
        ledger.broadcast(engine, owner=ledger.account(name))
    for which in ("halt", "stop", "account's breaker", "account's quota"):
        shut(engine, which, "")

    Driver(engine, "north").claim()
    assert Driver(engine).next().kind is Kind.REST


def test_gate_of_sendall_does_not_stop_mass_send(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    moment = driver.next().now
    assert moment is not None
    close(engine, GateKind.STOP, path=SendPath.SENDALL)
    close(engine, GateKind.QUOTA, path=SendPath.SENDALL, until=moment + HOUR)

    assert sweeps.due(engine).lanes == []  # its lane is driven
    driver.call(said(0, msg_id=1))
    ledger.pass_time(engine, OVER)
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]


# -- several at once


def test_several_gates_stand_at_once_and_each_is_opened_by_its_own_word(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    every = {GateKind.PAUSE, GateKind.BREAKER, GateKind.HOLD, GateKind.HALT, GateKind.STOP}
    for which in ("pause", "breaker", "hold", "halt", "stop", "account's breaker"):
        shut(engine, which, broadcast_id)
    assert kinds(engine, broadcast_id) == every

    assert operator.resume(engine, broadcast_id, who=WHO)
    assert kinds(engine, broadcast_id) == {GateKind.HALT, GateKind.STOP, GateKind.BREAKER}
    assert {gate.scope for gate in standing_gates(engine, broadcast_id)} == {ACCOUNT}
    assert Driver(engine).next().kind is Kind.REST

    assert operator.unhalt(engine, "default", who=WHO) == ["default"]
    assert standing_gates(engine, broadcast_id) == []


def test_unhalt_opens_nothing_of_a_broadcast(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    own = ("pause", "breaker", "hold", "schedule")
    for which in (*own, "halt", "stop", "account's breaker", "stop of the path"):
        shut(engine, which, broadcast_id)

    operator.unhalt(engine, "default", who=WHO)

    left = standing_gates(engine, broadcast_id)
    assert {gate.scope for gate in left} == {OWN}
    assert {gate.kind for gate in left} == {CLOSED[which][0] for which in own}


def test_resume_opens_neither_a_time_to_come_nor_what_it_does_not_know(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    shut(engine, "a newer release's", broadcast_id)
    shut(engine, "schedule", broadcast_id)
    assert not operator.resume(engine, broadcast_id, who=WHO)
    shut(engine, "hold", broadcast_id)

    assert operator.resume(engine, broadcast_id, who=WHO)

    assert {str(gate.kind) for gate in standing_gates(engine, broadcast_id)} == {
        STRANGE,
        "schedule",
    }


WORDS: Mapping[str, Any] = {
    "retry": retries.retry,
    "resume": operator.resume,
    "resume, maybe sent": partial(operator.resume, maybe_sent=True),
}
#: The words that open a broadcast's own gate, by its kind; no word opens the others.
OPEN: Mapping[GateKind, set[str]] = {
    GateKind.BREAKER: {*WORDS},
    GateKind.PAUSE: {"resume", "resume, maybe sent"},
    GateKind.HOLD: {"resume", "resume, maybe sent"},
    GateKind.DRAFT: {"resume", "resume, maybe sent"},
    GateKind.RESTORED: {"resume, maybe sent"},
}


@pytest.mark.parametrize("kind", TRAITS)
def test_every_kind_is_opened_by_no_other_word_than_its_own(engine: Engine, kind: GateKind) -> None:
    opened = set()
    for word, act in WORDS.items():
        broadcast_id = ledger.broadcast(engine, key=word)
        assert close(engine, kind, broadcast_id=broadcast_id)
        with contextlib.suppress(InputError):
            act(engine, broadcast_id, who=WHO)
        if kind not in kinds(engine, broadcast_id):
            opened.add(word)

    assert opened == OPEN.get(kind, set())


def test_a_cancel_is_final(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    operator.cancel(engine, broadcast_id, who=WHO)
    with pytest.raises(InputError):
        operator.resume(engine, broadcast_id, who=WHO)
    with pytest.raises(InputError):
        retries.retry(engine, broadcast_id, who=WHO)
    assert operator.unhalt(engine, None, who=WHO) == []
    assert kinds(engine, broadcast_id) == {GateKind.CANCEL}


def test_the_same_gate_is_closed_once_and_keeps_what_closed_it_first(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    assert close(engine, GateKind.STOP, errcode=48001)
    assert not close(engine, GateKind.STOP, errcode=40013)
    assert close(engine, GateKind.STOP, path=SendPath.MASS_SEND, errcode=45103)
    assert [gate.errcode for gate in standing_gates(engine, broadcast_id)] == [48001, 45103]


def test_used_up_calls_that_are_told_again_keep_the_later_end(engine: Engine) -> None:
    ledger.broadcast(engine)
    moment = Driver(engine).next().now
    assert moment is not None
    for hours in (2, 5, 3):
        close(engine, GateKind.QUOTA, path=SendPath.MASS_SEND, until=moment + hours * HOUR)
    gate = the_gate(engine, GateKind.QUOTA)
    assert gate.until == moment + 5 * HOUR


# -- the counters


def violations(engine: Engine) -> list[Any]:
    """Return every call that was claimed behind a closed gate, from rows alone."""
    behind = (GateRow.closed_counter <= AttemptRow.gate_counter) & (
        GateRow.opened_counter.is_(None) | (AttemptRow.gate_counter < GateRow.opened_counter)
    )
    timed = GateRow.until.is_not(None) & (GateRow.until <= AttemptRow.started_at)
    with engine.connect() as connection:
        return list(
            connection.execute(
                select(AttemptRow.id, GateRow.id)
                .join(GateRow, GateRow.account == AttemptRow.account)
                .where(GateRow.path.is_(None) | (GateRow.path == AttemptRow.path))
                .where(behind, ~timed)
            )
        )


def test_each_closing_and_opening_raises_the_counter_that_calls_are_stamped_with(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    operator.pause(engine, broadcast_id, who=WHO)
    operator.halt(engine, "default", who=WHO)
    operator.resume(engine, broadcast_id, who=WHO)
    operator.unhalt(engine, "default", who=WHO)
    driver.call(said(0, msg_id=2))

    with engine.connect() as connection:
        before, after = connection.scalars(
            select(AttemptRow.gate_counter).order_by(AttemptRow.id)
        ).all()
        gates = connection.execute(
            select(GateRow.closed_counter, GateRow.opened_counter).order_by(GateRow.id)
        ).all()
    moments = [number for gate in gates for number in gate]
    assert len(set(moments)) == 4
    assert before < min(moments) <= max(moments) <= after
    assert violations(engine) == []


def test_a_call_behind_a_closed_gate_would_be_found(engine: Engine) -> None:
    """The proof above can fail."""
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).claim()
    operator.pause(engine, broadcast_id, who=WHO)
    assert violations(engine) == []
    with engine.begin() as connection:
        counter = select(GateRow.closed_counter).scalar_subquery()
        connection.execute(update(AttemptRow).values(gate_counter=counter))
    assert len(violations(engine)) == 1


def stopped_and_let_go(engine: Engine, broadcast_id: str, word: str) -> bool:
    """Say whether both were possible: its last call may have been recorded between them."""
    if word == "halt":
        operator.halt(engine, "default", who=WHO)
        operator.unhalt(engine, "default", who=WHO)
        return True
    try:
        operator.pause(engine, broadcast_id, who=WHO)
        operator.resume(engine, broadcast_id, who=WHO)
    except InputError as refused:
        if refused.message_id != "error.broadcast.ended":
            raise
        return False
    return True


@pytest.mark.parametrize("word", ["pause", "halt"])
def test_no_call_is_claimed_behind_a_gate_that_closes_and_opens_meanwhile(
    engine: Engine, word: str
) -> None:
    """Two drivers of one lane race with a person who stops it and lets it go, many times."""
    broadcast_id = ledger.broadcast(engine, size=240, batches=120)
    driver = Driver(engine, tuning=Tuning())
    begun, turned, done = threading.Event(), threading.Event(), threading.Event()

    def drive(_n: int) -> int:
        made = 0
        while not done.is_set():
            if made == 30:  # not all of them before the person had a turn
                turned.wait(60)
            work = driver.next()
            if work.kind is Kind.REST and ledger.batch(engine, broadcast_id, 120).attempts:
                break
            if work.kind is not Kind.CALL:
                continue
            claim = claims.claim(engine, driver.lease, work)
            if claim is not None:
                made += 1
                driver.record(claim, said(0, msg_id=work.batch_id))
                begun.set()
        return made

    def stop_and_go() -> int:
        begun.wait(60)
        turns = 0
        while turns < 15 and ledger.batch(engine, broadcast_id, 120).attempts == 0:
            turns += 1
            if not stopped_and_let_go(engine, broadcast_id, word):
                break
            turned.set()
        done.set()
        turned.set()
        return turns

    with ThreadPoolExecutor(3) as threads:
        driving = [threads.submit(drive, n) for n in range(2)]
        turns = threads.submit(stop_and_go).result(timeout=240)
        made = sum(one.result(timeout=240) for one in driving)
    assert turns > 0
    assert made == attempts(engine) > 0
    assert violations(engine) == []
    assert ledger.states(engine, broadcast_id).keys() <= {BatchState.ACCEPTED, BatchState.PLANNED}


@pytest.mark.parametrize("stored", ["{bad", "7", "{}"])
def test_gate_whose_list_of_broadcasts_cannot_be_read_counts_and_can_be_opened(
    engine: Engine, stored: str
) -> None:
    broadcast_id = ledger.broadcast(engine)
    operator.pause(engine, broadcast_id, who=WHO)
    with engine.begin() as connection:
        connection.execute(update(GateRow).values(broadcasts=stored))

    [gate] = broadcast_reports.report(engine, broadcast_id).gates
    assert (gate.kind, gate.broadcasts) == (GateKind.PAUSE, ())
    assert Driver(engine).next().kind is Kind.REST
    ledger.broadcast(engine)
    assert operator.resume(engine, broadcast_id, who=WHO)


def test_a_gate_of_one_account_raises_the_counter_of_no_other(engine: Engine) -> None:
    ledger.broadcast(engine)
    ledger.broadcast(engine, owner=ledger.account("north"))
    before = counters(engine)

    close(engine, GateKind.HALT)

    assert counters(engine) == {**before, "default": before["default"] + 1}
