"""An id is reserved for a list that comes later, and one try at a time stores it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from broadcast.errors import ConflictError
from broadcast.rules.plan import submission
from broadcast.rules.plan.audience import OpenIDs
from broadcast.rules.plan.submission import BeingStoredError, Body, TakenOverError
from models.every_table import ChunkRow, Submission
from models.ledger.lists import uploads
from models.ledger.rows import locked_rows
from models.ledger.steer import sweeps
from models.ledger.submit import awaited_lists, submits
from models.ledger.views import broadcast_reports
from tests.kit import ledger
from tests.kit.ledger import body, published

pytestmark = pytest.mark.every_database

TERMS = submission.Terms(who="tests")
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def awaiting(said: Body) -> Body:
    """The same without its list."""
    return replace(said, audience=OpenIDs(digest=""))


def reserve(engine: Engine, said: Body) -> tuple[str, bool]:
    return awaited_lists.reserve(engine, awaiting(said), request="{}", who="tests", title=None)


@pytest.fixture
def mine(engine: Engine) -> Body:
    """A body whose id is reserved."""
    said = body(key="one")
    return replace(said, reserved=reserve(engine, said)[0])


def store(engine: Engine, said: Body, fence: int, part: slice = slice(None)) -> None:
    assert said.reserved is not None
    listed = list(ledger.chunks(ledger.openids(20)))
    uploads.add_chunks(engine, said.reserved, listed[part], fence=fence)


def begin(engine: Engine, said: Body) -> int:
    assert said.reserved is not None
    return awaited_lists.begin(engine, said.reserved, said)


def publish(engine: Engine, said: Body, fence: int) -> None:
    assert said.reserved is not None
    submits.publish(
        engine,
        said.reserved,
        said,
        figures=ledger.figures(size=20, batches=2),
        terms=TERMS,
        quota=None,
        fence=fence,
    )


def chunks(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(ChunkRow)) or 0


def test_a_key_belongs_to_the_id_that_is_reserved_for_it_at_every_door(
    engine: Engine, mine: Body
) -> None:
    under_way = body(key="two")
    upload = ledger.upload(engine, under_way)
    reserve(engine, under_way)

    for refused in (
        lambda: submits.find(engine, body(key="one")),
        lambda: submits.begin(engine, body(key="one"), who="tests"),
        lambda: reserve(engine, body(key="one", text="别的")),
        lambda: submits.publish(
            engine,
            upload,
            under_way,
            figures=ledger.figures(size=20, batches=2),
            terms=TERMS,
            quota=None,
        ),
    ):
        with pytest.raises(ConflictError) as caught:
            refused()
        assert caught.value.message_id == "error.submit.key_awaited"

    assert locked_rows.under_key(engine, "default", "one") is None
    assert reserve(engine, body(key="one")) == (mine.reserved, False)
    fence = begin(engine, mine)
    store(engine, mine, fence)
    publish(engine, mine, fence)
    # Of a command that says the same it is the same.
    assert submits.find(engine, body(key="one")) == mine.reserved
    assert locked_rows.under_key(engine, "default", "one") == mine.reserved
    assert reserve(engine, body(key="one")) == (mine.reserved, False)


def test_a_key_that_was_used_is_reserved_for_nothing(engine: Engine) -> None:
    there = published(engine, body(key="one"))
    with pytest.raises(ConflictError, match=there):
        reserve(engine, body(key="one"))


def test_of_reservations_and_submits_at_once_one_has_the_key(engine: Engine) -> None:
    together = threading.Barrier(16)

    def race(n: int) -> str:
        said = body(key="one")
        upload = ledger.upload(engine, said) if n % 2 else ""
        together.wait()
        try:
            if n % 2 == 0:
                return reserve(engine, said)[0]
            submits.publish(
                engine,
                upload,
                said,
                figures=ledger.figures(size=20, batches=2),
                terms=TERMS,
                quota=None,
            )
        except submission.PublishedMeanwhileError as there:
            return there.id
        except ConflictError:
            return "refused"
        return upload

    with ThreadPoolExecutor(16) as threads:
        told = set(threads.map(race, range(16)))

    with engine.connect() as connection:
        assert told - {"refused"} == set(connection.scalars(select(Submission.broadcast_id)))
    assert len(told - {"refused"}) == 1


def test_while_a_try_lives_nobody_takes_over_and_a_dead_one_is_followed(
    engine: Engine, mine: Body
) -> None:
    first = begin(engine, mine)
    store(engine, mine, first, slice(1))
    ledger.pass_time(engine, awaited_lists.SILENT_FOR - 5 * SECOND)
    store(engine, mine, first, slice(1, 2))
    ledger.pass_time(engine, awaited_lists.SILENT_FOR - 5 * SECOND)
    for said, is_other in ((mine, False), (replace(mine, audience=OpenIDs(digest="x")), True)):
        with pytest.raises(BeingStoredError) as caught:
            begin(engine, said)
        assert caught.value.is_other is is_other
    store(engine, mine, first, slice(2, None))

    ledger.pass_time(engine, awaited_lists.SILENT_FOR + SECOND)
    second = begin(engine, mine)
    assert chunks(engine) == 0
    store(engine, mine, second)
    there = chunks(engine)
    # It only stood still, and goes on now.
    assert mine.reserved is not None
    broadcast_id = mine.reserved
    for late in (
        lambda: store(engine, mine, first),
        lambda: publish(engine, mine, first),
        lambda: awaited_lists._drop_some(engine, broadcast_id, first),
    ):
        with pytest.raises(TakenOverError):
            late()
    awaited_lists.stop(engine, broadcast_id, first)
    assert awaited_lists.is_being_stored(engine, broadcast_id)
    assert chunks(engine) == there
    publish(engine, mine, second)
    assert not awaited_lists.is_being_stored(engine, broadcast_id)


def test_a_try_that_failed_is_followed_at_once(engine: Engine, mine: Body) -> None:
    assert mine.reserved is not None
    awaited_lists.stop(engine, mine.reserved, begin(engine, mine))
    other = replace(mine, audience=OpenIDs(digest="x"))

    assert begin(engine, other) > 0


@pytest.mark.parametrize(
    "do", [begin, lambda engine, said: awaited_lists.expect(engine, said.reserved)]
)
def test_a_list_may_be_awaited_for_a_day_from_its_last_sign_of_life(
    engine: Engine, mine: Body, do: Callable[[Engine, Body], object]
) -> None:
    ledger.pass_time(engine, 23 * HOUR)
    do(engine, mine)
    ledger.pass_time(engine, uploads.AWAITED_FOR - SECOND * 30)
    assert sweeps.forget_uploads(engine) == 0
    assert reserve(engine, mine) == (mine.reserved, False)

    ledger.pass_time(engine, SECOND * 31)
    assert sweeps.forget_uploads(engine) == 1
    again, created = reserve(engine, body(key="one", text="别的"))
    assert created
    assert again != mine.reserved
    assert [one.id for one in broadcast_reports.reports(engine)] == [again]


def test_lists_show_no_upload_that_lost_its_key_and_programs_none_that_is_not_awaited(
    engine: Engine, mine: Body
) -> None:
    ledger.upload(engine, body(key="two"))
    winner = published(engine, body(key="two"))
    under_way = ledger.upload(engine, body(key="three"))

    shown = {one.id for one in broadcast_reports.reports(engine)}
    programs = {one.id for one in broadcast_reports.reports(engine, awaited_only=True)}

    assert shown == {mine.reserved, winner, under_way}
    assert programs == {mine.reserved, winner}
    assert [one.id for one in broadcast_reports.reports(engine, key="two")] == [winner]
