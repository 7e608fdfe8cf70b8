"""An audience is stored out of sight and published by one flip, once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import IntegrityError

from broadcast.call.attempts import Reason
from broadcast.errors import (
    ConflictError,
    InputError,
    RepeatedSendError,
    UnknownIdError,
)
from broadcast.plan import Fit, Quota, submission
from broadcast.plan.submission import Terms
from broadcast.states import BroadcastState
from models import BroadcastRow, Pack, Skipped
from models.ledger import operator, plans, submits, sweeps
from models.ledger.reading import reports
from tests.kit import ledger
from tests.kit.ledger import Driver, body, figures, published, said, upload

HUNDRED = Quota(daily_limit=100, used=0, remain=100)
TERMS = Terms(who="tests")


def stored(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        return (
            connection.scalar(select(func.count()).select_from(BroadcastRow)) or 0,
            connection.scalar(select(func.count()).select_from(Pack)) or 0,
        )


def test_upload_is_seen_by_nobody_before_the_flip(engine: Engine) -> None:
    text = body()
    broadcast_id = upload(engine, text)
    with pytest.raises(UnknownIdError):
        reports.report(engine, broadcast_id)
    assert reports.reports(engine) == []
    assert sweeps.due(engine).plans == []
    with pytest.raises(UnknownIdError):
        operator.pause(engine, broadcast_id, who="a person")
    submits.publish(
        engine, broadcast_id, text, figures=figures(size=20, batches=2), terms=TERMS, quota=None
    )
    assert reports.report(engine, broadcast_id).state is BroadcastState.PLANNING
    assert sweeps.due(engine).plans == [broadcast_id]


def test_same_key_and_body_is_the_same_broadcast(engine: Engine) -> None:
    text = body(key="one")
    assert submits.find(engine, text) is None
    broadcast_id = published(engine, text)
    assert submits.find(engine, body(key="one")) == broadcast_id


@pytest.mark.parametrize(
    "other",
    [body(key="one", size=30), body(key="one", text="别的"),
     body(key="one", owner=ledger.account("other"))],
)  # fmt: skip
def test_same_key_and_another_body_is_refused(engine: Engine, other: submission.Body) -> None:
    broadcast_id = published(engine, body(key="one"))
    with pytest.raises(ConflictError) as caught:
        submits.find(engine, other)
    assert caught.value.facts["id"] == broadcast_id


SOON = datetime(2031, 1, 2, 12, tzinfo=UTC)


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
    assert submits.find(engine, body(key="one", at=first)) == broadcast_id


def test_same_moment_written_in_another_zone_is_the_same_body(engine: Engine) -> None:
    broadcast_id = published(engine, body(key="one", at=SOON))
    there = SOON.astimezone(timezone(timedelta(hours=8)))
    assert submits.find(engine, body(key="one", at=there)) == broadcast_id


def test_key_that_is_being_uploaded_is_told_as_such(engine: Engine) -> None:
    text = body(key="one")
    upload(engine, text)
    with pytest.raises(InputError) as caught:
        submits.find(engine, text)
    assert caught.value.message_id == "error.submit.uploading"
    with pytest.raises(InputError) as caught:
        submits.begin(engine, text, who="another")
    assert caught.value.message_id == "error.submit.uploading"


def test_of_many_that_begin_under_one_key_one_uploads(engine: Engine) -> None:
    text = body(key="one")
    together = threading.Barrier(6)

    def race(n: int) -> str | None:
        together.wait()
        try:
            return submits.begin(engine, text, who=f"person {n}")
        except InputError:
            return None

    with ThreadPoolExecutor(6) as threads:
        begun = [one for one in threads.map(race, range(6)) if one]
    assert len(begun) == 1
    assert stored(engine)[0] == 1


def test_begin_names_the_upload_that_is_under_way(engine: Engine) -> None:
    text = body(key="one")
    broadcast_id = upload(engine, text)
    with pytest.raises(InputError) as caught:
        submits.begin(engine, text, who="another")
    assert caught.value.facts == {"key": "one", "id": broadcast_id}


def test_begin_under_a_key_that_was_published_meanwhile_tells_by_whom(engine: Engine) -> None:
    text = body(key="one")
    broadcast_id = published(engine, text)
    with pytest.raises(submission.PublishedMeanwhileError) as caught:
        submits.begin(engine, text, who="another")
    assert caught.value.id == broadcast_id
    with pytest.raises(ConflictError, match=broadcast_id):
        submits.begin(engine, body(key="one", text="别的"), who="another")
    assert stored(engine)[0] == 1


def test_id_that_is_taken_is_no_taken_key(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["20261125-aaaaaa"] * 3 + ["20261125-bbbbbb"] + ["20261125-aaaaaa"] * 9)
    monkeypatch.setattr(submits, "_new_id", lambda _moment: next(ids))
    upload(engine, body(key="one"))
    assert submits.begin(engine, body(key="two"), who="tests") == "20261125-bbbbbb"
    # It is not tried for ever, and what the database said is not told as something else.
    with pytest.raises(IntegrityError):
        submits.begin(engine, body(key="three"), who="tests")
    assert stored(engine)[0] == 2


def test_dead_upload_is_taken_over_and_its_owner_notices(engine: Engine) -> None:
    text = body(key="one")
    dead = upload(engine, text)
    ledger.pass_time(engine, submits.UPLOAD_DEAD + timedelta(seconds=1))
    assert submits.find(engine, text) is None
    second = upload(engine, text, batches=4)
    assert second != dead
    assert stored(engine) == (1, 4)
    with pytest.raises(InputError) as caught:
        submits.add_packs(engine, dead, ledger.portions(ledger.openids(4), [2, 2]))
    assert caught.value.message_id == "error.submit.taken_over"
    with pytest.raises(InputError):
        submits.publish(
            engine, dead, text, figures=figures(size=20, batches=2), terms=TERMS, quota=None
        )


def test_living_upload_is_not_taken_over_or_swept(engine: Engine) -> None:
    text = body(key="one")
    broadcast_id = upload(engine, text)
    ledger.pass_time(engine, timedelta(minutes=59))
    submits.add_packs(engine, broadcast_id, [ledger.Portion(3, ledger.openids(2))])
    ledger.pass_time(engine, timedelta(seconds=30))
    assert sweeps.forget_uploads(engine) == 0
    with pytest.raises(InputError):
        submits.find(engine, text)


def test_upload_that_died_an_hour_ago_is_swept(engine: Engine) -> None:
    upload(engine, body())
    done = published(engine, body())
    ledger.pass_time(engine, timedelta(hours=1, seconds=1))
    assert sweeps.forget_uploads(engine) == 1
    assert sweeps.forget_uploads(engine) == 0
    assert reports.report(engine, done).audience["planned"] == 20
    assert stored(engine) == (1, 2)


def test_upload_that_was_abandoned_leaves_nothing(engine: Engine) -> None:
    broadcast_id = upload(engine, body())
    submits.abandon(engine, broadcast_id)
    assert stored(engine) == (0, 0)


def test_same_send_under_another_key_is_refused_for_a_day(engine: Engine) -> None:
    first = published(engine, body())
    with pytest.raises(RepeatedSendError) as caught:
        published(engine, body(), again=False)
    assert caught.value.facts["id"] == first
    with pytest.raises(RepeatedSendError):
        submits.dry_run(engine, body(), calls=2, terms=TERMS, quota=None)
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
    assert reports.report(engine, broadcast_id).state is BroadcastState.SCHEDULED
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
    assert reports.skipped(engine, broadcast_id) == {
        "malformed": [(3, "没有"), (9, "x,y")],
        "duplicate": [(4, "oA")],
    }
    told = reports.report(engine, broadcast_id)
    assert told.audience["read"] == 23
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(Skipped.count))) == 3


# -- plans


def test_plan_is_cut_once_however_often_it_is_begun(engine: Engine) -> None:
    broadcast_id = published(engine, body(), size=240, batches=120)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    with ThreadPoolExecutor(3) as threads:
        counts = list(
            threads.map(lambda _: plans.add_batches(engine, row, ledger.account()), range(3))
        )
    assert counts == [120, 120, 120]
    before = ledger.batches(engine, broadcast_id)
    assert len(before) == 120
    assert plans.open_for_calls(engine, row, ledger.account(), quota=None) is not None
    assert plans.to_plan(engine, broadcast_id) is None
    assert plans.open_for_calls(engine, row, ledger.account(), quota=None) is None
    assert len({batch.clientmsgid for batch in before}) == 120


def test_key_of_a_batch_is_the_same_in_a_restored_database(engine: Engine) -> None:
    keys = []
    for _ in range(2):
        broadcast_id = ledger.broadcast(engine, key="one", size=20, batches=2)
        keys.append([batch.clientmsgid for batch in ledger.batches(engine, broadcast_id)])
        with engine.begin() as connection:
            for table in ("events", "batches", "packs", "broadcasts"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
    assert keys[0] == keys[1]
    assert {len(key) for key in keys[0]} == {25}


def test_plan_that_fits_no_more_is_held_and_goes_on_after_resume(engine: Engine) -> None:
    broadcast_id = published(engine, body(), batches=4, quota=HUNDRED)
    # Too few for any day, so that it is not waited for the turn of this one.
    few = Quota(daily_limit=3, used=1, remain=2)
    proof = ledger.planned(engine, broadcast_id, quota=few)
    assert proof is not None
    assert proof.fit is Fit.TOO_MANY
    told = reports.report(engine, broadcast_id)
    assert (told.state, told.reason) == (BroadcastState.HELD, Reason.PLAN_DOES_NOT_FIT)
    assert told.recipients["waiting"] == 20
    operator.resume(engine, broadcast_id, who="a person")
    ledger.planned(engine, broadcast_id, quota=HUNDRED)
    assert reports.report(engine, broadcast_id).state is BroadcastState.WAITING


def test_error_of_the_ledger_has_its_words_in_both_languages(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(engine, body(key="one"))
    for language in ("zh", "en"):
        monkeypatch.setenv("BROADCAST_LANG", language)
        with pytest.raises(ConflictError) as conflict:
            submits.find(engine, body(key="one", text="别的"))
        with pytest.raises(RepeatedSendError) as repeated:
            submits.dry_run(engine, body(), calls=2, terms=TERMS, quota=None)
        for caught in (conflict, repeated):
            assert str(caught.value)
            assert "\n" not in str(caught.value)
