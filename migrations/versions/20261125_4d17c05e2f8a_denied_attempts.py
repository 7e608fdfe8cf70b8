"""Attempts of which a person said that WeChat did not take them.

Revision ID: 4d17c05e2f8a
Revises: 3f6a1c9d2b70

"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "4d17c05e2f8a"
down_revision = "3f6a1c9d2b70"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nobody has said anything so far."""
    op.add_column("attempts", sa.Column("denied", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Forget what was said."""
    with op.batch_alter_table("attempts") as table:
        table.drop_column("denied")
