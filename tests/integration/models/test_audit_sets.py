"""What an audit finds in the sets: a row is changed by hand, and told."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from broadcast import openid
from broadcast.call.outcomes import Outcome
from broadcast.states import BatchState, BroadcastState
from models import Batch, Pack
from models.ledger import audit
from models.ledger.audit import Found
from models.ledger.audit.openids import SORTED_AT_ONCE
from tests.integration.models.tampering import (
    WAITS,
    attempt,
    change,
    change_attempt,
    change_batch,
    change_broadcast,
    found,
    four_batches,
    moment,
    packed,
    remove,
    repack,
    told,
)
from tests.kit import ledger
from tests.kit.ledger import Driver, said


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """Accepted (1), lost and repeated (2), split into 5 and 6 (3), not called yet (4)."""
    return four_batches(engine)


# -- the sets


def test_figures_that_do_not_add_up_are_found(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(engine, broadcast_id, read=41)
    assert told(engine, Found.READ).facts == {"read": 41, "skipped": 0, "planned": 40}


def test_skipped_line_that_nobody_kept_is_found(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(engine, broadcast_id, read=41, malformed=1)
    assert found(engine) == {Found.SKIPPED}


def test_follower_who_vanished_from_a_batch_is_found(engine: Engine, broadcast_id: str) -> None:
    repack(engine, broadcast_id, 4, packed(engine, broadcast_id, 4)[: -openid.PACKED_LENGTH])
    assert {Found.PLANNED, Found.LEAVES, Found.SIZE} <= found(engine)


def test_follower_who_was_replaced_is_found(engine: Engine, broadcast_id: str) -> None:
    kept = packed(engine, broadcast_id, 4)[: -openid.PACKED_LENGTH]
    repack(engine, broadcast_id, 4, kept + openid.pack(b"oZZ" + b"0" * 25))
    assert Found.AUDIENCE in found(engine)


def test_bytes_that_are_no_openid_are_found(engine: Engine, broadcast_id: str) -> None:
    repack(engine, broadcast_id, 4, packed(engine, broadcast_id, 4) + b"abc")
    assert Found.SIZE in found(engine)


def test_size_that_is_not_the_batch_s_is_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 4, size=11)
    assert found(engine) == {Found.SIZE}


def test_edge_that_is_not_the_pack_s_is_found(engine: Engine, broadcast_id: str) -> None:
    where = (Pack.broadcast_id == broadcast_id) & (Pack.n == 4)
    change(engine, Pack, where, last_openid="oZZ" + "0" * 25)
    assert found(engine) == {Found.EDGES}


def test_pack_without_a_batch_is_found(engine: Engine, broadcast_id: str) -> None:
    remove(engine, Batch, (Batch.broadcast_id == broadcast_id) & (Batch.n == 4))
    assert found(engine) == {Found.NO_BATCH}


def test_batches_with_one_pack_are_found(engine: Engine, broadcast_id: str) -> None:
    first = ledger.batch(engine, broadcast_id, 1)
    change_batch(engine, broadcast_id, 4, pack_id=first.pack_id)
    assert {Found.PACK, Found.NO_BATCH, Found.TWICE, Found.KEY_CHANGED} <= found(engine)


def test_batch_in_no_set_is_found(engine: Engine, broadcast_id: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE batches SET state = 'lost' WHERE broadcast_id = :id AND n = 4"),
            {"id": broadcast_id},
        )
    assert {Found.NO_SET, Found.LAST} == found(engine)


def test_child_that_was_called_in_its_parent_s_place_is_found(
    engine: Engine, broadcast_id: str
) -> None:
    """A split batch that counts as well as its halves."""
    change_batch(engine, broadcast_id, 3, state=BatchState.REFUSED)
    assert {Found.LEAVES, Found.TWICE, Found.HALVES, Found.LAST} <= found(engine)


def test_broadcast_that_ended_too_early_is_found(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(engine, broadcast_id, state=BroadcastState.COMPLETED)
    assert found(engine) == {Found.EARLY, Found.LAST}


def test_broadcast_that_says_more_than_its_batches_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(40130))
    change_broadcast(engine, broadcast_id, state=BroadcastState.COMPLETED)
    assert found(engine) == {Found.RESULT, Found.LAST}


def test_batch_that_a_cancel_forgot_is_found(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(engine, broadcast_id, cancelled_at=moment(engine))
    assert found(engine) == {Found.CANCELLED_WAITS}


# -- nobody twice


@pytest.mark.parametrize("sorted_at_once", [SORTED_AT_ONCE, 7])
def test_follower_in_two_batches_is_found_and_named(
    engine: Engine, broadcast_id: str, sorted_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.ledger.audit.openids.SORTED_AT_ONCE", sorted_at_once)
    first, fourth = packed(engine, broadcast_id, 1), packed(engine, broadcast_id, 4)
    length = openid.PACKED_LENGTH
    repack(engine, broadcast_id, 4, first[: 2 * length] + fourth[2 * length :])

    one = told(engine, Found.TWICE)
    names = openid.unpack(first[: 2 * length]).decode()
    assert (one.n, one.facts["other"], one.facts["count"]) == (1, 4, 2)
    assert one.facts["example"] in {names[: openid.LENGTH], names[openid.LENGTH :]}


def test_follower_twice_in_one_batch_is_found(engine: Engine, broadcast_id: str) -> None:
    fourth = packed(engine, broadcast_id, 4)
    length = openid.PACKED_LENGTH
    repack(engine, broadcast_id, 4, fourth[:length] + fourth[:-length])
    one = told(engine, Found.TWICE)
    assert (one.n, one.facts["other"], one.facts["count"]) == (4, 4, 1)


def test_half_that_is_not_of_its_parent_is_found(engine: Engine, broadcast_id: str) -> None:
    half = packed(engine, broadcast_id, 5)
    repack(engine, broadcast_id, 5, half[: -openid.PACKED_LENGTH] + openid.pack(b"oZZ" + b"0" * 25))
    one = told(engine, Found.HALVES)
    assert (one.n, one.facts) == (3, {"children": 2, "missing": 1, "extra": 1})


def test_half_that_vanished_is_found(engine: Engine, broadcast_id: str) -> None:
    remove(engine, Batch, (Batch.broadcast_id == broadcast_id) & (Batch.n == 6))
    assert told(engine, Found.HALVES).facts == {"children": 1, "missing": 5, "extra": 0}


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
        (finding.broadcast_id, finding.n, finding.facts["owner"], finding.facts["other"])
        for finding in audit.audit_all(engine, waits=WAITS).findings
        if finding.found is Found.SHARED_MSG_ID
    ]
    assert sorted(shared) == sorted([(broadcast_id, 1, other, 1), (other, 1, broadcast_id, 1)])
