"""The calls of a day: proved, reserved, remembered."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast import day
from broadcast.errors import PlanError
from broadcast.plan import Fit, Quota
from broadcast.plan.submission import Terms
from models import QuotaDay
from models.ledger import quotas, submits
from tests.kit import ledger
from tests.kit.ledger import Driver, body, figures, published, said, upload

HUNDRED = Quota(daily_limit=100, used=0, remain=100)
TERMS = Terms(who="tests")


def test_of_two_plans_for_the_last_hundred_calls_one_gets_them(engine: Engine) -> None:
    texts = [body(text="甲"), body(text="乙")]
    ids = [upload(engine, text) for text in texts]
    told = ledger.publish_together(engine, ids, texts, quota=HUNDRED, calls=100)
    assert sorted(told) == ["published", "refused"]


def test_plan_that_does_not_fit_is_refused_with_the_figures(engine: Engine) -> None:
    published(engine, body(), batches=10, quota=HUNDRED)
    text = body(text="别的")
    broadcast_id = upload(engine, text)
    with pytest.raises(PlanError) as caught:
        submits.publish(
            engine, broadcast_id, text, figures=figures(size=20, batches=91), terms=TERMS,
            quota=HUNDRED,
        )  # fmt: skip
    facts = caught.value.facts
    assert (facts["calls"], facts["free"], facts["days"]) == (91, 90, 2)
    spread = Terms(who="tests", spread_days=True)
    submits.abandon(engine, broadcast_id)
    proof = submits.dry_run(engine, text, calls=91, terms=spread, quota=HUNDRED)
    assert (proof.fit, proof.days) == (Fit.SPREADS, 2)


def test_calls_that_were_made_are_not_reserved_twice(engine: Engine) -> None:
    """quota/get has counted them; what waits is what is reserved."""
    ledger.broadcast(engine, batches=4, quota=HUNDRED)
    assert reserved(engine) == 4
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    assert reserved(engine) == 3
    driver.call(said(40003))
    assert reserved(engine) == 4, "the halves of a batch are calls of their own"
    driver.call(said(45009))
    assert reserved(engine) == 4


def reserved(engine: Engine, on: datetime | None = None) -> int:
    with engine.connect() as connection:
        return quotas.reserved(connection, "default", but=None, on=on)


def test_scheduled_broadcasts_are_held_against_their_own_day(engine: Engine) -> None:
    tomorrow = day.turn(datetime.now(UTC)) + timedelta(hours=20)
    none_left = Quota(daily_limit=100, used=100, remain=0)
    published(engine, body(at=tomorrow), batches=60 // 6, quota=none_left)
    assert reserved(engine) == 0
    assert reserved(engine, tomorrow) == 10
    for calls, fit in ((90, Fit.FITS), (91, Fit.TOO_MANY)):
        text = body(text="别的", at=tomorrow + timedelta(hours=1))
        proof = submits.dry_run(engine, text, calls=calls, terms=TERMS, quota=none_left)
        assert proof.fit is fit
    later = body(text="别的", at=tomorrow + timedelta(days=1))
    assert submits.dry_run(engine, later, calls=100, terms=TERMS, quota=none_left).fit is Fit.FITS


def test_quota_of_the_day_is_kept_once(engine: Engine) -> None:
    together = threading.Barrier(4)

    def race(n: int) -> None:
        together.wait()
        quota = Quota(daily_limit=100, used=n, remain=100 - n)
        quotas.remember(engine, ledger.account(), quota)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(race, range(4)))
    with engine.connect() as connection:
        [row] = connection.execute(select(QuotaDay.__table__)).all()
    assert row.used + row.remain == 100
    assert row.day == datetime.now(day.SHANGHAI).date().isoformat()
