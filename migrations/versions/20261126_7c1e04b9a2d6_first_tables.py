"""First tables.

Revision ID: 7c1e04b9a2d6
Revises:

"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

revision = "7c1e04b9a2d6"
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
    _installation()
    _accounts()
    _lanes()
    _quota_days()
    _broadcasts()
    _submissions()
    _reservations()
    _gates()
    _skipped()
    _chunks()
    _batches()
    _attempts()
    _events()
    _installed()


def downgrade() -> None:
    for table in (
        "bc_events",
        "bc_attempts",
        "bc_batches",
        "bc_chunks",
        "bc_skipped",
        "bc_gates",
        "bc_reservations",
        "bc_submissions",
        "bc_broadcasts",
        "bc_quota_days",
        "bc_lanes",
        "bc_accounts",
        "bc_installation",
    ):
        # Indexes and constraints go with their table.
        op.drop_table(table)


def _installed() -> None:
    """Say who this database is, and that programs of the first schema may work on it."""
    now = {
        "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
        "postgresql": "clock_timestamp()",
    }.get(op.get_bind().dialect.name, "utc_timestamp(6)")
    columns: list[sa.ColumnClause[object]] = [
        sa.column(name) for name in ("number", "id", "created_at", "oldest_compatible")
    ]
    op.execute(
        sa.insert(sa.table("bc_installation", *columns)).values(
            number=1, id=secrets.token_hex(16), created_at=sa.text(now), oldest_compatible=1
        )
    )


def _installation() -> None:
    op.create_table(
        "bc_installation",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", ascii_(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("oldest_compatible", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_bc_installation"),
    )


def _accounts() -> None:
    op.create_table(
        "bc_accounts",
        sa.Column("name", ascii_(64), nullable=False),
        sa.Column("appid", ascii_(64), nullable=False),
        sa.Column("kind", ascii_(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_bc_accounts"),
    )


def _lanes() -> None:
    op.create_table(
        "bc_lanes",
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", ascii_(128), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("not_before", MOMENT, nullable=True),
        sa.Column("wait_reason", ascii_(32), nullable=True),
        sa.Column("day_wait_until", MOMENT, nullable=True),
        sa.Column("doubt_wait_until", MOMENT, nullable=True),
        sa.Column("gate_counter", sa.BigInteger(), nullable=False),
        sa.Column("breaker_since", sa.BigInteger(), nullable=False),
        sa.Column("claims", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", MOMENT, nullable=True),
        sa.Column("recorded_at", MOMENT, nullable=True),
        sa.Column("due_changed_at", MOMENT, nullable=True),
        sa.Column("woken_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("account", name="pk_bc_lanes"),
        sa.ForeignKeyConstraint(
            ["account"], ["bc_accounts.name"], name="fk_bc_lanes_account_bc_accounts"
        ),
    )


def _quota_days() -> None:
    op.create_table(
        "bc_quota_days",
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("path", ascii_(32), nullable=False),
        sa.Column("day", ascii_(10), nullable=False),
        sa.Column("daily_limit", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("remain", sa.Integer(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "path", "day", name="pk_bc_quota_days"),
        sa.ForeignKeyConstraint(
            ["account"], ["bc_accounts.name"], name="fk_bc_quota_days_account_bc_accounts"
        ),
    )


def _broadcasts() -> None:
    op.create_table(
        "bc_broadcasts",
        sa.Column("id", ascii_(32), nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("key", words(128), nullable=False),
        sa.Column("title", words(256), nullable=True),
        sa.Column("phase", ascii_(32), nullable=False),
        sa.Column("result", ascii_(32), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("breaker_since", sa.BigInteger(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("msgtype", ascii_(16), nullable=False),
        sa.Column("content", LONG_TEXT, nullable=False),
        sa.Column("content_digest", ascii_(64), nullable=False),
        sa.Column("audience_kind", ascii_(16), nullable=False),
        sa.Column("audience_spec", LONG_TEXT, nullable=False),
        sa.Column("audience_digest", ascii_(64), nullable=False),
        sa.Column("path", ascii_(32), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("malformed", sa.Integer(), nullable=False),
        sa.Column("duplicate", sa.Integer(), nullable=False),
        sa.Column("suppressed", sa.Integer(), nullable=False),
        sa.Column("excluded", sa.Integer(), nullable=False),
        sa.Column("unsubscribed", sa.Integer(), nullable=False),
        sa.Column("capped", sa.Integer(), nullable=False),
        sa.Column("sampled_out", sa.Integer(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=True),
        sa.Column("subtraction", ascii_(16), nullable=True),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("calls_planned", sa.Integer(), nullable=True),
        sa.Column("spread_days", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("scheduled_at", MOMENT, nullable=True),
        sa.Column("late_by_s", sa.Integer(), nullable=False),
        sa.Column("unattended_s", sa.Integer(), nullable=False),
        sa.Column("unattended_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", words(128), nullable=False),
        sa.Column("uploading_at", MOMENT, nullable=True),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.Column("moved_at", MOMENT, nullable=True),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("woken_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_broadcasts"),
        sa.ForeignKeyConstraint(
            ["account"], ["bc_accounts.name"], name="fk_bc_broadcasts_account_bc_accounts"
        ),
    )
    op.create_index(
        "ix_bc_broadcasts_account_phase", "bc_broadcasts", ["account", "phase", "result"]
    )
    op.create_index("ix_bc_broadcasts_created_at", "bc_broadcasts", ["created_at"])
    op.create_index("ix_bc_broadcasts_due_at", "bc_broadcasts", ["due_at", "account"])
    op.create_index("ix_bc_broadcasts_phase", "bc_broadcasts", ["phase"])
    op.create_index(
        "ix_bc_broadcasts_repeat", "bc_broadcasts", ["account", "content_digest", "audience_digest"]
    )


def _submissions() -> None:
    op.create_table(
        "bc_submissions",
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("key", words(128), nullable=False),
        sa.Column("body_digest", ascii_(64), nullable=False),
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "key", name="pk_bc_submissions"),
        sa.ForeignKeyConstraint(
            ["account"], ["bc_accounts.name"], name="fk_bc_submissions_account_bc_accounts"
        ),
    )


def _reservations() -> None:
    op.create_table(
        "bc_reservations",
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("path", ascii_(32), nullable=False),
        sa.Column("day", ascii_(10), nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "path", "day", name="pk_bc_reservations"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"],
            ["bc_broadcasts.id"],
            name="fk_bc_reservations_broadcast_id_bc_broadcasts",
        ),
    )
    op.create_index("ix_bc_reservations_day", "bc_reservations", ["account", "day", "path"])


def _gates() -> None:
    op.create_table(
        "bc_gates",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("scope", ascii_(32), nullable=False),
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("path", ascii_(32), nullable=True),
        sa.Column("kind", ascii_(32), nullable=False),
        sa.Column("reason", ascii_(32), nullable=True),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("errmsg", words(512), nullable=True),
        sa.Column("closed_at", MOMENT, nullable=False),
        sa.Column("closed_by", words(128), nullable=False),
        sa.Column("why", LONG_TEXT, nullable=True),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("broadcasts", LONG_TEXT, nullable=True),
        sa.Column("closed_counter", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("opened_by", words(128), nullable=True),
        sa.Column("opened_why", LONG_TEXT, nullable=True),
        sa.Column("opened_counter", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_gates"),
        sa.ForeignKeyConstraint(
            ["account"], ["bc_accounts.name"], name="fk_bc_gates_account_bc_accounts"
        ),
    )
    op.create_index(
        "ix_bc_gates_broadcast_id", "bc_gates", ["broadcast_id", "account", "opened_at"]
    )
    op.create_index("ix_bc_gates_standing", "bc_gates", ["account", "opened_at", "broadcast_id"])


def _skipped() -> None:
    op.create_table(
        "bc_skipped",
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("reason", ascii_(32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("sample", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "reason", name="pk_bc_skipped"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["bc_broadcasts.id"], name="fk_bc_skipped_broadcast_id_bc_broadcasts"
        ),
    )


def _chunks() -> None:
    op.create_table(
        "bc_chunks",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("list", ascii_(32), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("first_openid", ascii_(28), nullable=False),
        sa.Column("last_openid", ascii_(28), nullable=False),
        sa.Column("openids", PACKED, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bc_chunks"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["bc_broadcasts.id"], name="fk_bc_chunks_broadcast_id_bc_broadcasts"
        ),
        sa.UniqueConstraint(
            "broadcast_id", "list", "start", name="uq_bc_chunks_broadcast_id_list_start"
        ),
    )


def _batches() -> None:
    op.create_table(
        "bc_batches",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("path", ascii_(32), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("list", ascii_(32), nullable=True),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=True),
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
        sa.Column("moved_counter", sa.BigInteger(), nullable=False),
        sa.Column("begins_anew", sa.Boolean(), nullable=False),
        sa.Column("settled_after", sa.Integer(), nullable=True),
        sa.Column("poll_at", MOMENT, nullable=True),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.Column("msg_status", ascii_(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_batches"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["bc_broadcasts.id"], name="fk_bc_batches_broadcast_id_bc_broadcasts"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["bc_batches.id"], name="fk_bc_batches_parent_id_bc_batches"
        ),
        sa.UniqueConstraint("account", "clientmsgid", name="uq_bc_batches_account_clientmsgid"),
        sa.UniqueConstraint("broadcast_id", "n", name="uq_bc_batches_broadcast_id_n"),
    )
    op.create_index("ix_bc_batches_account_msg_id", "bc_batches", ["account", "msg_id"])
    op.create_index("ix_bc_batches_next", "bc_batches", ["broadcast_id", "state", "n"])
    op.create_index("ix_bc_batches_parent_id", "bc_batches", ["parent_id"])
    op.create_index("ix_bc_batches_poll_at", "bc_batches", ["account", "poll_at"])
    op.create_index("ix_bc_batches_state", "bc_batches", ["state", "account"])


def _attempts() -> None:
    op.create_table(
        "bc_attempts",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("claim", ascii_(32), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("path", ascii_(32), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", ascii_(128), nullable=False),
        sa.Column("clientmsgid", ascii_(32), nullable=False),
        sa.Column("gate_counter", sa.BigInteger(), nullable=False),
        sa.Column("begins_anew", sa.Boolean(), nullable=False),
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
        sa.Column("denied", sa.Boolean(), nullable=True),
        sa.Column("outcome_recorded_at", MOMENT, nullable=True),
        sa.Column("token_fingerprint", ascii_(8), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_attempts"),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["bc_batches.id"], name="fk_bc_attempts_batch_id_bc_batches"
        ),
        sa.UniqueConstraint("batch_id", "number", name="uq_bc_attempts_batch_id_number"),
        sa.UniqueConstraint("claim", name="uq_bc_attempts_claim"),
    )
    op.create_index("ix_bc_attempts_account_msg_id", "bc_attempts", ["account", "msg_id"])


def _events() -> None:
    op.create_table(
        "bc_events",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("account", ascii_(64), nullable=True),
        sa.Column("broadcast_id", ascii_(32), nullable=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", ascii_(32), nullable=False),
        sa.Column("who", words(128), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bc_events"),
    )
    op.create_index("ix_bc_events_broadcast_id_id", "bc_events", ["broadcast_id", "id"])
