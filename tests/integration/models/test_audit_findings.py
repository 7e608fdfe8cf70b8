"""Each way in which a ledger can break the promise is found: a row is changed by hand, and told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, text, update

from broadcast import openid
from broadcast.outcomes import Outcome
from broadcast.states import BatchState, BroadcastState
from broadcast.text import t
from broadcast.waits import REPEAT_WINDOW, Waits
from models import AttemptRow, Batch, BroadcastRow, Event, Lane, Pack
from models.engine import now
from models.ledger import audit, controls, lanes, submits
from models.ledger.audit import Found
from models.ledger.audit.openids import SORTED_AT_ONCE
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

WAITS = Waits()
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
WHO = "a person"


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """Accepted (1), lost and repeated (2), split into 5 and 6 (3), not called yet (4)."""
    made = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    for fact in (said(0, msg_id=1), LOST, said(45065, msg_id=2), said(40003)):
        driver.call(fact)
        later(engine)
    lanes.release(engine, driver.held)
    assert found(engine) == set()
    return made


def later(engine: Engine) -> None:
    """Let a repeat fall due; the lease holds, however slow this machine is."""
    ledger.pass_time(engine, timedelta(seconds=3))
    with engine.begin() as connection:
        connection.execute(update(Lane).values(leased_until=now(connection) + timedelta(hours=1)))


def found(engine: Engine) -> set[Found]:
    """Return what an audit of everything finds; each has its words."""
    findings = audit.audit_all(engine, waits=WAITS).findings
    for finding in findings:
        assert t(f"audit.found.{finding.found}", **finding.facts)
    return {finding.found for finding in findings}


def told(engine: Engine, what: Found) -> audit.Finding:
    """Return the one finding of a kind."""
    findings = audit.audit_all(engine, waits=WAITS).findings
    (one,) = [finding for finding in findings if finding.found is what]
    return one


def change(engine: Engine, table: Any, where: Any, **values: Any) -> None:
    """Change one row behind the ledger's back."""
    with engine.begin() as connection:
        changed = connection.execute(update(table).where(where).values(**values))
    assert changed.rowcount == 1


def remove(engine: Engine, table: Any, where: Any) -> None:
    """Remove one row behind the ledger's back."""
    with engine.begin() as connection:
        removed = connection.execute(delete(table).where(where))
    assert removed.rowcount == 1


def change_batch(engine: Engine, broadcast_id: str, n: int, **values: Any) -> None:
    """Change a batch."""
    change(engine, Batch, Batch.id == ledger.batch(engine, broadcast_id, n).id, **values)


def change_broadcast(engine: Engine, broadcast_id: str, **values: Any) -> None:
    """Change a broadcast."""
    change(engine, BroadcastRow, BroadcastRow.id == broadcast_id, **values)


def attempt(engine: Engine, broadcast_id: str, n: int, number: int = 1) -> Any:
    """Return one attempt of a batch."""
    with engine.connect() as connection:
        return connection.execute(
            select(AttemptRow.__table__)
            .where(AttemptRow.batch_id == ledger.batch(engine, broadcast_id, n).id)
            .where(AttemptRow.number == number)
        ).one()


def change_attempt(engine: Engine, row: Any, **values: Any) -> None:
    """Change an attempt."""
    change(engine, AttemptRow, AttemptRow.id == row.id, **values)


def packed(engine: Engine, broadcast_id: str, n: int) -> bytes:
    """Return the OpenIDs of a batch."""
    with engine.connect() as connection:
        query = select(Pack.openids).where(Pack.broadcast_id == broadcast_id, Pack.n == n)
        return connection.execute(query).scalar_one()


def repack(engine: Engine, broadcast_id: str, n: int, openids: bytes) -> None:
    """Put other OpenIDs into a batch."""
    where = (Pack.broadcast_id == broadcast_id) & (Pack.n == n)
    change(engine, Pack, where, openids=openids)


def moved_at(engine: Engine, broadcast_id: str, new: BroadcastState) -> datetime:
    """Return when a broadcast moved to a state."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Event.at, Event.detail)
            .where(Event.broadcast_id == broadcast_id, Event.kind == "broadcast.move")
            .order_by(Event.id)
        )
        return next(row.at for row in rows if f'"new": "{new}"' in row.detail)


def moment(engine: Engine) -> datetime:
    """Return the database's moment."""
    with engine.connect() as connection:
        return now(connection)


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


# -- no call without an attempt


def test_accepted_batch_without_an_attempt_is_found(engine: Engine, broadcast_id: str) -> None:
    remove(engine, AttemptRow, AttemptRow.id == attempt(engine, broadcast_id, 1).id)
    assert {Found.NUMBERS, Found.CLAIMS, Found.UNEXPLAINED} <= found(engine)


def test_attempt_that_vanished_is_found(engine: Engine, broadcast_id: str) -> None:
    remove(engine, AttemptRow, AttemptRow.id == attempt(engine, broadcast_id, 2).id)
    assert {Found.NUMBERS, Found.CLAIMS} <= found(engine)


def test_attempt_that_no_claim_made_is_found(engine: Engine, broadcast_id: str) -> None:
    first = attempt(engine, broadcast_id, 1)
    values = dict(first._mapping) | {"claim": "by-hand", "number": 2}
    del values["id"]
    with engine.begin() as connection:
        connection.execute(insert(AttemptRow).values(**values))
    change_batch(engine, broadcast_id, 1, attempts=2)
    assert Found.CLAIMS in found(engine)


@pytest.mark.parametrize(
    ("n", "state"),
    [
        (1, BatchState.REFUSED), (1, BatchState.UNKNOWN), (1, BatchState.PLANNED),
        (2, BatchState.REFUSED), (2, BatchState.CANCELLED), (2, BatchState.SPLIT),
        (4, BatchState.ACCEPTED), (4, BatchState.REFUSED), (4, BatchState.UNKNOWN),
        (4, BatchState.IN_DOUBT), (4, BatchState.CALLING),
    ],
)  # fmt: skip
def test_state_that_no_call_explains_is_found(
    engine: Engine, broadcast_id: str, n: int, state: BatchState
) -> None:
    change_batch(engine, broadcast_id, n, state=state)
    assert Found.UNEXPLAINED in found(engine)


def test_45065_on_a_first_call_explains_no_acceptance(engine: Engine, broadcast_id: str) -> None:
    change_attempt(engine, attempt(engine, broadcast_id, 1), outcome=Outcome.ALREADY_ACCEPTED)
    assert found(engine) == {Found.UNEXPLAINED}


def test_refusal_while_a_call_may_have_been_taken_is_found(engine: Engine) -> None:
    """The rule of the whole history: a later refusal is no verdict."""
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(LOST)
    later(engine)
    driver.call(said(40130))
    change_batch(engine, broadcast_id, 1, state=BatchState.REFUSED)
    assert Found.UNEXPLAINED in found(engine)


def test_outcome_without_an_end_is_found(engine: Engine, broadcast_id: str) -> None:
    change_attempt(engine, attempt(engine, broadcast_id, 1), ended_at=None)
    assert Found.TORN in found(engine)


def test_attempt_written_after_its_call_is_found(engine: Engine, broadcast_id: str) -> None:
    """A commit that came after the call, and not before it."""
    first = attempt(engine, broadcast_id, 1)
    change_attempt(
        engine, first, started_at=first.ended_at + SECOND, ended_at=first.ended_at + HOUR
    )
    assert Found.WRITTEN_LATE in found(engine)


def test_fence_that_no_driver_was_given_is_found(engine: Engine, broadcast_id: str) -> None:
    for n, number in ((1, 1), (2, 1), (2, 2), (3, 1)):
        change_attempt(engine, attempt(engine, broadcast_id, n, number), fence=2)
    assert found(engine) == {Found.FENCE}


# -- keys


def test_changed_clientmsgid_is_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 4, clientmsgid="a" * 25)
    assert found(engine) == {Found.KEY_CHANGED}


def test_call_with_the_key_of_another_batch_is_found(engine: Engine, broadcast_id: str) -> None:
    other = ledger.batch(engine, broadcast_id, 1).clientmsgid
    change_attempt(engine, attempt(engine, broadcast_id, 2, 2), clientmsgid=other)
    assert told(engine, Found.KEY_OF_CALL).facts["number"] == 2


def test_changed_content_is_found_by_the_keys(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(engine, broadcast_id, content='{"msgtype": "text", "text": {"content": "x"}}')
    assert found(engine) == {Found.KEY_CHANGED}


# -- stops


def test_repeat_under_pause_is_found(engine: Engine, broadcast_id: str) -> None:
    controls.pause(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, HOUR)
    controls.resume(engine, broadcast_id, who=WHO)
    assert found(engine) == set()
    at = moved_at(engine, broadcast_id, BroadcastState.PAUSED) + SECOND
    change_attempt(engine, attempt(engine, broadcast_id, 2, 2), started_at=at, ended_at=at)
    assert Found.NOT_RUNNING in found(engine)


@pytest.mark.parametrize("before", [timedelta(0), HOUR])
def test_call_before_the_plan_was_proved_is_found(engine: Engine, before: timedelta) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    ledger.pass_time(engine, HOUR)
    ledger.planned(engine, broadcast_id)
    Driver(engine).call(said(0, msg_id=1))
    assert found(engine) == set()
    at = moved_at(engine, broadcast_id, BroadcastState.PLANNING) + SECOND - before
    change_attempt(engine, attempt(engine, broadcast_id, 1), started_at=at)
    assert Found.NOT_RUNNING in found(engine)


def test_call_after_cancel_is_found(engine: Engine, broadcast_id: str) -> None:
    controls.cancel(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    at = moved_at(engine, broadcast_id, BroadcastState.CANCELLED) + SECOND
    change_attempt(engine, attempt(engine, broadcast_id, 2, 2), started_at=at, ended_at=at)
    assert {Found.CANCELLED, Found.NOT_RUNNING} <= found(engine)


@pytest.mark.parametrize("lifted", [True, False])
def test_call_under_a_halt_is_found(engine: Engine, broadcast_id: str, lifted: bool) -> None:
    controls.halt(engine, None, who=WHO)
    ledger.pass_time(engine, HOUR)
    with engine.connect() as connection:
        halted = connection.scalar(select(Lane.halted_at))
    if lifted:
        controls.unhalt(engine, None, who=WHO)
    assert found(engine) == set()
    assert halted is not None
    at = halted + SECOND
    change_attempt(engine, attempt(engine, broadcast_id, 2, 2), started_at=at, ended_at=at)
    assert Found.HALTED in found(engine)


def test_call_after_wechat_stopped_the_account_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(said(48001))
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    first = attempt(engine, broadcast_id, 1)
    at = first.ended_at + SECOND
    change_attempt(engine, first, started_at=at, ended_at=at)
    assert Found.HALTED in found(engine)


def test_repeat_after_23_hours_is_found(engine: Engine, broadcast_id: str) -> None:
    first = attempt(engine, broadcast_id, 2)
    early = first.started_at - REPEAT_WINDOW
    change_attempt(engine, first, started_at=early + 10 * SECOND)
    assert Found.WINDOW not in found(engine)
    change_attempt(engine, first, started_at=early)
    assert Found.WINDOW in found(engine)


# -- histories


def history_of(engine: Engine, broadcast_id: str, n: int) -> list[Any]:
    """Return the events of a batch."""
    with engine.connect() as connection:
        batch_id = ledger.batch(engine, broadcast_id, n).id
        query = select(Event.__table__).where(Event.batch_id == batch_id).order_by(Event.id)
        return list(connection.execute(query).all())


def test_state_that_no_move_led_to_is_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 1, state=BatchState.FINISHED)
    assert found(engine) == {Found.LAST}


def test_illegal_move_is_found(engine: Engine, broadcast_id: str) -> None:
    (event,) = history_of(engine, broadcast_id, 1)
    change(engine, Event, Event.id == event.id, detail='{"old": "split", "new": "accepted"}')
    assert {Found.ILLEGAL, Found.GAP} <= found(engine)


def test_call_of_an_accepted_batch_is_found_by_its_history(
    engine: Engine, broadcast_id: str
) -> None:
    """The claim writes no line; that the batch left *calling* once more shows it."""
    (event,) = history_of(engine, broadcast_id, 1)
    again = dict(event._mapping)
    del again["id"]
    with engine.begin() as connection:
        connection.execute(insert(Event).values(**again))
    assert {Found.ILLEGAL, Found.CLAIMS} <= found(engine)


def test_line_that_is_missing_from_a_history_is_found(engine: Engine, broadcast_id: str) -> None:
    first, _ = history_of(engine, broadcast_id, 2)
    remove(engine, Event, Event.id == first.id)
    assert {Found.CLAIMS} <= found(engine)


def test_illegal_move_of_a_broadcast_is_found(engine: Engine, broadcast_id: str) -> None:
    with engine.begin() as connection:
        last = connection.scalar(
            select(Event.id)
            .where(Event.broadcast_id == broadcast_id, Event.kind == "broadcast.move")
            .order_by(Event.id.desc())
            .limit(1)
        )
        connection.execute(
            update(Event)
            .where(Event.id == last)
            .values(detail='{"old": "completed", "new": "sending"}')
        )
    assert {Found.ILLEGAL, Found.GAP} == found(engine)


# -- one call at a time


def test_calls_of_one_driver_that_overlap_are_found(engine: Engine, broadcast_id: str) -> None:
    first = attempt(engine, broadcast_id, 1)
    late = attempt(engine, broadcast_id, 2)
    at = late.started_at + SECOND
    change_attempt(engine, first, ended_at=at)
    (event,) = history_of(engine, broadcast_id, 1)
    change(engine, Event, Event.id == event.id, at=at)
    one = told(engine, Found.OVERLAP)
    assert (one.n, one.facts["other_n"]) == (2, 1)
    alone = audit.audit(engine, broadcast_id, waits=WAITS).findings
    assert [finding.found for finding in alone] == [Found.OVERLAP]


def test_call_beside_one_that_never_ended_is_found(engine: Engine) -> None:
    """One driver who begins a call before the end of the one before."""
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.claim()
    driver.call(said(0, msg_id=1))
    assert found(engine) == {Found.NO_END}
    assert told(engine, Found.NO_END).broadcast_id == broadcast_id


def test_lane_that_changed_hands_under_a_running_call_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    first = Driver(engine)
    claim = first.claim()
    with engine.begin() as connection:
        connection.execute(update(Lane).values(leased_until=None))
    ledger.pass_time(engine, SECOND)
    second = Driver(engine, owner="too early")
    second.call(said(0, msg_id=1))
    ledger.pass_time(engine, SECOND)
    first.record(claim, said(0, msg_id=1))
    assert Found.OVERLAP in found(engine)
    assert ledger.batch(engine, broadcast_id).attempts == 2


def test_driver_who_called_after_he_was_replaced_is_found(
    engine: Engine, broadcast_id: str
) -> None:
    change(engine, Lane, Lane.account == "default", fence=5)
    change_attempt(engine, attempt(engine, broadcast_id, 1), fence=5)
    assert found(engine) == {Found.OLD_FENCE}


# -- stuck


def test_call_whose_driver_is_gone_for_long_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).claim()
    ledger.pass_time(engine, lanes.LEASE + 2 * SECOND)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert Found.CALLING in found(engine)
    assert told(engine, Found.CALLING).broadcast_id == broadcast_id


def test_orphan_that_the_next_driver_did_not_adopt_is_found(engine: Engine) -> None:
    ledger.broadcast(engine)
    driver = Driver(engine)
    driver.claim()
    change(engine, Lane, Lane.account == "default", fence=driver.held.fence + 1)
    assert found(engine) == {Found.CALLING}


def test_lane_that_nobody_rings_for_is_found(engine: Engine, broadcast_id: str) -> None:
    ledger.pass_time(engine, HOUR)
    assert found(engine) == {Found.LANE}
    controls.pause(engine, broadcast_id, who=WHO)
    assert found(engine) == set()


def test_plan_that_nobody_rings_for_is_found(engine: Engine) -> None:
    ledger.published(engine, ledger.body())
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert found(engine) == {Found.PLAN}


def test_scheduled_broadcast_that_nobody_launches_is_found(engine: Engine) -> None:
    at = moment(engine) + HOUR
    ledger.published(engine, ledger.body(at=at))
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert found(engine) == {Found.SCHEDULE}


def test_doubt_that_nobody_holds_after_23_hours_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(LOST)
    controls.pause(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, REPEAT_WINDOW)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert found(engine) == {Found.DOUBT}


def test_upload_that_was_left_is_found(engine: Engine) -> None:
    upload = ledger.upload(engine, ledger.body())
    ledger.pass_time(engine, HOUR)
    assert found(engine) == set()
    ledger.pass_time(engine, HOUR)
    assert told(engine, Found.UPLOAD).broadcast_id == upload
    submits.abandon(engine, upload)
    assert found(engine) == set()


def test_many_findings_are_counted_and_not_all_kept(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.ledger.audit.findings.MOST_KEPT", 2)
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    for n in range(1, 5):
        change_batch(engine, broadcast_id, n, clientmsgid=str(n) * 25)
    done = audit.audit_all(engine, waits=WAITS)
    assert (len(done.findings), done.counts[audit.Check.KEYS]) == (2, 4)
