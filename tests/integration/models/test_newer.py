"""Who of what an old broadcast would call got a newer one meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.overlap import Newer
from models.ledger.lane import leases
from models.ledger.rows import locked_rows
from models.ledger.steer import operator
from models.ledger.views import received
from tests.integration.models.test_known import PEOPLE, STRANGERS, planned, sent
from tests.kit import ledger
from tests.kit.ledger import Driver, said


def reached(engine: Engine, broadcast_id: str, numbers: list[int]) -> Newer:
    among = locked_rows.newer(engine, broadcast_id)
    return received.newer(engine, broadcast_id, numbers, among=among)


NOBODY = Newer(followers=0, ids=[])


@pytest.fixture
def old(engine: Engine) -> str:
    """Ten got it, ten were refused, twenty wait."""
    broadcast_id = planned(engine, PEOPLE, text="old")
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(40007))
    leases.release(engine, driver.lease)
    return broadcast_id


def test_those_count_who_got_the_newer_one_and_would_be_called_again(
    engine: Engine, old: str
) -> None:
    first = sent(engine, PEOPLE[15:], text="new", calls=1)
    second = sent(engine, [*PEOPLE[12:20], *STRANGERS[:8]], text="newer", calls=3)

    found = reached(engine, old, [2, 3])

    # From 15 to 21 the one, from 12 to 19 the other.
    assert found == Newer(followers=10, ids=[second, first])


def test_those_count_who_will_get_the_newer_one(engine: Engine, old: str) -> None:
    made = planned(engine, PEOPLE[12:22], text="new")

    assert reached(engine, old, [2]) == Newer(followers=8, ids=[made])
    assert reached(engine, old, [4]) == NOBODY


def test_one_that_is_not_cut_yet_counts_with_its_whole_list(engine: Engine, old: str) -> None:
    made = ledger.published(engine, ledger.body(size=15, text="new"), size=15)

    both = set(ledger.openids(15)) & set(PEOPLE[:20])
    assert reached(engine, old, [1, 2]) == Newer(followers=len(both), ids=[made])


def test_a_newer_one_that_was_cancelled_before_it_reached_anybody_does_not_count(
    engine: Engine, old: str
) -> None:
    operator.cancel(engine, planned(engine, PEOPLE, text="new"), who="tests")

    assert reached(engine, old, [2, 3, 4]) == NOBODY


def test_what_was_submitted_before_the_old_one_began_is_not_newer(engine: Engine) -> None:
    sent(engine, PEOPLE, text="before", calls=4)
    first = planned(engine, PEOPLE, text="first")
    waits = planned(engine, PEOPLE, text="waits")
    Driver(engine).call(said(0, msg_id=1))
    ledger.pass_time(engine, timedelta(seconds=10))
    after = planned(engine, PEOPLE, text="after")

    assert locked_rows.newer(engine, first) == [after]
    # Of one that was not called yet: what was submitted after it.
    assert locked_rows.newer(engine, waits) == [after]


def test_however_many_there_are_each_is_compared(engine: Engine, old: str) -> None:
    rest = sent(engine, PEOPLE, text="rest", calls=4)
    for n in range(6):
        ledger.pass_time(engine, timedelta(seconds=10))
        planned(engine, STRANGERS, text=f"{n}")

    assert reached(engine, old, [2, 3, 4]) == Newer(followers=30, ids=[rest])


def test_what_is_still_to_come_counts_where_it_is_asked_for(engine: Engine, old: str) -> None:
    made = planned(engine, PEOPLE, text="next week's")
    among = locked_rows.newer(engine, old)

    both = received.newer(engine, old, [2, 3, 4], among=among)

    assert both == Newer(followers=30, ids=[made])
    assert received.newer(engine, old, [2, 3, 4], among=among, to_come=False) == NOBODY


def test_another_account_is_not_asked(engine: Engine, old: str) -> None:
    other = ledger.account("other")
    ledger.broadcast(engine, size=40, owner=other)

    assert reached(engine, old, [2, 3, 4]) == NOBODY
