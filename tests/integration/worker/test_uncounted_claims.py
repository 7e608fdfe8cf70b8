"""A claim that Redis did not count: nothing is called, and the batch is as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import pytest
from sqlalchemy import select

from broadcast.errors import RedisAwayError
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import BatchState, Reason
from models.every_table import AttemptRow, Lane
from tests.integration.worker.test_slices import WeChat, context
from tests.kit import ledger
from worker.delivery import lane

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Forgetful:
    """Redis lost its counts, or has a newer one."""

    def count(self, account: str, number: int, claim: str) -> bool:
        assert (account, number) == ("default", 1)
        assert claim
        return False


class Away:
    """Redis does not answer."""

    def count(self, account: str, number: int, claim: str) -> NoReturn:
        raise RedisAwayError("error.redis.away", address="redis://", reason=f"{account} {number}")


@pytest.mark.parametrize("counter", [Forgetful(), Away()])
def test_nothing_is_called_and_the_claim_is_given_back(
    engine: Engine, counter: Forgetful | Away
) -> None:
    broadcast_id = ledger.broadcast(engine, size=20, batches=2)
    wechat = WeChat()

    done = lane.drive(replace(context(engine, wechat), counter=counter), seconds=2)

    assert wechat.keys == []
    assert ledger.states(engine, broadcast_id) == {BatchState.PLANNED: 2}
    with engine.connect() as connection:
        assert connection.scalars(select(AttemptRow.outcome)).all() == [Outcome.NOT_CALLED]
        waits = connection.scalar(select(Lane.wait_reason))
    assert waits == (Reason.REDIS_AWAY if isinstance(counter, Away) else None)
    # The next slice looks why.
    assert done.again is isinstance(counter, Forgetful)
