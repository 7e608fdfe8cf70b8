"""First tables.

Revision ID: 3f6a1c9d2b70
Revises:

"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

revision = "3f6a1c9d2b70"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
PACKED = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(
    mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)


def ascii_(length: int) -> TypeEngine[str]:
    """Return the type of case-sensitive names, keys and OpenIDs."""
    on_mysql = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    on_postgresql = postgresql.VARCHAR(length, collation="C")
    return (
        sa.String(length)
        .with_variant(on_mysql, "mysql", "mariadb")
        .with_variant(on_postgresql, "postgresql")
    )


def words(length: int) -> TypeEngine[str]:
    """Return the type of words of people."""
    on_mysql = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(on_mysql, "mysql", "mariadb")


def upgrade() -> None:
    _accounts()
    _lanes()
    _quota_days()
    _broadcasts()
    _skipped()
    _packs()
    _batches()
    _attempts()
    _events()


def downgrade() -> None:
    for table in (
        "events", "attempts", "batches", "packs", "skipped", "broadcasts", "quota_days", "lanes",
        "accounts",
    ):  # fmt: skip
        # Indexes and constraints go with their table.
        op.drop_table(table)


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", ascii_(64), nullable=False),
        sa.Column("appid", ascii_(64), nullable=False),
        sa.Column("kind", ascii_(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_accounts"),
    )


def _lanes() -> None:
    op.create_table(
        "lanes",
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", ascii_(128), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("not_before", MOMENT, nullable=True),
        sa.Column("wait_reason", ascii_(32), nullable=True),
        sa.Column("stopped_at", MOMENT, nullable=True),
        sa.Column("stop_reason", ascii_(32), nullable=True),
        sa.Column("stop_errcode", sa.Integer(), nullable=True),
        sa.Column("stop_errmsg", words(512), nullable=True),
        sa.Column("halted_at", MOMENT, nullable=True),
        sa.Column("halted_by", words(128), nullable=True),
        sa.Column("woken_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("account", name="pk_lanes"),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name="fk_lanes_account_accounts"),
    )


def _quota_days() -> None:
    op.create_table(
        "quota_days",
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("day", ascii_(10), nullable=False),
        sa.Column("daily_limit", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("remain", sa.Integer(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "day", name="pk_quota_days"),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.name"], name="fk_quota_days_account_accounts"
        ),
    )


def _broadcasts() -> None:
    figures = (
        "read", "malformed", "duplicate", "suppressed", "excluded", "unsubscribed", "capped",
        "sampled_out", "planned", "calls_planned",
    )  # fmt: skip
    op.create_table(
        "broadcasts",
        sa.Column("id", ascii_(32), nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("key", words(128), nullable=False),
        sa.Column("state", ascii_(32), nullable=False),
        sa.Column("reason", ascii_(32), nullable=True),
        sa.Column("reason_errcode", sa.Integer(), nullable=True),
        sa.Column("reason_errmsg", words(512), nullable=True),
        sa.Column("msgtype", ascii_(16), nullable=False),
        sa.Column("content", LONG_TEXT, nullable=False),
        sa.Column("content_digest", ascii_(64), nullable=False),
        sa.Column("audience_digest", ascii_(64), nullable=False),
        *(sa.Column(figure, sa.Integer(), nullable=False) for figure in figures),
        sa.Column("spread_days", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("scheduled_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", words(128), nullable=False),
        sa.Column("uploading_at", MOMENT, nullable=True),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.Column("cancelled_at", MOMENT, nullable=True),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("woken_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_broadcasts"),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.name"], name="fk_broadcasts_account_accounts"
        ),
        sa.UniqueConstraint("key", name="uq_broadcasts_key"),
    )
    op.create_index("ix_broadcasts_account_state", "broadcasts", ["account", "state"])
    op.create_index("ix_broadcasts_state", "broadcasts", ["state"])
    op.create_index(
        "ix_broadcasts_repeat", "broadcasts", ["account", "content_digest", "audience_digest"]
    )


def _skipped() -> None:
    op.create_table(
        "skipped",
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("reason", ascii_(32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("sample", LONG_TEXT, nullable=False),
        sa.Column("openids", PACKED, nullable=True),
        sa.PrimaryKeyConstraint("broadcast_id", "reason", name="pk_skipped"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcasts.id"], name="fk_skipped_broadcast_id_broadcasts"
        ),
    )


def _packs() -> None:
    op.create_table(
        "packs",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("first_openid", ascii_(28), nullable=False),
        sa.Column("last_openid", ascii_(28), nullable=False),
        sa.Column("openids", PACKED, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_packs"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcasts.id"], name="fk_packs_broadcast_id_broadcasts"
        ),
        sa.UniqueConstraint("broadcast_id", "n", name="uq_packs_broadcast_id_n"),
    )


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("pack_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("state", ascii_(32), nullable=False),
        sa.Column("reason", ascii_(32), nullable=True),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("errmsg", words(512), nullable=True),
        sa.Column("clientmsgid", ascii_(32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=True),
        sa.Column("first_called_at", MOMENT, nullable=True),
        sa.Column("msg_id", sa.BigInteger(), nullable=True),
        sa.Column("msg_data_id", sa.BigInteger(), nullable=True),
        sa.Column("poll_at", MOMENT, nullable=True),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.Column("msg_status", ascii_(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcasts.id"], name="fk_batches_broadcast_id_broadcasts"
        ),
        sa.ForeignKeyConstraint(["pack_id"], ["packs.id"], name="fk_batches_pack_id_packs"),
        sa.ForeignKeyConstraint(["parent_id"], ["batches.id"], name="fk_batches_parent_id_batches"),
        sa.UniqueConstraint("broadcast_id", "n", name="uq_batches_broadcast_id_n"),
        sa.UniqueConstraint("account", "clientmsgid", name="uq_batches_account_clientmsgid"),
    )
    op.create_index("ix_batches_account_state", "batches", ["account", "state"])
    op.create_index("ix_batches_account_msg_id", "batches", ["account", "msg_id"])
    op.create_index("ix_batches_poll_at", "batches", ["poll_at"])
    op.create_index("ix_batches_pack_id", "batches", ["pack_id"])
    op.create_index("ix_batches_parent_id", "batches", ["parent_id"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("claim", ascii_(32), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", ascii_(128), nullable=False),
        sa.Column("clientmsgid", ascii_(32), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("outcome", ascii_(32), nullable=True),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("errmsg", words(512), nullable=True),
        sa.Column("rid", ascii_(64), nullable=True),
        sa.Column("msg_id", sa.BigInteger(), nullable=True),
        sa.Column("msg_data_id", sa.BigInteger(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("transport", ascii_(32), nullable=True),
        sa.Column("elapsed_ms", sa.Integer(), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_attempts_batch_id_batches"),
        sa.UniqueConstraint("claim", name="uq_attempts_claim"),
        sa.UniqueConstraint("batch_id", "number", name="uq_attempts_batch_id_number"),
    )
    op.create_index("ix_attempts_account_msg_id", "attempts", ["account", "msg_id"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("account", ascii_(64), nullable=True),
        sa.Column("broadcast_id", ascii_(32), nullable=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", ascii_(32), nullable=False),
        sa.Column("who", words(128), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_broadcast_id_id", "events", ["broadcast_id", "id"])
