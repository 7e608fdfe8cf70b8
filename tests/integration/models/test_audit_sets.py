"""What an audit finds in figures, lists and sets: a row is changed by hand, and found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine, insert

from broadcast import openid
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.plan import audience, submission
from broadcast.rules.plan.audience import Everyone, Tag
from broadcast.rules.states import BatchState, BroadcastState, Phase
from models.broadcast_tables import Reservation
from models.every_table import Batch
from models.ledger.audit import audit_run
from models.ledger.audit.audited_lists import SORTED_AT_ONCE
from models.ledger.audit.case import Found
from models.ledger.steer import operator
from models.ledger.submit import submits
from models.recipients import ChunkRow
from tests.integration.models.tampering import (
    ON_SQLITE,
    WAITS,
    WHO,
    attempt,
    change,
    change_attempt,
    change_batch,
    change_broadcast,
    chunks,
    finding,
    found,
    four_batches,
    overwrite,
    packed,
    remove,
)
from tests.kit import ledger
from tests.kit.ledger import Driver, said

pytestmark = ON_SQLITE
WIDTH = openid.PACKED_LENGTH
STRANGER = openid.pack(b"oZZ" + b"0" * 25)


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """Accepted (1), lost and repeated (2), split into 5 and 6 (3), not called yet (4)."""
    return four_batches(engine)


# -- figures


def test_figures_that_do_not_add_up_are_found(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(engine, broadcast_id, read=41)
    assert finding(engine, Found.READ).facts == {"read": 41, "skipped": 0, "planned": 40}


def test_skipped_line_that_nobody_kept_is_found(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(engine, broadcast_id, read=41, malformed=1)
    assert found(engine) == {Found.SKIPPED}


@pytest.mark.parametrize("calls", [1, -1])
def test_calls_that_an_ended_broadcast_still_holds_are_found(engine: Engine, calls: int) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(0, msg_id=2))
    row = {"broadcast_id": broadcast_id, "account": "default", "path": "mass_send"}
    with engine.begin() as connection:
        connection.execute(insert(Reservation).values(**row, day="2026-03-01", calls=calls))
    assert finding(engine, Found.RESERVED).facts == {"calls": calls, "day": "2026-03-01"}
    assert found(engine) == {Found.RESERVED}


def test_fewer_than_no_calls_that_a_broadcast_holds_are_found(
    engine: Engine, broadcast_id: str
) -> None:
    change(engine, Reservation, Reservation.broadcast_id == broadcast_id, calls=-1)
    assert found(engine) == {Found.RESERVED}


# -- lists


def test_follower_who_vanished_from_a_chunk_is_found(engine: Engine, broadcast_id: str) -> None:
    last = chunks(engine, broadcast_id)[-1]
    change(engine, ChunkRow, ChunkRow.id == last.id, openids=last.openids[:-WIDTH])
    assert {Found.PLANNED, Found.SIZE, Found.EDGES, Found.RANGE} <= found(engine)


def test_chunk_that_vanished_is_found(engine: Engine, broadcast_id: str) -> None:
    remove(engine, ChunkRow, ChunkRow.id == chunks(engine, broadcast_id)[1].id)
    assert {Found.PLANNED, Found.SIZE, Found.RANGE} <= found(engine)


def test_follower_who_was_replaced_is_found(engine: Engine, broadcast_id: str) -> None:
    overwrite(engine, broadcast_id, 39, STRANGER)
    assert found(engine) == {Found.AUDIENCE, Found.KEY_CHANGED}


def test_bytes_that_are_no_openid_are_found(engine: Engine, broadcast_id: str) -> None:
    last = chunks(engine, broadcast_id)[-1]
    change(engine, ChunkRow, ChunkRow.id == last.id, openids=last.openids + b"abc")
    assert finding(engine, Found.SIZE).facts["list"] == "asked"


def test_size_that_is_not_the_chunks_is_found(engine: Engine, broadcast_id: str) -> None:
    change(engine, ChunkRow, ChunkRow.id == chunks(engine, broadcast_id)[0].id, size=9)
    assert found(engine) == {Found.SIZE}


def test_edge_that_is_not_the_chunks_is_found(engine: Engine, broadcast_id: str) -> None:
    where = ChunkRow.id == chunks(engine, broadcast_id)[0].id
    change(engine, ChunkRow, where, last_openid="oZZ" + "0" * 25)
    assert found(engine) == {Found.EDGES}


# -- ranges


def test_range_without_a_batch_is_found(engine: Engine, broadcast_id: str) -> None:
    remove(engine, Batch, (Batch.broadcast_id == broadcast_id) & (Batch.n == 4))
    assert finding(engine, Found.NO_BATCH).facts == {"size": 10, "list": "asked", "start": 30}
    assert found(engine) == {Found.NO_BATCH, Found.LEAVES}


def test_gap_between_batches_is_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 4, start=31, size=9)
    assert finding(engine, Found.NO_BATCH).facts == {"size": 1, "list": "asked", "start": 30}


@pytest.mark.parametrize(
    "values", [{"size": 11}, {"start": 40}, {"list": "left"}, {"size": 20_000}]
)
def test_range_that_its_list_does_not_have_is_found(
    engine: Engine, broadcast_id: str, values: dict[str, object]
) -> None:
    change_batch(engine, broadcast_id, 4, **values)
    assert finding(engine, Found.RANGE).n == 4


def test_batches_without_any_list_are_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    for n in (1, 2):
        change_batch(engine, broadcast_id, n, list="left", start=0)
    assert {Found.RANGE, Found.NO_BATCH} <= found(engine)


def test_batches_with_one_range_are_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 4, start=0)
    assert {Found.NO_BATCH, Found.TWICE, Found.KEY_CHANGED} <= found(engine)


# -- sets


def test_child_that_was_called_in_its_parents_place_is_found(
    engine: Engine, broadcast_id: str
) -> None:
    """A split batch that counts as well as its halves."""
    change_batch(engine, broadcast_id, 3, state=BatchState.REFUSED)
    assert {Found.LEAVES, Found.TWICE, Found.HALVES, Found.LAST} <= found(engine)


def test_broadcast_that_ended_too_early_is_found(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(
        engine, broadcast_id, phase=Phase.ENDED, result=BroadcastState.COMPLETED, due_at=None
    )
    assert Found.EARLY in found(engine)


def test_broadcast_that_ended_without_a_plan_is_found(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    change_broadcast(engine, broadcast_id, phase=Phase.ENDED, result=BroadcastState.COMPLETED)
    assert Found.EARLY in found(engine)


@pytest.mark.parametrize(
    "values", [{"result": BroadcastState.COMPLETED}, {"phase": Phase.SENDING, "result": None}]
)
def test_broadcast_that_says_something_else_than_its_batches_is_found(
    engine: Engine, values: dict[str, object]
) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(40130))
    change_broadcast(engine, broadcast_id, **values)
    assert found(engine) == {Found.RESULT}


def test_batch_that_a_cancel_forgot_is_found(engine: Engine, broadcast_id: str) -> None:
    operator.cancel(engine, broadcast_id, who=WHO)
    assert found(engine) == set()
    change_batch(engine, broadcast_id, 4, state=BatchState.PLANNED)
    assert Found.CANCELLED_WAITS in found(engine)


# -- nobody twice


@pytest.mark.parametrize("sorted_at_once", [SORTED_AT_ONCE, 7])
def test_follower_in_two_batches_is_found_and_named(
    engine: Engine, broadcast_id: str, sorted_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.ledger.audit.audited_lists.SORTED_AT_ONCE", sorted_at_once)
    first = packed(engine, broadcast_id, 1)[: 2 * WIDTH]
    overwrite(engine, broadcast_id, 30, first)

    one = finding(engine, Found.TWICE)
    names = openid.unpack(first).decode()
    assert (one.n, one.facts["other"], one.facts["count"]) == (1, 4, 2)
    assert one.facts["example"] in {names[: openid.LENGTH], names[openid.LENGTH :]}


def test_follower_twice_in_one_batch_is_found(engine: Engine, broadcast_id: str) -> None:
    overwrite(engine, broadcast_id, 31, packed(engine, broadcast_id, 4)[:WIDTH])
    one = finding(engine, Found.TWICE)
    assert (one.n, one.facts["other"], one.facts["count"]) == (4, 4, 1)


def test_follower_twice_in_a_list_that_is_not_planned_is_found(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    assert found(engine) == set()
    overwrite(engine, broadcast_id, 3, chunks(engine, broadcast_id)[1].openids[:WIDTH])
    one = finding(engine, Found.LISTED_TWICE)
    assert (one.n, one.facts["count"]) == (None, 1)


def test_sorted_list_needs_no_second_look(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    names = sorted(ledger.openids(40))
    monkeypatch.setattr(ledger, "openids", lambda count: names[:count])
    monkeypatch.setattr("models.ledger.audit.audited_lists._repeated", None)
    broadcast_id = four_batches(engine)
    change_batch(engine, broadcast_id, 4, start=29)
    with pytest.raises(TypeError):
        found(engine)


# -- halves


def test_half_that_is_not_of_its_parent_is_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 5, start=19)
    one = finding(engine, Found.HALVES)
    assert (one.n, one.facts) == (3, {"children": 2, "missing": 1, "extra": 1})


def test_half_that_vanished_is_found(engine: Engine, broadcast_id: str) -> None:
    remove(engine, Batch, (Batch.broadcast_id == broadcast_id) & (Batch.n == 6))
    assert finding(engine, Found.HALVES).facts == {"children": 1, "missing": 5, "extra": 0}


def test_half_with_another_list_is_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 6, list="left")
    assert finding(engine, Found.HALVES).n == 3


# -- msg_ids


def test_batch_with_two_msg_ids_is_found(engine: Engine, broadcast_id: str) -> None:
    change_attempt(engine, attempt(engine, broadcast_id, 2), outcome=Outcome.ACCEPTED, msg_id=99)
    assert found(engine) == {Found.TWO_MSG_IDS}


def test_msg_id_that_no_call_brought_is_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 1, msg_id=99)
    assert found(engine) == {Found.OTHER_MSG_ID}


def test_msg_id_with_two_batches_is_found_also_between_broadcasts(
    engine: Engine, broadcast_id: str
) -> None:
    other = ledger.broadcast(engine)
    driver = Driver(engine)
    while ledger.batch(engine, other).state is not BatchState.ACCEPTED:
        driver.call(said(0, msg_id=1_000 + driver.next().batch_id))
    change_batch(engine, other, 1, msg_id=1)
    change_attempt(engine, attempt(engine, other, 1), msg_id=1)
    shared = [
        (one.broadcast_id, one.n, one.facts["owner"], one.facts["other"])
        for one in audit_run.audit_all(engine, waits=WAITS).findings
        if one.found is Found.SHARED_MSG_ID
    ]
    assert sorted(shared) == sorted([(broadcast_id, 1, other, 1), (other, 1, broadcast_id, 1)])


# -- lists that are WeChat's


@pytest.fixture(params=[Tag(tag_id=2), Everyone()], ids=["tag", "everyone"])
def to_wechats_list(engine: Engine, request: pytest.FixtureRequest) -> str:
    """A broadcast whose one call has no recipients here, accepted."""
    body = replace(ledger.body(), audience=request.param)
    broadcast_id = submits.begin(engine, body, who="tests")
    submits.publish(
        engine,
        broadcast_id,
        body,
        figures=submission.Figures(planned=None, calls=None, samples={}),
        terms=ledger.terms(),
        quota=None,
    )
    assert found(engine) == set()
    ledger.planned(engine, broadcast_id)
    assert found(engine) == set()
    Driver(engine).call(said(0, msg_id=1))
    assert found(engine) == set()
    return broadcast_id


def test_figure_of_a_list_that_is_wechats_is_found(engine: Engine, to_wechats_list: str) -> None:
    change_broadcast(engine, to_wechats_list, planned=7, read=7)
    assert Found.PLANNED in found(engine)


def test_changed_filter_is_found_by_the_key(engine: Engine, to_wechats_list: str) -> None:
    change_broadcast(
        engine, to_wechats_list, audience_kind="tag", audience_spec=audience.spec(Tag(tag_id=3))
    )
    assert found(engine) == {Found.KEY_CHANGED}


def test_audience_of_a_newer_release_is_no_finding(engine: Engine, to_wechats_list: str) -> None:
    change_broadcast(engine, to_wechats_list, audience_kind="moon")
    assert found(engine) == set()


# -- other releases


def test_state_of_a_newer_release_is_no_finding(engine: Engine, broadcast_id: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_batches SET state = 'napping' WHERE n = 4")
    assert found(engine) == set()


def test_result_of_a_newer_release_is_no_finding(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(0, msg_id=2))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_broadcasts SET result = 'recalled'")
    assert ledger.batch(engine, broadcast_id).state is BatchState.ACCEPTED
    assert found(engine) == set()


@pytest.mark.parametrize("stored", ["[1]", "{bad", '{"tag": 2}', "7"])
def test_audience_that_cannot_be_read_is_found_and_ends_no_audit(
    engine: Engine, to_wechats_list: str, stored: str
) -> None:
    other = ledger.broadcast(engine)
    change_broadcast(engine, to_wechats_list, audience_spec=stored)
    change_broadcast(engine, other, read=41)

    assert found(engine) == {Found.UNREADABLE, Found.READ, Found.PLANNED}
    assert finding(engine, Found.UNREADABLE).broadcast_id == to_wechats_list
