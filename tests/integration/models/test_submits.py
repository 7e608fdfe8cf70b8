"""An audience is stored out of sight and published by one flip, once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, delete, func, select

from broadcast.errors import ConflictError, PlanError, RepeatedSendError
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan import submission
from broadcast.rules.plan.proof import Fit, Quota
from broadcast.rules.plan.submission import Terms
from broadcast.rules.states import BroadcastState, Phase, Reason
from broadcast.views.texts import LANGUAGES, Texts
from models.every_table import Base, BroadcastRow, ChunkRow, Reservation, Skipped, Submission
from models.ledger.lane.next_work import Kind
from models.ledger.lists import recipients, uploads
from models.ledger.plan import plans
from models.ledger.steer import operator, sweeps
from models.ledger.submit import publication, submits
from models.ledger.views import broadcast_reports
from tests.kit import dates, ledger
from tests.kit.ledger import Driver, body, figures, published, said, upload

pytestmark = pytest.mark.every_database

HUNDRED = Quota(daily_limit=100, used=0, remain=100)
TERMS = Terms(who="tests")


def stored(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        return (
            connection.scalar(select(func.count()).select_from(BroadcastRow)) or 0,
            connection.scalar(select(func.count()).select_from(ChunkRow)) or 0,
        )


def test_upload_is_seen_as_such_and_touched_by_nobody_before_the_flip(engine: Engine) -> None:
    text = body()
    broadcast_id = upload(engine, text)
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.phase) == (BroadcastState.UPLOADING, Phase.UPLOADING)
    assert [(one.id, one.state) for one in broadcast_reports.reports(engine)] == [
        (broadcast_id, BroadcastState.UPLOADING)
    ]
    assert sweeps.due(engine) == sweeps.Wakes()
    assert plans.to_plan(engine, broadcast_id) is None
    for command in (operator.pause, operator.resume, operator.cancel):
        with pytest.raises(ConflictError, match="uploading"):
            command(engine, broadcast_id, who="a person")
    submits.publish(
        engine, broadcast_id, text, figures=figures(size=20, batches=2), terms=TERMS, quota=None
    )
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PLANNING
    assert sweeps.due(engine).plans == [broadcast_id]


def test_same_key_and_body_is_the_same_broadcast(engine: Engine) -> None:
    text = body(key="one")
    assert submits.find(engine, text) is None
    broadcast_id = published(engine, text)
    assert submits.find(engine, body(key="one")) == broadcast_id


@pytest.mark.parametrize("other", [body(key="one", size=30), body(key="one", text="别的")])
def test_same_key_and_another_body_is_refused(engine: Engine, other: submission.Body) -> None:
    broadcast_id = published(engine, body(key="one"))
    with pytest.raises(ConflictError) as caught:
        submits.find(engine, other)
    assert caught.value.facts["id"] == broadcast_id


SOON = dates.ahead(30).astimezone(UTC)


@pytest.mark.parametrize(
    ("first", "second"), [(None, SOON), (SOON, None), (SOON, SOON + timedelta(minutes=1))]
)
def test_same_key_for_another_time_is_another_body(
    engine: Engine, first: datetime | None, second: datetime | None
) -> None:
    broadcast_id = published(engine, body(key="one", at=first))
    with pytest.raises(ConflictError, match=broadcast_id) as caught:
        submits.find(engine, body(key="one", at=second))
    assert caught.value.message_id == "error.submit.other_time"
    # Facts, not words: whoever reads them has a language.
    assert (caught.value.facts["stored"], caught.value.facts["at"]) == (
        first or publication.KEYS_AT_ONCE,
        second or publication.KEYS_AT_ONCE,
    )
    assert submits.find(engine, body(key="one", at=first)) == broadcast_id


def test_same_moment_written_in_another_zone_is_the_same_body(engine: Engine) -> None:
    broadcast_id = published(engine, body(key="one", at=SOON))
    there = SOON.astimezone(timezone(timedelta(hours=8)))
    assert submits.find(engine, body(key="one", at=there)) == broadcast_id


def test_key_is_an_accounts_own(engine: Engine) -> None:
    """Another team's account of the same installation has its own words for its keys."""
    first = published(engine, body(key="one"))
    other = body(key="one", text="别的", owner=ledger.account("other"))
    assert submits.find(engine, other) is None
    second = published(engine, other)
    assert first != second
    assert submits.find(engine, other) == second
    assert submits.find(engine, body(key="one")) == first


def test_key_says_what_it_was_used_for_when_its_broadcast_is_gone(engine: Engine) -> None:
    """A retention removes broadcasts; a key that came back by then must not send anew."""
    broadcast_id = published(engine, body(key="one"))
    with engine.begin() as connection:
        for table in (ChunkRow, Reservation):
            connection.execute(delete(table).where(table.broadcast_id == broadcast_id))
        connection.execute(delete(BroadcastRow).where(BroadcastRow.id == broadcast_id))
    with pytest.raises(ConflictError, match=broadcast_id) as caught:
        submits.find(engine, body(key="one", text="别的"))
    assert caught.value.message_id == "error.submit.key_taken"
    with pytest.raises(ConflictError):
        submits.begin(engine, body(key="one", size=30), who="another")
    with pytest.raises(submission.PublishedMeanwhileError) as there:
        submits.begin(engine, body(key="one"), who="another")
    assert there.value.id == broadcast_id
    assert stored(engine) == (0, 0)


def test_of_fifty_uploads_under_one_key_one_is_published_and_the_others_leave_nothing(
    engine: Engine,
) -> None:
    text = body(key="one")
    together = threading.Barrier(50)
    what = figures(size=20, batches=2)

    def race(n: int) -> tuple[str, bool]:
        broadcast_id = submits.begin(engine, text, who=f"person {n}")
        together.wait()
        try:
            uploads.add_chunks(engine, broadcast_id, ledger.chunks(ledger.openids(20)))
            submits.publish(engine, broadcast_id, text, figures=what, terms=TERMS, quota=HUNDRED)
        except submission.PublishedMeanwhileError as there:
            uploads.abandon(engine, broadcast_id)
            return there.id, False
        return broadcast_id, True

    with ThreadPoolExecutor(50) as threads:
        told = list(threads.map(race, range(50)))

    assert len({broadcast_id for broadcast_id, _ in told}) == 1
    assert [first for _, first in told].count(True) == 1
    assert stored(engine) == (1, 3)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Submission)) == 1
        assert connection.scalar(select(func.sum(Reservation.calls))) == 2


def test_another_body_under_a_key_that_was_published_during_its_upload_is_refused(
    engine: Engine,
) -> None:
    text, other = body(key="one"), body(key="one", text="别的")
    broadcast_id = upload(engine, other)
    first = published(engine, text)
    with pytest.raises(ConflictError, match=first):
        submits.publish(
            engine,
            broadcast_id,
            other,
            figures=figures(size=20, batches=2),
            terms=TERMS,
            quota=None,
        )
    assert submits.find(engine, text) == first


def test_begin_under_a_key_that_was_published_meanwhile_tells_by_whom(engine: Engine) -> None:
    text = body(key="one")
    broadcast_id = published(engine, text)
    with pytest.raises(submission.PublishedMeanwhileError) as caught:
        submits.begin(engine, text, who="another")
    assert caught.value.id == broadcast_id
    with pytest.raises(ConflictError, match=broadcast_id):
        submits.begin(engine, body(key="one", text="别的"), who="another")
    assert stored(engine)[0] == 1


def test_same_send_under_another_key_is_refused_for_a_day(engine: Engine) -> None:
    first = published(engine, body())
    with pytest.raises(RepeatedSendError) as caught:
        published(engine, body(), again=False)
    assert caught.value.facts["id"] == first
    with pytest.raises(RepeatedSendError):
        submits.dry_run(
            engine, body(), figures=figures(size=20, batches=2), terms=TERMS, quota=None
        )
    for other in (body(text="别的"), body(size=30), body(owner=ledger.account("other"))):
        published(engine, other, again=False)
    published(engine, body(), again=True)


def test_same_send_is_no_repeat_after_a_day_or_after_a_cancel(engine: Engine) -> None:
    first = published(engine, body())
    operator.cancel(engine, first, who="a person")
    second = published(engine, body(), again=False)
    ledger.planned(engine, second)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(0, msg_id=2))
    ledger.pass_time(engine, timedelta(hours=24, seconds=1))
    published(engine, body(), again=False)


def test_send_that_has_not_ended_is_a_repeat_however_old_it_is(engine: Engine) -> None:
    first = published(engine, body())
    ledger.pass_time(engine, timedelta(hours=48))
    with pytest.raises(RepeatedSendError) as caught:
        published(engine, body(), again=False)
    assert caught.value.facts["id"] == first


def test_send_that_was_cancelled_after_a_call_is_a_repeat(engine: Engine) -> None:
    """Somebody may have got it."""
    first = ledger.broadcast(engine)
    Driver(engine).call(said(0, msg_id=1))
    operator.cancel(engine, first, who="a person")
    with pytest.raises(RepeatedSendError):
        published(engine, body(), again=False)


def test_of_two_that_publish_the_same_send_at_once_one_is_refused(engine: Engine) -> None:
    texts = [body(), body()]
    ids = [upload(engine, text) for text in texts]
    assert sorted(ledger.publish_together(engine, ids, texts, quota=None)) == [
        "published",
        "refused",
    ]


def test_scheduled_broadcast_is_launched_when_its_time_has_come(engine: Engine) -> None:
    at = datetime.now(UTC) + timedelta(hours=2)
    broadcast_id = published(engine, body(at=at))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.SCHEDULED
    assert sweeps.launch_due(engine) == []
    ledger.pass_time(engine, timedelta(hours=2, seconds=1))
    assert sweeps.launch_due(engine) == [broadcast_id]
    assert sweeps.launch_due(engine) == []
    assert plans.to_plan(engine, broadcast_id) is not None


def test_skipped_lines_are_kept_with_their_reason(engine: Engine) -> None:
    text = body()
    broadcast_id = upload(engine, text)
    what = figures(
        size=20, batches=2, malformed=(2, [(3, "没有"), (9, "x,y")]), duplicate=(1, [(4, "oA")])
    )
    submits.publish(engine, broadcast_id, text, figures=what, terms=TERMS, quota=None)
    skipped = recipients.skipped(engine, broadcast_id)
    assert {one.reason: one.lines for one in skipped} == {
        "malformed": [(3, "没有"), (9, "x,y")],
        "duplicate": [(4, "oA")],
    }
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.audience["read"] == 23
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(Skipped.count))) == 3


# -- plans


def test_plan_is_cut_once_however_often_it_is_begun(engine: Engine) -> None:
    broadcast_id = published(engine, body(size=240), size=240, batches=120)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    cuts = plans.cuts_of(engine, row)

    def add(_n: int) -> bool:
        return plans.add_batches(engine, row, ledger.account(), cuts=cuts)

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(add, range(3))) == [True] * 3
    before = ledger.batches(engine, broadcast_id)
    assert len(before) == 120
    assert plans.open_for_calls(engine, row, ledger.account(), cuts=cuts, quota=None) is not None
    assert plans.to_plan(engine, broadcast_id) is None
    assert plans.open_for_calls(engine, row, ledger.account(), cuts=cuts, quota=None) is None
    assert not add(0)
    assert len({batch.clientmsgid for batch in before}) == 120


def test_key_of_a_batch_is_the_same_in_a_restored_database(engine: Engine) -> None:
    keys = []
    for _ in range(2):
        broadcast_id = ledger.broadcast(engine, key="one", size=20, batches=2)
        keys.append([batch.clientmsgid for batch in ledger.batches(engine, broadcast_id)])
        with engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                if table.name not in {"bc_accounts", "bc_lanes", "bc_installation"}:
                    connection.execute(delete(table))
    assert keys[0] == keys[1]
    assert {len(key) for key in keys[0]} == {25}


def test_plan_that_fits_no_more_is_held_and_goes_on_after_resume(engine: Engine) -> None:
    broadcast_id = published(engine, body(), batches=4, quota=HUNDRED)
    # Too few for any day, so that it is not waited for the turn of this one.
    few = Quota(daily_limit=3, used=1, remain=2)
    proof = ledger.planned(engine, broadcast_id, quota=few)
    assert proof is not None
    assert proof.fit is Fit.TOO_MANY
    told = broadcast_reports.report(engine, broadcast_id)
    hold = told.gate(GateKind.HOLD)
    assert hold is not None
    assert (told.state, hold.reason) == (BroadcastState.HELD, Reason.PLAN_DOES_NOT_FIT)
    assert told.recipients["waiting"] == 20
    with pytest.raises(PlanError):
        operator.resume(engine, broadcast_id, who="a person", quota=few)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.HELD
    assert operator.resume(engine, broadcast_id, who="a person", quota=HUNDRED)
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.WAITING
    assert Driver(engine).next().kind is Kind.CALL


def test_error_of_the_ledger_has_its_words_in_both_languages(engine: Engine) -> None:
    published(engine, body(key="one"))
    with pytest.raises(ConflictError) as conflict:
        submits.find(engine, body(key="one", text="别的"))
    with pytest.raises(RepeatedSendError) as repeated:
        submits.dry_run(
            engine, body(), figures=figures(size=20, batches=2), terms=TERMS, quota=None
        )
    for language in LANGUAGES:
        for caught in (conflict, repeated):
            assert "\n" not in Texts(language)(caught.value)
