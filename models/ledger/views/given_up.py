"""Counts of what only a person has go on, beside the broadcasts."""

from __future__ import annotations

from sqlalchemy import Connection, column, func, select, table

from broadcast.frozen import frozen
from models.ledger.rows.transaction import reading


@frozen
class GivenUp:
    """How many there are of each."""

    webhooks: int
    notices: int
    #: Of campaigns, held.
    runs: int


@reading
def given_up(connection: Connection) -> GivenUp:
    """Count them in one statement."""
    return GivenUp(**connection.execute(_COUNTS).mappings().one())


#: A glance needs no more of these tables than their states: it does not map them.
_COUNTS = select(
    *(
        select(func.count())
        .select_from(table(name))
        .where(column("state") == state)
        .scalar_subquery()
        .label(label)
        for label, name, state in (
            ("webhooks", "bc_webhooks", "given_up"),
            ("notices", "bc_notices", "given_up"),
            ("runs", "bc_launches", "held"),
        )
    )
)
