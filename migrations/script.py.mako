"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}

Before you commit this revision:

- Read it line by line; autogenerate sees no CHECK constraint, no renamed column and no data.
- One small step: MySQL and MariaDB commit each statement, and an upgrade that fails or is killed
  leaves the first half. `migrations/env.py` lets it be run again: a table, column, index or
  constraint that exists is left, one that is dropped may be gone. What `op.execute` does, do so
  that a second time does no harm and does not fail, and never by two changes in one ALTER. A new
  column of an *expand* revision has no constraint: that is a second statement.
- Workers of the release before run while it does, and go on after an *expand* revision: it adds
  tables, indexes and columns that are nullable or have a server default, and no more. What those
  workers cannot work beside (a drop, a new type, a word that they do not know) is a *contract*
  revision one release later, which sets `oldest_compatible` of `bc_installation` to its own number;
  they stop then. A rename is an addition, a copy and, later, a drop. `make check` holds revisions
  to what they say (`tools/migration_rules.py`).
- A statement that locks a big table waits for 10 s at most and then fails. On PostgreSQL add a
  constraint as NOT VALID first. Move data in portions outside of the migration.
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
KIND = "expand"


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
