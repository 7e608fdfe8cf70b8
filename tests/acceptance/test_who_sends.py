"""After a submit: whether anybody is there to send it, and what must run at its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from tests.kit import template

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

NOBODY = "No worker answers"


def submitted(system: System, *words: str) -> str:
    file = system.folder / "list.txt"
    file.write_text("\n".join(system.simulator.openids(10)), encoding="ascii")
    done = system.broadcast("send", "--openids", file, "--text", "hello", *words)
    return done.stdout + done.stderr


def test_a_submit_says_at_once_that_no_worker_answers_and_how_to_start_one(
    start_system: StartSystem,
) -> None:
    told = submitted(start_system(followers=10))

    assert NOBODY in told
    assert "broadcast up" in told
    assert "REDIS_URL is not set" not in told


def test_where_a_worker_answers_nothing_is_said(start_system: StartSystem) -> None:
    system = start_system(followers=10)
    system.worker()

    assert NOBODY not in submitted(system, "--wait")


def test_a_worker_of_another_database_is_named_and_one_of_this_beside_it_is_enough(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=10)
    other = f"sqlite:///{system.folder / 'other.db'}"
    engine = template.migrated(other)
    with engine.begin() as connection:
        # Tests copy one database; an upgrade gives each its own.
        connection.execute(text("UPDATE bc_installation SET id = 'another'"))
    engine.dispose()
    system.worker(DATABASE_URL=other)

    alone = submitted(system)
    system.worker()
    beside = submitted(system, "--again")

    assert "Warning: A worker answers, but it works on another database" in alone
    assert "DATABASE_URL" in alone
    assert NOBODY not in alone
    assert "another database" not in beside


def test_a_scheduled_submit_says_what_must_run_then(start_system: StartSystem) -> None:
    system = start_system(followers=10)
    at = f"{datetime.now(UTC) + timedelta(hours=3):%Y-%m-%dT%H:%M:%S}Z"

    without = submitted(system, "--at", at)
    system.worker()
    beside = submitted(system, "--at", at, "--again")

    assert NOBODY in without
    assert "A worker and beat must run at that time" in without
    assert NOBODY not in beside
    assert "Keep `broadcast up` (or a worker and beat of your own) running until then" in beside
