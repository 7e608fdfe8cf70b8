"""The calls of an account's days: proved, reserved, taken, given back and carried over."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from broadcast import day
from broadcast.errors import PlanError
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.plan.proof import Fit, Quota
from broadcast.rules.plan.submission import Terms
from broadcast.rules.states import BatchState, BroadcastState
from broadcast.views.texts import LANGUAGES, Language, Texts
from models.engine import now
from models.every_table import Reservation
from models.ledger.gates import quotas
from models.ledger.lists import uploads
from models.ledger.outcomes import resolves
from models.ledger.rows.transaction import write
from models.ledger.steer import operator, retries, sweeps
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.integration.models.still_clock import StillClock
from tests.integration.models.stories import lost_then, take_over
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, body, figures, published, said, upload

HUNDRED = Quota(daily_limit=100, used=0, remain=100)
TERMS = Terms(who="tests")
WHO = "a person"


def days(engine: Engine, broadcast_id: str | None = None) -> dict[str, int]:
    """Return the calls that are held on each day, by one broadcast or by all."""
    query = select(Reservation.day, func.sum(Reservation.calls)).group_by(Reservation.day)
    if broadcast_id is not None:
        query = query.where(Reservation.broadcast_id == broadcast_id)
    with engine.connect() as connection:
        return {on: int(calls) for on, calls in connection.execute(query.order_by(Reservation.day))}


def held(engine: Engine, broadcast_id: str | None = None, later: int = 0) -> int:
    """Return the calls that are held on the day after so many."""
    with engine.connect() as connection:
        on = quotas.day_of(now(connection) + timedelta(days=later))
    return days(engine, broadcast_id).get(on, 0)


def test_of_two_plans_for_the_last_hundred_calls_one_gets_them(engine: Engine) -> None:
    texts = [body(text="甲"), body(text="乙")]
    ids = [upload(engine, text) for text in texts]
    told = ledger.publish_together(engine, ids, texts, quota=HUNDRED, calls=100)
    assert sorted(told) == ["published", "refused"]


def test_of_two_that_are_resumed_for_the_last_calls_at_once_one_gets_them(engine: Engine) -> None:
    """Both were stored while WeChat could not be asked, and both did not fit."""
    few = Quota(daily_limit=1, used=1, remain=0)
    ids = [published(engine, body(text=text), quota=None) for text in ("甲", "乙")]
    for broadcast_id in ids:
        ledger.planned(engine, broadcast_id, quota=few)
    last = Quota(daily_limit=100, used=97, remain=3)
    together = threading.Barrier(2)

    def race(broadcast_id: str) -> str:
        together.wait()
        try:
            operator.resume(engine, broadcast_id, who=WHO, quota=last)
        except PlanError:
            return "refused"
        return "resumed"

    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(race, ids))

    assert sorted(told) == ["refused", "resumed"]
    assert held(engine) == 2


def test_resume_in_the_middle_of_a_call_does_not_hold_that_call_again(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=3)
    driver = Driver(engine)
    claim = driver.claim()
    operator.pause(engine, broadcast_id, who=WHO)

    operator.resume(engine, broadcast_id, who=WHO, quota=HUNDRED)

    assert held(engine) == 2
    driver.record(claim, LOST)
    assert held(engine) == 3, "it is called once more"


def test_plan_that_does_not_fit_is_refused_with_the_figures_and_who_holds_the_calls(
    engine: Engine,
) -> None:
    small = published(engine, body(text="小"), batches=2, quota=HUNDRED)
    large = published(engine, body(), batches=8, quota=HUNDRED)
    text = body(text="别的")
    broadcast_id = upload(engine, text)
    with pytest.raises(PlanError) as caught:
        submits.publish(
            engine,
            broadcast_id,
            text,
            figures=figures(size=20, batches=91),
            terms=TERMS,
            quota=HUNDRED,
        )
    facts = caught.value.facts
    assert (facts["calls"], facts["free"], facts["days"]) == (91, 90, 2)
    assert facts["holders"] == f"{large}, {small}"
    spread = Terms(who="tests", spread_days=True)
    uploads.abandon(engine, broadcast_id)
    proof = submits.dry_run(
        engine, text, figures=figures(size=20, batches=91), terms=spread, quota=HUNDRED
    )
    assert (proof.fit, proof.days) == (Fit.SPREADS, 2)


@pytest.mark.parametrize("language", LANGUAGES)
def test_refused_plan_names_the_holders_in_both_languages(
    engine: Engine, language: Language
) -> None:
    words = Texts(language)
    three = Quota(daily_limit=3, used=0, remain=3)
    first = published(engine, body(text="小"), batches=2, quota=three)
    with pytest.raises(PlanError) as caught:
        published(engine, body(), batches=2, quota=three)
    assert first in words(caught.value)
    operator.cancel(engine, first, who=WHO)
    with pytest.raises(PlanError) as alone:
        published(engine, body(), batches=4, quota=three)
    assert alone.value.message_id == "error.plan.too_many"
    assert words(alone.value)


def test_each_call_takes_one_and_what_must_be_called_again_gives_it_back(engine: Engine) -> None:
    """quota/get has counted what was called; what waits is what is reserved."""
    ledger.broadcast(engine, size=40, batches=4, quota=HUNDRED)
    assert held(engine) == 4
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    assert held(engine) == 3
    driver.call(said(40003))
    assert held(engine) == 4, "the halves of a batch are calls of their own"
    claim = driver.claim()
    assert held(engine) == 3
    driver.record(claim, CallResult(outcome=Outcome.NOT_CALLED))
    assert held(engine) == 4, "a claim that was given back called nobody"
    driver.call(LOST)
    assert held(engine) == 4, "its repeat is a call"
    driver.record(claim, CallResult(outcome=Outcome.NOT_CALLED))
    assert held(engine) == 4, "a fact that is stored twice gives nothing back twice"


def test_lost_call_that_is_answered_late_holds_no_call_for_its_repeat(engine: Engine) -> None:
    ledger.broadcast(engine, batches=2, quota=HUNDRED)
    driver = Driver(engine)
    claim = driver.claim()
    take_over(driver)
    assert held(engine) == 2
    driver.record(claim, said(0, msg_id=1))
    assert held(engine) == 1


def test_paused_and_held_broadcasts_keep_their_calls(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=4, quota=HUNDRED)
    Driver(engine).call(said(0, msg_id=1))
    operator.pause(engine, broadcast_id, who=WHO)
    assert held(engine, broadcast_id) == 3
    operator.halt(engine, "default", who=WHO)
    assert held(engine, broadcast_id) == 3
    with pytest.raises(PlanError):
        published(
            engine, body(text="别的"), batches=8, quota=Quota(daily_limit=100, used=90, remain=10)
        )


def test_calls_are_freed_at_rest_and_by_a_cancel(engine: Engine) -> None:
    done = ledger.broadcast(engine, size=4, batches=2, quota=HUNDRED)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(40130))
    assert broadcast_reports.report(engine, done).state is BroadcastState.PARTIAL
    cancelled = ledger.broadcast(engine, batches=2, quota=HUNDRED)
    unplanned = published(engine, body(text="别的"), quota=HUNDRED)
    for broadcast_id in (cancelled, unplanned):
        operator.cancel(engine, broadcast_id, who=WHO)
    assert days(engine) == {}


def test_retried_batch_is_counted_as_a_call_that_is_to_come(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=4, batches=2, quota=HUNDRED)
    driver = Driver(engine)
    driver.call(said(43004))
    driver.call(said(0, msg_id=1))
    assert held(engine) == 0
    retries.retry(engine, broadcast_id, who=WHO)
    assert held(engine) == 1
    driver.call(said(43004))
    assert held(engine) == 0


def test_doubt_that_a_person_settles_holds_no_call(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=2, quota=HUNDRED)
    driver = Driver(engine)
    lost_then(driver, said(40130))
    assert ledger.states(engine, broadcast_id)[BatchState.IN_DOUBT] == 1
    assert held(engine) == 1
    resolves.resolve(engine, broadcast_id, 1, verdict=NotSent(), who=WHO)
    assert held(engine) == 1


def test_broadcast_that_spreads_holds_calls_on_each_of_its_days(
    still: tuple[Engine, StillClock],
) -> None:
    engine, _ = still
    broadcast_id = published(
        engine, body(), batches=10, quota=Quota(daily_limit=4, used=1, remain=3), spread=True
    )
    assert list(days(engine, broadcast_id).values()) == [3, 4, 3]
    with pytest.raises(PlanError):
        published(
            engine, body(text="别的"), batches=2, quota=Quota(daily_limit=4, used=0, remain=4)
        )
    # Its days are its own: what another spreads goes around them.
    second = published(
        engine,
        body(text="也"),
        batches=2,
        quota=Quota(daily_limit=4, used=0, remain=4),
        spread=True,
    )
    assert list(days(engine, second).values()) == [1, 1]
    assert [held(engine, second, later) for later in range(3)] == [1, 0, 1]


def test_end_of_the_day_frees_what_was_held_on_it(still: tuple[Engine, StillClock]) -> None:
    engine, clock = still
    paused = ledger.broadcast(engine, batches=4, quota=HUNDRED)
    operator.pause(engine, paused, who=WHO)
    whole = Quota(daily_limit=4, used=0, remain=4)
    with pytest.raises(PlanError):
        published(engine, body(text="别的"), batches=4, quota=whole)
    clock.pass_(timedelta(days=1))
    published(engine, body(text="别的"), batches=4, quota=whole)
    with pytest.raises(PlanError) as caught:
        operator.resume(engine, paused, who=WHO, quota=whole)
    assert caught.value.facts["free"] == 0
    assert broadcast_reports.report(engine, paused).state is BroadcastState.PAUSED
    operator.resume(engine, paused, who=WHO, quota=HUNDRED)
    assert held(engine, paused) == 4


def test_calls_of_the_day_that_was_over_too_soon_are_held_on_the_next(
    still: tuple[Engine, StillClock],
) -> None:
    """45009: WeChat has none left, so every broadcast of the account goes on tomorrow."""
    engine, clock = still
    first = ledger.broadcast(engine, batches=4, quota=HUNDRED)
    clock.pass_(timedelta(seconds=1))
    second = ledger.broadcast(engine, batches=2, quota=HUNDRED)
    clock.pass_(timedelta(seconds=1))
    spreads = ledger.broadcast(engine, size=30, batches=3, quota=HUNDRED)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(45009))
    assert [held(engine, one, later=1) for one in (first, second, spreads)] == [3, 2, 3]
    clock.pass_(timedelta(hours=13))
    driver = Driver(engine)
    driver.call(said(0, msg_id=2))
    assert [held(engine, one) for one in (first, second, spreads)] == [2, 2, 3]


def test_broadcast_that_spreads_carries_over_what_it_could_not_call_today(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still
    broadcast_id = ledger.published(
        engine, body(), batches=10, quota=Quota(daily_limit=4, used=1, remain=3), spread=True
    )
    ledger.planned(engine, broadcast_id, quota=Quota(daily_limit=4, used=1, remain=3))
    assert list(days(engine, broadcast_id).values()) == [3, 4, 3]
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(45009))
    clock.pass_(timedelta(hours=13))
    assert [held(engine, broadcast_id, later) for later in range(2)] == [6, 3]


def test_broadcast_that_waited_for_another_days_calls_is_not_late_for_that(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still
    ledger.broadcast(engine, batches=2, quota=HUNDRED)
    Driver(engine).call(said(45009))
    text = body(text="别的")
    broadcast_id = upload(engine, text)
    submits.publish(
        engine,
        broadcast_id,
        text,
        figures=figures(size=20, batches=1),
        terms=Terms(who="tests", priority=1),
        quota=HUNDRED,
    )
    ledger.planned(engine, broadcast_id)
    clock.pass_(timedelta(hours=12, minutes=1))
    Driver(engine).call(said(0, msg_id=1))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.COMPLETED


def test_scheduled_broadcasts_are_held_against_their_own_day(engine: Engine) -> None:
    tomorrow = day.turn(datetime.now(UTC)) + timedelta(hours=20)
    none_left = Quota(daily_limit=100, used=100, remain=0)
    published(engine, body(at=tomorrow), batches=10, quota=none_left)
    assert held(engine) == 0
    assert list(days(engine).values()) == [10]
    for calls, fit in ((90, Fit.FITS), (91, Fit.TOO_MANY)):
        text = body(text="别的", at=tomorrow + timedelta(hours=1))
        what = figures(size=20, batches=calls)
        proof = submits.dry_run(engine, text, figures=what, terms=TERMS, quota=none_left)
        assert proof.fit is fit
    later = body(text="别的", at=tomorrow + timedelta(days=1))
    what = figures(size=20, batches=100)
    proof = submits.dry_run(engine, later, figures=what, terms=TERMS, quota=none_left)
    assert proof.fit is Fit.FITS


def test_launch_keeps_the_calls_that_a_scheduled_broadcast_holds(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still
    at = clock.now + timedelta(days=1)
    broadcast_id = published(engine, body(at=at), batches=4, quota=HUNDRED)
    clock.pass_(timedelta(days=1, seconds=1))
    assert sweeps.launch_due(engine) == [broadcast_id]
    assert held(engine, broadcast_id) == 4
    ledger.planned(engine, broadcast_id, quota=Quota(daily_limit=100, used=96, remain=4))
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.WAITING
    assert held(engine, broadcast_id) == 4


def test_another_account_holds_nothing_of_these(engine: Engine) -> None:
    four = Quota(daily_limit=4, used=0, remain=4)
    published(engine, body(owner=ledger.account("other")), batches=4, quota=four)
    published(engine, body(), batches=4, quota=four)


def test_calls_are_held_by_a_broadcast_or_by_nobody(engine: Engine) -> None:
    wanted = quotas.ReservationRequest(
        account="default",
        path=ledger.body().audience.path,
        calls=1,
        broadcast_id=None,
        at=None,
        spread=False,
        shared=True,
    )
    with pytest.raises(ValueError, match="held by a broadcast"):
        write(
            engine,
            lambda c: quotas.reserve(
                c, wanted, quotas.prove(c, wanted, quota=HUNDRED), quota=HUNDRED
            ),
        )
