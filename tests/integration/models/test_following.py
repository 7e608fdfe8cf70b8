"""Whoever follows a broadcast gets each state that it was in, whether they look often or once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.states import BroadcastState
from models.accounts import Lane
from models.engine import open_engine
from models.ledger.outcomes import resolves
from models.ledger.plan import plans
from models.ledger.steer import operator, retries, sweeps
from models.ledger.views.broadcast_reports import Followed
from tests.integration.models import stories
from tests.kit import ledger, template
from tests.kit.effort import Effortmeter
from tests.kit.ledger import Driver, said

WHO = "tests"
Step = Callable[[Engine, str], object]

S = BroadcastState


def _pause(engine: Engine, one: str) -> object:
    return operator.pause(engine, one, who=WHO)


def _resume(engine: Engine, one: str) -> object:
    return operator.resume(engine, one, who=WHO)


def _cancel(engine: Engine, one: str) -> object:
    return operator.cancel(engine, one, who=WHO)


def _halt(engine: Engine, _: str) -> object:
    return operator.halt(engine, None, who=WHO)


def _unhalt(engine: Engine, _: str) -> object:
    return operator.unhalt(engine, None, who=WHO)


def _plan(engine: Engine, one: str) -> object:
    return ledger.planned(engine, one)


def _accepted(engine: Engine, _: str) -> object:
    return _driver(engine).call(said(0, msg_id=1))


def _refused(engine: Engine, _: str) -> object:
    return _driver(engine).call(said(43004))


def _stopped(engine: Engine, _: str) -> object:
    ledger.stop(engine, ledger.account())
    return None


def _doubt(engine: Engine, _: str) -> object:
    stories.doubt(_driver(engine))
    return None


def _driver(engine: Engine) -> Driver:
    """Drive the lane, whoever drove it before."""
    with engine.begin() as connection:
        connection.execute(update(Lane).values(leased_until=None))
    return Driver(engine)


def _not_sent(engine: Engine, one: str) -> object:
    return resolves.resolve(engine, one, 1, verdict=NotSent(), who=WHO)


def _retry(engine: Engine, one: str) -> object:
    return retries.retry(engine, one, who=WHO)


STORIES: dict[str, list[Step]] = {
    "sent": [_plan, _accepted],
    "paused before and after its plan": [_pause, _plan, _resume, _pause, _resume, _accepted],
    "paused under a halt": [_plan, _halt, _pause, _unhalt, _halt, _resume, _unhalt, _accepted],
    "stopped by WeChat": [_plan, _stopped, _pause, _unhalt, _resume, _accepted],
    "cancelled under a pause": [_pause, _plan, _cancel],
    "refused, and tried again": [_plan, _refused, _retry, _pause, _resume, _accepted],
    "in doubt, and resolved": [_plan, _doubt, _not_sent, _retry, _accepted],
}


@pytest.mark.parametrize("story", STORIES)
def test_each_state_is_seen_once_by_who_looks_often_and_by_who_looks_once(
    engine: Engine, story: str
) -> None:
    one = ledger.published(engine, ledger.body(size=2), size=2, batches=1)
    often, late = Followed(engine, one), Followed(engine, one)
    seen = [change.state for change in often.see().became]
    for step in STORIES[story]:
        step(engine, one)
        found = often.see()
        seen += [change.state for change in found.became]
        assert often.past is not None
        assert often.past.state is seen[-1] is found.report.state, step
    at_last = late.see()

    assert [change.state for change in at_last.became] == seen
    assert [change.cursor for change in at_last.became] == sorted(
        {change.cursor for change in at_last.became}
    )
    assert seen[0] is S.PLANNING
    assert all(one is not other for one, other in itertools.pairwise(seen))


def test_what_stood_before_the_submit_counts(engine: Engine) -> None:
    ledger.broadcast(engine, key="the account is known")
    operator.halt(engine, None, who=WHO)
    one = ledger.published(engine, ledger.body(key="halted", text="halted"))
    operator.unhalt(engine, None, who=WHO)

    seen = [change.state for change in Followed(engine, one).see().became]

    assert seen == [S.HELD, S.PLANNING]


def test_its_time_is_a_change_although_nobody_wrote_it(engine: Engine) -> None:
    at = datetime.now(UTC) + timedelta(seconds=1.5)
    one = ledger.published(engine, ledger.body(at=at))
    followed = Followed(engine, one)
    first = followed.see()
    assert first.became[-1].state is S.SCHEDULED
    assert followed.past is not None
    assert followed.past.opens_at() == first.report.scheduled_at
    while not (seen := followed.see()).became:
        assert seen.report.state is S.SCHEDULED
    assert [change.state for change in seen.became] == [S.PLANNING]
    assert seen.became[0].cursor.step == 1
    sweeps.launch_due(engine)
    assert followed.see().became == []
    assert plans.to_plan(engine, one) is not None


def test_a_look_at_what_is_the_same_is_one_statement(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    engine = open_engine(url)
    meter = Effortmeter(engine)
    one = ledger.broadcast(engine)
    followed = Followed(engine, one)
    followed.see()

    looks = meter.of(lambda: [followed.version() for _ in range(100)])
    engine.dispose()

    # With its BEGIN.
    assert looks.statements <= 200
