"""A key that WeChat no longer knows keeps nothing from going out twice: whoever repeats is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.states import BatchState
from entrypoints.cli.commands import resolve
from models.ledger.outcomes import resolves
from models.ledger.outcomes.resolves import Resolved
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import lost_then
from tests.kit import ledger
from tests.kit.ledger import Driver, said

pytestmark = pytest.mark.every_database

HOUR = timedelta(hours=1)


def not_sent(engine: Engine, broadcast_id: str) -> Resolved:
    return resolves.resolve(engine, broadcast_id, 1, verdict=NotSent(), who="tests")


@pytest.fixture
def doubtful(driver: Driver, broadcast_id: str) -> str:
    """A broadcast whose first batch was refused a day ago, lost just now, and is in doubt."""
    driver.call(said(45009))
    ledger.pass_time(driver.engine, 30 * HOUR)
    lost_then(Driver(driver.engine, owner="second"), said(48001))
    operator.unhalt(driver.engine, None, who="tests")
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.IN_DOUBT
    return broadcast_id


@pytest.mark.parametrize(("hours", "warned"), [(22, False), (24, True)])
def test_not_sent_and_retry_warn_once_wechat_no_longer_knows_the_key(
    engine: Engine, doubtful: str, hours: int, *, warned: bool
) -> None:
    ledger.pass_time(engine, hours * HOUR)
    word = not_sent(engine, doubtful)
    done = retries.retry(engine, doubtful, who="tests")
    assert [list(group.numbers) for group in done.groups_of(RetryVerdict.AGAIN)] == [[1]]
    assert (word.forgotten is not None, set(done.forgotten)) == (warned, {1} if warned else set())
    report = broadcast_reports.report(engine, doubtful)
    told = [*resolve.resolved(doubtful, word), *resolve.retried(report, done)]
    beware = [line.id for line in told if "forgotten" in line.id]
    assert beware == (["resolve.forgotten", "retry.forgotten_one"] if warned else [])
    if warned:
        assert word.forgotten is not None
        assert 24 * HOUR < word.forgotten < 25 * HOUR


def test_retry_counts_from_the_call_and_not_from_the_word(engine: Engine, doubtful: str) -> None:
    assert not_sent(engine, doubtful).forgotten is None
    ledger.pass_time(engine, 24 * HOUR)
    assert set(retries.retry(engine, doubtful, who="tests").forgotten) == {1}


def test_retry_of_what_wechat_refused_does_not_warn_however_old_it_is(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=4, batches=2)
    Driver(engine).call(said(43004))
    ledger.pass_time(engine, 48 * HOUR)
    done = retries.retry(engine, broadcast_id, who="tests")
    assert done.groups_of(RetryVerdict.AGAIN)
    assert not done.forgotten
