"""What ended long ago loses people, calls and history; sums, batches and keys stay, and audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, insert, select, update

from broadcast.errors import ConflictError, UnknownIdError
from broadcast.rules.calls.waits import Waits
from broadcast.rules.plan.selection import Excluded, Exclusion, Selection
from models.every_table import AttemptRow, Batch, BroadcastRow, ChunkRow, Event, Skipped, Submission
from models.ledger.audit import audit_run
from models.ledger.lists import recipients
from models.ledger.plan import removals
from models.ledger.steer import operator, prunes, retries
from models.ledger.steer.prunes import Prunable
from models.ledger.views import broadcast_reports, exports, received
from tests.integration.models.test_erasures import call, cancelled, left_out, refused
from tests.kit import ledger
from tests.kit.ledger import LOST, said

AGE = timedelta(days=400)
WHO = "tests"


def rows(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table.__tablename__: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (ChunkRow, AttemptRow, Event, Batch, BroadcastRow, Submission)
        }


def old(engine: Engine) -> list[str]:
    """Lay out broadcasts of every end; return their ids."""
    ids = [ledger.ended(engine), refused_one(engine), cancelled(engine), left_out(engine)]
    with engine.begin() as connection:
        connection.execute(
            insert(Skipped).values(
                broadcast_id=ids[0], reason="malformed", count=1, sample='[[3, "x"]]'
            )
        )
        connection.execute(
            update(BroadcastRow).where(BroadcastRow.id == ids[0]).values(malformed=1, read=21)
        )
        # WeChat was asked long enough.
        connection.execute(update(Batch).values(poll_at=None))
    ledger.pass_time(engine, AGE + timedelta(days=1))
    return ids


def refused_one(engine: Engine) -> str:
    with engine.begin() as connection:
        # The driver of the one before.
        connection.exec_driver_sql("UPDATE bc_lanes SET leased_until = NULL, owner = NULL")
    return refused(engine)


def audited(engine: Engine) -> audit_run.Audit:
    return audit_run.audit_all(engine, waits=Waits())


@pytest.mark.every_database
def test_prune_removes_people_calls_and_history_and_the_audit_counts_as_before(
    engine: Engine,
) -> None:
    ids = old(engine)
    before, there = audited(engine), rows(engine)
    reports = [broadcast_reports.report(engine, one) for one in ids]
    found = prunes.prunable(engine, AGE)
    assert found == Prunable(broadcasts=4)
    assert rows(engine) == there

    assert prunes.prune(engine, AGE) == 4

    left = rows(engine)
    assert (left["bc_chunks"], left["bc_attempts"]) == (0, 0)
    assert {name: left[name] for name in ("bc_batches", "bc_broadcasts", "bc_submissions")} == {
        name: there[name] for name in ("bc_batches", "bc_broadcasts", "bc_submissions")
    }
    after = audited(engine)
    assert after.findings == before.findings == []
    assert (after.broadcasts, after.openids, after.batches, after.calls) == (
        before.broadcasts,
        before.openids,
        before.batches,
        before.calls,
    )
    assert after.pruned == 4
    for one, report in zip(ids, reports, strict=True):
        now = broadcast_reports.report(engine, one)
        assert (now.recipients, now.audience, now.calls) == (
            report.recipients,
            report.audience,
            report.calls,
        )
    assert prunes.prune(engine, AGE) == 0


@pytest.mark.every_database
def test_what_reads_a_pruned_broadcast_says_that_it_is_gone(engine: Engine) -> None:
    done, failed, *_ = old(engine)
    prunes.prune(engine, AGE)
    exclusion = Exclusion(kind=Excluded.BROADCAST, value=done)

    reading: list[tuple[Callable[[], object], type[Exception], str]] = [
        (
            lambda: list(recipients.portions(engine, done, "accepted")),
            ConflictError,
            "error.recipients.pruned",
        ),
        (lambda: retries.retry(engine, failed, who=WHO), ConflictError, "error.broadcast.pruned"),
        (
            lambda: removals.removals_of(
                engine, "default", Selection(exclude=(exclusion,)), given=removals.CallerLists()
            ),
            UnknownIdError,
            "error.plan.excludes_pruned",
        ),
    ]
    for read, kind, problem in reading:
        with pytest.raises(kind) as refusal:
            read()
        assert getattr(refusal.value, "message_id", "") == problem

    assert retries.retry_verdicts(engine, failed) == []
    assert received.pruned(engine, "default") == 4
    whole = exports.export(engine, done)
    assert whole.pruned_at is not None
    assert list(exports.people(engine, whole)) == []
    assert [one.lines for one in recipients.skipped(engine, done)] == [[]]


def test_who_reads_while_a_prune_begins_hears_of_it(engine: Engine) -> None:
    broadcast_id, *_ = old(engine)
    whole = exports.export(engine, broadcast_id)
    readers = [exports.people(engine, whole), recipients.portions(engine, broadcast_id, "accepted")]
    for reader in readers:
        next(reader)

    prunes.prune(engine, AGE)

    for reader in readers:
        with pytest.raises(ConflictError) as refusal:
            list(reader)
        assert refusal.value.message_id == "error.recipients.pruned"


def test_of_two_prunes_at_once_each_broadcast_is_counted_by_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(engine)
    real, other = prunes._mark, list[int]()

    def mark(engine: Engine, broadcast_id: str, older_than: timedelta) -> bool:
        """Let the other one be quicker, once this one knows what is old."""
        monkeypatch.setattr(prunes, "_mark", real)
        other.append(prunes.prune(engine, AGE))
        return real(engine, broadcast_id, older_than)

    monkeypatch.setattr(prunes, "_mark", mark)

    assert prunes.prune(engine, AGE) + sum(other) == 4


def going(engine: Engine) -> None:
    ledger.broadcast(engine)


def doubtful(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    call(engine, LOST)
    operator.cancel(engine, broadcast_id, who=WHO)


def unreported(engine: Engine) -> None:
    """WeChat is still to be asked how its jobs ended."""
    ledger.broadcast(engine, batches=1)
    call(engine, said(0, msg_id=7))


@pytest.mark.parametrize("lay_out", [going, doubtful, unreported])
def test_what_is_not_at_rest_is_kept_however_old_it_is(
    engine: Engine, lay_out: Callable[[Engine], None]
) -> None:
    lay_out(engine)
    ledger.pass_time(engine, AGE + timedelta(days=1))
    there = rows(engine)

    assert prunes.prune(engine, AGE) == 0

    assert rows(engine) == there
    assert prunes.prunable(engine, AGE) == Prunable(kept=1)


def test_what_began_long_ago_and_ended_later_is_not_named_as_kept(engine: Engine) -> None:
    refused(engine)
    day = timedelta(days=1)
    with engine.begin() as connection:
        began = connection.scalar(select(BroadcastRow.created_at))
        assert began is not None
        since = {"created_at": began - AGE - day, "finished_at": began - AGE + day}
        connection.execute(update(BroadcastRow).values(since))

    assert prunes.prunable(engine, AGE) == Prunable()
    assert prunes.prunable(engine, AGE - 2 * day) == Prunable(kept=1)


def test_an_old_broadcast_that_was_called_within_two_days_is_kept(engine: Engine) -> None:
    broadcast_id = refused(engine)
    with engine.begin() as connection:
        began = connection.scalar(select(BroadcastRow.created_at))
        assert began is not None
        connection.execute(update(BroadcastRow).values(finished_at=began - 2 * AGE))

    assert prunes.prune(engine, AGE) == 0

    with engine.begin() as connection:
        three_days_ago = {"started_at": began - timedelta(days=3)}
        connection.execute(update(AttemptRow).values(outcome_recorded_at=None, **three_days_ago))
    assert prunes.prune(engine, AGE) == 1
    assert ledger.batch(engine, broadcast_id).attempts == 1


def test_a_prune_that_died_goes_on_and_a_broadcast_that_is_retried_first_is_kept(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, *_ = old(engine)
    real = prunes._clear

    def retried(engine: Engine, broadcast_id: str) -> None:
        if broadcast_id == one:
            retries.retry(engine, other, who=WHO)
            raise SystemExit

    with engine.begin() as connection:
        connection.execute(
            update(BroadcastRow)
            .where(BroadcastRow.id == one)
            .values(finished_at=BroadcastRow.created_at)
        )
    monkeypatch.setattr(prunes, "_clear", retried)
    with pytest.raises(SystemExit):
        prunes.prune(engine, AGE)
    monkeypatch.setattr(prunes, "_clear", real)
    assert audited(engine).counts.total() == 0

    assert prunes.prune(engine, AGE) == 3

    with engine.connect() as connection:
        lists = connection.scalars(select(ChunkRow.broadcast_id).distinct()).all()
    assert lists == [other]
    assert json.dumps(audited(engine).figures()["checks"]).count(": 0") >= 12


def test_prune_goes_on_beside_a_lane_that_sends(engine: Engine) -> None:
    ids = old(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_lanes SET leased_until = NULL, owner = NULL")
    going = ledger.broadcast(engine, size=60, batches=30)

    def send() -> None:
        call(engine, *(said(0, msg_id=900 + n) for n in range(30)))

    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(send)
        assert prunes.prune(engine, AGE) == len(ids)
        sending.result()

    assert broadcast_reports.report(engine, going).recipients["accepted"] == 60
    assert audited(engine).findings == []
    assert (rows(engine)["bc_attempts"], audited(engine).pruned) == (30, len(ids))
