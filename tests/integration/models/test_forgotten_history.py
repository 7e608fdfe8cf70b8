"""The history is a log that decides nothing: without it the ledger goes on as it would have."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine, delete

from models.every_table import Event
from models.ledger.lane import claims
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import SOON
from tests.integration.models.words import WHO, doubt, resolve
from tests.kit import ledger
from tests.kit.ledger import Driver, said


def test_what_people_and_workers_do_is_the_same_without_a_line_of_history(engine: Engine) -> None:
    assert story(engine, "without", forget) == story(engine, "with", lambda _: None)


def forget(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(Event))


def story(engine: Engine, account: str, before_each: Callable[[Engine], None]) -> list[object]:
    """Resume, resolve, retry and call one broadcast; return what came of each."""
    owner = ledger.account(account)
    broadcast_id = ledger.broadcast(engine, size=40, batches=4, owner=owner)
    driver = Driver(engine, account)
    doubt(driver)
    driver.call(said(43004))
    operator.pause(engine, broadcast_id, who=WHO)
    before_each(engine)
    resumed = operator.resume(engine, broadcast_id, who=WHO, quota=ledger.PLENTY)
    before_each(engine)
    resolved = resolve(engine, broadcast_id, None)
    before_each(engine)
    retried = retries.retry(engine, broadcast_id, who=WHO)
    before_each(engine)
    ledger.pass_time(engine, SOON)
    work = driver.next()
    claim = claims.claim(engine, driver.lease, work)
    assert claim is not None
    before_each(engine)
    verdict = driver.record(claim, said(0, msg_id=7)).verdict
    told = broadcast_reports.report(engine, broadcast_id)
    rows = ledger.batches(engine, broadcast_id)
    return [
        resumed,
        (resolved.changed, resolved.state),
        retried.goes,
        (work.n, claim.number),
        verdict,
        (told.state, told.batches, told.recipients),
        [(row.n, row.state, row.reason) for row in rows],
    ]
