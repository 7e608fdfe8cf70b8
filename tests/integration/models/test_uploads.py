"""Uploads that nobody will publish go away in portions, and none is published by halves."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.rules.plan import submission
from broadcast.rules.plan.submission import TakenOverError, Terms
from models import engine as engines
from models import schema
from models.ledger.lists import uploads
from models.ledger.rows import transaction
from models.ledger.rows.transaction import write
from models.ledger.steer import sweeps
from models.ledger.submit import submits
from tests.integration.models.test_submits import stored
from tests.kit import ledger
from tests.kit.ledger import body, figures, upload

pytestmark = pytest.mark.every_database

TERMS = Terms(who="tests")


def fifty_chunks(engine: Engine, text: submission.Body) -> str:
    """Upload a hundred OpenIDs, two a chunk."""
    broadcast_id = submits.begin(engine, text, who="tests")
    uploads.add_chunks(engine, broadcast_id, ledger.chunks(ledger.openids(100), most=2))
    return broadcast_id


def test_upload_is_cleared_in_portions_and_its_row_goes_last(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast_id = fifty_chunks(engine, body(size=100))
    left = []

    def looks(engine: Engine, work: Any) -> Any:
        done = transaction.write(engine, work)
        left.append(stored(engine))
        return done

    monkeypatch.setattr(uploads, "write", looks)
    uploads.abandon(engine, broadcast_id)

    assert left == [(1, 50), (1, 30), (1, 10), (1, 0), (0, 0)], "given up, then cleared"


def test_upload_that_was_half_cleared_can_not_be_published_and_is_cleared_by_another(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = body(size=100, key="one")
    half = fifty_chunks(engine, text)
    cleared = iter(["given up", "twenty chunks"])

    def dies(engine: Engine, work: Any) -> Any:
        next(cleared)
        return transaction.write(engine, work)

    with monkeypatch.context() as dying:
        dying.setattr(uploads, "write", dies)
        with pytest.raises(StopIteration):
            uploads.abandon(engine, half)
    assert stored(engine) == (1, 30)

    what = figures(size=100, batches=50)
    with pytest.raises(TakenOverError) as caught:
        submits.publish(engine, half, text, figures=what, terms=TERMS, quota=None)
    assert caught.value.message_id == "error.submit.taken_over"
    with pytest.raises(TakenOverError):
        uploads.add_chunks(engine, half, ledger.chunks(ledger.openids(2)))
    # At once, not only after its silence: nobody is its owner any more.
    assert sweeps.forget_uploads(engine) == 1
    assert stored(engine) == (0, 0)


def test_upload_that_was_half_cleared_is_swept(engine: Engine) -> None:
    half = upload(engine, body())
    write(engine, lambda connection: uploads.give_up(connection, half))
    assert sweeps.forget_uploads(engine) == 1
    assert stored(engine) == (0, 0)


def test_of_publish_and_clear_at_once_one_wins_wholly(engine: Engine) -> None:
    for n in range(6):
        text = body(size=100, key=f"race {n}", text=f"{n}")
        broadcast_id = fifty_chunks(engine, text)
        what = figures(size=100, batches=50)
        together = threading.Barrier(3)

        def clear(broadcast_id: str = broadcast_id, together: Any = together) -> str:
            together.wait()
            uploads.abandon(engine, broadcast_id)
            return ""

        def publish(
            broadcast_id: str = broadcast_id,
            text: Any = text,
            what: Any = what,
            together: Any = together,
        ) -> str:
            together.wait()
            with contextlib.suppress(TakenOverError):
                submits.publish(engine, broadcast_id, text, figures=what, terms=TERMS, quota=None)
                return "published"
            return ""

        before = stored(engine)
        with ThreadPoolExecutor(3) as threads:
            done = [threads.submit(work) for work in (clear, publish, clear)]
            won = any(one.result() for one in done)
        # All of it, or nothing.
        assert stored(engine) == (before if won else (before[0] - 1, before[1] - 50))


@pytest.fixture(params=["postgresql_url", "mariadb_url"])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database with row locks, for which nobody waits long."""
    monkeypatch.setattr(engines, "LOCK_WAIT_S", 1)
    engine = engines.open_engine(request.getfixturevalue(request.param))
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@contextlib.contextmanager
def stopped_in_a_chunk(engine: Engine, broadcast_id: str, silence: timedelta) -> Iterator[None]:
    """Hold an upload's row as a command does that was stopped while it sent a chunk.

    The server waits for the rest of the chunk, so its limit of idle transactions does not apply.
    """
    ledger.pass_time(engine, silence)
    url = engine.url.render_as_string(hide_password=False)
    unlimited = engines.open_engine(url, patient=True)
    try:
        with unlimited.connect() as connection:
            uploads.keep_upload_alive(connection, broadcast_id)
            yield
    finally:
        unlimited.dispose()


def test_nobody_waits_for_an_upload_whose_owner_is_stopped_in_a_chunk(shared: Engine) -> None:
    """Whoever repeats it publishes it, and the first finds what was published."""
    text = body(key="one")
    theirs = upload(shared, text)
    with (
        ThreadPoolExecutor(1) as threads,
        stopped_in_a_chunk(shared, theirs, timedelta(minutes=2)),
    ):
        assert submits.find(shared, text) is None
        second = threads.submit(ledger.published, shared, text).result(timeout=240)
    with pytest.raises(submission.PublishedMeanwhileError) as there:
        submits.publish(
            shared, theirs, text, figures=figures(size=20, batches=2), terms=TERMS, quota=None
        )
    assert there.value.id == second


def test_sweep_does_not_wait_for_an_upload_whose_owner_is_stopped_in_a_chunk(
    shared: Engine,
) -> None:
    theirs = upload(shared, body(key="one"))
    with (
        ThreadPoolExecutor(1) as threads,
        stopped_in_a_chunk(shared, theirs, timedelta(hours=2)),
    ):
        assert threads.submit(sweeps.forget_uploads, shared).result(timeout=240) == 0
    assert sweeps.forget_uploads(shared) == 1
