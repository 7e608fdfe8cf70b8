"""When the last word on an attempt was stored, apart from when its call ended.

Revision ID: 6b0d92e7a41c
Revises: 4d17c05e2f8a

"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "6b0d92e7a41c"
down_revision = "4d17c05e2f8a"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Add the column; until now a later word took the place of the end of its call."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("attempts")}
    # MySQL keeps the column when the copy fails: the next run goes on from there.
    if "outcome_recorded_at" not in there:
        op.add_column("attempts", sa.Column("outcome_recorded_at", MOMENT, nullable=True))
    attempts = sa.table("attempts", sa.column("ended_at"), sa.column("outcome_recorded_at"))
    op.execute(sa.update(attempts).values(outcome_recorded_at=attempts.c.ended_at))


def downgrade() -> None:
    """Forget when it was heard; a call keeps its end."""
    with op.batch_alter_table("attempts") as table:
        table.drop_column("outcome_recorded_at")
