"""Which access_token a call was refused for: one refused twice says nothing about the account.

Revision ID: 5e2b7c90d1f4
Revises: 6b0d92e7a41c

"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "5e2b7c90d1f4"
down_revision = "6b0d92e7a41c"
branch_labels = None
depends_on = None

FINGERPRINT = (
    sa.String(8)
    .with_variant(mysql.VARCHAR(8, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
    .with_variant(postgresql.VARCHAR(8, collation="C"), "postgresql")
)


def upgrade() -> None:
    """Add the column; of refusals until now it is not known."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("attempts")}
    # MySQL keeps the column when the upgrade is cut short: the next run goes on from there.
    if "token_fingerprint" not in there:
        op.add_column("attempts", sa.Column("token_fingerprint", FINGERPRINT, nullable=True))


def downgrade() -> None:
    """Forget it."""
    with op.batch_alter_table("attempts") as table:
        table.drop_column("token_fingerprint")
