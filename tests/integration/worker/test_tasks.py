"""What beat rings for: one account, or one part, that fails keeps no other waiting."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from models.ledger import sweeps
from models.ledger.records import Rules
from tests.kit import ledger
from worker import tasks


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the bell was rung for, in order."""
    rings: list[tuple[object, ...]] = []

    def ring(*what: object) -> bool:
        rings.append(what)
        return True

    monkeypatch.setattr(tasks, "ring", ring)
    return rings


def wired(engine: Engine, monkeypatch: pytest.MonkeyPatch, *names: str, **more: Any) -> None:
    """Give the tasks a process whose settings have the accounts *names*."""
    accounts = {name: ledger.account(name) for name in names}
    here = SimpleNamespace(engine=engine, accounts=accounts, rules=Rules(), **more)
    monkeypatch.setattr(tasks, "parts", lambda: here)


def test_sweep_leaves_an_account_that_its_worker_lacks_to_whoever_has_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, rung: list[tuple[object, ...]]
) -> None:
    here, there = (ledger.broadcast(engine, owner=ledger.account(name)) for name in ("a", "b"))
    plan = ledger.published(engine, ledger.body(owner=ledger.account("b"), text="别的"))
    wired(engine, monkeypatch, "a")
    tasks.sweep()
    assert rung == [("broadcast.send_batch", "a", here)]

    wired(engine, monkeypatch, "b")
    tasks.sweep()
    assert rung[1:] == [("broadcast.plan", plan), ("broadcast.send_batch", "b", there)]


def test_sweep_rings_although_what_only_time_can_settle_fails(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    rung: list[tuple[object, ...]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    broadcast_id = ledger.broadcast(engine)
    wired(engine, monkeypatch, "default")
    asked = []

    def fails(name: str) -> Any:
        def fail(*_: object, **__: object) -> int:
            asked.append(name)
            raise RuntimeError(f"{name} is broken\nand says more")

        return fail

    monkeypatch.setattr(sweeps, "hold_expired", fails("hold"))
    monkeypatch.setattr(sweeps, "forget_uploads", fails("forget"))
    tasks.sweep()

    assert rung == [("broadcast.send_batch", "default", broadcast_id)]
    assert asked == ["hold", "forget"]
    lines = [record.getMessage() for record in caplog.records if record.name == "worker.tasks"]
    assert lines == [
        "sweep, hold: RuntimeError: hold is broken",
        "sweep, forget: RuntimeError: forget is broken",
    ]
