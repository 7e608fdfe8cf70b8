"""What a reply leaves open means the same to programs and to statements."""

from __future__ import annotations

from sqlalchemy import Engine, select, update

from broadcast.rules.calls.outcomes import SAID_ACCEPTED, Outcome, unanswered
from models.batch_tables import AttemptRow
from models.ledger.lane import call_history
from tests.kit import ledger
from tests.kit.ledger import Driver


def test_program_and_database_agree_on_each_outcome(engine: Engine) -> None:
    ledger.broadcast(engine)
    Driver(engine).claim()
    for outcome in (None, *Outcome):
        for denied in (None, False, True):
            with engine.begin() as connection:
                connection.execute(update(AttemptRow).values(outcome=outcome, denied=denied))
                found = [
                    connection.scalar(select(AttemptRow.id).where(condition)) is not None
                    for condition in (
                        call_history.UNANSWERED,
                        call_history.MAYBE,
                        call_history.UNDENIED,
                    )
                ]
            maybe = unanswered(outcome) or outcome in SAID_ACCEPTED
            assert found == [unanswered(outcome), maybe, not denied], (outcome, denied)
