"""Nobody is erased of whom something may still be sent, and nothing changes then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, insert, select, update

from broadcast.errors import ConflictError
from broadcast.rules.dead_letters import LetterState
from broadcast.rules.suppressions import SuppressionKind
from models.every_table import (
    Batch,
    DeadLetterRow,
    OutboxRow,
    Suppression,
)
from models.ledger.followers import follower_syncs
from models.ledger.steer import operator
from tests.integration.models.test_erasures import (
    NOW,
    ONE,
    WHO,
    accepted,
    call,
    erase,
    everywhere,
    where,
)
from tests.kit import ledger
from tests.kit.ledger import LOST


def planning(engine: Engine) -> None:
    ledger.published(engine, ledger.body(size=40), size=40)


def waiting(engine: Engine) -> None:
    ledger.broadcast(engine, size=40)


def doubtful(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40)
    call(engine, LOST)
    operator.cancel(engine, broadcast_id, who=WHO)


def asked_for(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            insert(OutboxRow).values(id="1", who="x", body=f'["{ONE}"]', created_at=NOW, tries=0)
        )


def syncing(engine: Engine) -> None:
    follower_syncs.begin(engine, ledger.account(), who=WHO)


def dead(engine: Engine) -> None:
    with engine.connect() as connection:
        broadcast_id = connection.scalars(select(Batch.broadcast_id)).first()
    everywhere(engine, ONE, str(broadcast_id))
    with engine.begin() as connection:
        connection.execute(update(DeadLetterRow).values(state=LetterState.DEAD))


@pytest.mark.parametrize(
    ("lay_out", "problem"),
    [
        (planning, "error.person.open"),
        (waiting, "error.person.open"),
        (doubtful, "error.person.in_doubt"),
        (asked_for, "error.person.outbox"),
        (syncing, "error.person.syncing"),
        (dead, "error.person.dead_letter"),
    ],
)
def test_erasing_is_refused_while_it_may_still_be_sent_and_changes_nothing(
    engine: Engine, lay_out: Callable[[Engine], None], problem: str
) -> None:
    accepted(engine)
    lay_out(engine)
    before = where(engine, ONE)

    with pytest.raises(ConflictError) as refused:
        erase(engine)

    assert refused.value.message_id == problem
    assert where(engine, ONE) == before
    with engine.connect() as connection:
        erased = Suppression.kind == SuppressionKind.ERASED
        assert connection.execute(select(Suppression.openid).where(erased)).all() == []
        assert connection.scalars(select(Batch.erased).distinct()).all() == [0]
