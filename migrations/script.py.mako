"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}

Before you commit this revision:

- Read it line by line; autogenerate sees no CHECK constraint, no renamed column and no data.
- One small step: MySQL commits after every statement, so half a revision stays half done.
- Workers of the release before run while it does. Add now, drop one release later; a new column is
  nullable or has a server default. A rename is an addition, a copy and, later, a drop.
- A statement that locks a big table waits for 10 s at most and then fails. On PostgreSQL build an
  index with `postgresql_concurrently=True` inside `op.get_context().autocommit_block()`, add a
  constraint as NOT VALID first, and move data in portions outside of the migration.
- Name every constraint and index as the naming convention of `models/base.py` does.
- Import alembic and sqlalchemy only, never our models: they go on changing, a revision does not.
- Append the revision to `REVISIONS` in `models/schema.py`; then run the migration tests, which go
  up, down and up again on SQLite, PostgreSQL and MariaDB.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
