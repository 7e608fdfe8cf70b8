"""A value comes back as it went in, on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError, StatementError

from broadcast.enums import is_recognised
from broadcast.rules.states import BatchState
from models.accounts import Lane
from models.engine import now
from models.every_table import AccountRow, Batch, BroadcastRow, ChunkRow
from models.ledger.lane import next_work
from models.ledger.lists import uploads
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.kit import ledger

pytestmark = pytest.mark.every_database

CHINA = timezone(timedelta(hours=8))


@pytest.fixture
def lane(engine: Engine) -> Engine:
    ledger.broadcast(engine)
    return engine


def test_moment_without_a_zone_is_refused(lane: Engine) -> None:
    naive = datetime(2026, 5, 1, 8)  # noqa: DTZ001 - that is the point
    with lane.connect() as connection, pytest.raises(StatementError, match="without a time zone"):
        connection.execute(update(Lane).values(not_before=naive))


def test_moment_comes_back_aware_in_utc_with_its_microseconds(lane: Engine) -> None:
    moment = datetime(2026, 5, 1, 8, 0, 0, 123456, tzinfo=CHINA)
    with lane.begin() as connection:
        connection.execute(update(Lane).values(not_before=moment))
        found = connection.execute(select(Lane.not_before)).scalar_one()
        same = connection.scalar(select(Lane.account).where(Lane.not_before == moment))
    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC
    assert found.hour == 0
    assert same == "default"


def test_clock_of_the_database_is_in_utc_and_comparable(lane: Engine) -> None:
    with lane.begin() as connection:
        before = now(connection)
        connection.execute(update(Lane).values(not_before=before))
        later = connection.scalar(
            select(Lane.account).where(Lane.not_before < before + timedelta(milliseconds=1))
        )
        assert later == "default"
    assert abs(before - datetime.now(UTC)) < timedelta(seconds=5)
    assert before.tzinfo is UTC


def test_openids_and_keys_that_differ_in_case_are_different(engine: Engine) -> None:
    first = ledger.broadcast(engine, key="Spring")
    second = ledger.broadcast(engine, key="spring")
    assert first != second
    ledger.broadcast(engine, owner=ledger.account("Shop"))
    ledger.broadcast(engine, owner=ledger.account("shop"))
    with engine.begin() as connection:
        names = connection.scalars(select(AccountRow.name).order_by(AccountRow.name)).all()
        assert names == ["Shop", "default", "shop"]
        one = connection.scalar(select(func.count()).where(BroadcastRow.key == "SPRING"))
        assert one == 0
        found = connection.scalars(
            select(ChunkRow.start)
            .where(
                ChunkRow.broadcast_id == first,
                ChunkRow.first_openid <= "o" + "a" + "0" * 26,
                ChunkRow.last_openid >= "o" + "a" + "0" * 26,
            )
            .order_by(ChunkRow.start)
        ).all()
        # The first and the last chunk hold those with an A, and those with an a.
        assert found == [8], "a range of OpenIDs is compared byte by byte"


def test_clientmsgid_is_compared_with_its_case_and_taken_once(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    one, other = ledger.batches(engine, broadcast_id)
    with engine.begin() as connection:
        connection.execute(
            update(Batch).where(Batch.id == other.id).values(clientmsgid=one.clientmsgid.upper())
        )
    assert one.clientmsgid != one.clientmsgid.upper()
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(
            update(Batch).where(Batch.id == other.id).values(clientmsgid=one.clientmsgid)
        )


def test_chunk_of_ten_thousand_openids_comes_back_whole(engine: Engine) -> None:
    text = ledger.body(size=10_000)
    broadcast_id = submits.begin(engine, text, who="tests")
    uploads.add_chunks(engine, broadcast_id, ledger.chunks(ledger.openids(10_000), most=10_000))
    submits.publish(
        engine,
        broadcast_id,
        text,
        figures=ledger.figures(size=10_000, batches=1),
        terms=ledger.terms(size=10_000, batches=1),
        quota=None,
    )
    ledger.planned(engine, broadcast_id)
    found = next_work.openids(engine, next_work.next_work(engine, "default"))
    assert found is not None
    assert len(found) == 210_000
    assert found == ledger.packed(ledger.openids(10_000))


def test_msg_id_may_exceed_32_bits(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    msg_id, data_id = 2**53 + 1, 2**61
    ledger.Driver(engine).call(replace(ledger.said(0, msg_id=msg_id), msg_data_id=data_id))
    batch = ledger.batch(engine, broadcast_id)
    assert (batch.msg_id, batch.msg_data_id) == (msg_id, data_id)
    assert batch.state is BatchState.ACCEPTED


def test_emoji_and_rare_characters_come_back(engine: Engine) -> None:
    text = "群发 🎉👩‍👩‍👧 𠮷 é\u0301 ’"
    said = ledger.body(key="钥匙 🔑", text=text)
    broadcast_id = ledger.published(engine, said)
    assert next_work.call_content(engine, broadcast_id).content == said.content
    ledger.planned(engine, broadcast_id)
    ledger.Driver(engine).call(ledger.said(45065, errmsg="words 🎈" * 200))
    assert ledger.batch(engine, broadcast_id).errmsg.startswith("words 🎈")


def test_content_longer_than_64_kib_comes_back(engine: Engine) -> None:
    said = ledger.body(text="长" * 40_000)
    assert next_work.call_content(engine, ledger.published(engine, said)).content == said.content


def test_word_of_a_newer_release_is_read_as_a_stranger_and_written_back_as_it_was(
    engine: Engine,
) -> None:
    """It is taken for none of ours, and a worker of this release goes on beside it."""
    broadcast_id = ledger.broadcast(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_batches SET state = 'of_the_future' WHERE n = 1")
    with engine.begin() as connection:
        stranger, ours = connection.scalars(select(Batch.state).order_by(Batch.n))
        assert (is_recognised(stranger), is_recognised(ours)) == (False, True)
        assert stranger not in set(BatchState)
        connection.execute(update(Batch).where(Batch.n == 2).values(state=stranger))
    assert {str(state) for state in ledger.states(engine, broadcast_id)} == {"of_the_future"}
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.recipients["waiting"], told.batches["waiting"]) == (20, 2)
    assert next_work.next_work(engine, "default").kind is next_work.Kind.REST


def test_word_that_no_release_wrote_is_not_written(engine: Engine) -> None:
    ledger.broadcast(engine)
    with engine.connect() as connection, pytest.raises(StatementError, match="of_the_future"):
        connection.execute(update(Batch).values(state="of_the_future"))


def test_foreign_keys_hold(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(Lane).values(account="nobody", fence=0))
