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
    _queues()
    _accounts()
    _lanes()
    _broadcasts()
    _submissions()
    _reservations()
    _media()
    _gates()
    _drafts()
    _skipped()
    _chunks()
    _batches()
    _attempts()
    _events()
    _finishes()
    _follower_syncs()
    _follower_pages()
    _follower_chunks()
    _follower_changes()
    _suppressions()
    _list_changes()
    _hand_calls()
    _pushes()
    _files()
    _dead_letters()
    _outbox()
    _api_keys()
    _webhooks()
    _uploads()
    _installed()


def downgrade() -> None:
    for table in (
        "bc_outbox",
        "bc_uploads",
        "bc_api_keys",
        "bc_webhooks",
        "bc_dead_letters",
        "bc_renewals",
        "bc_file_pieces",
        "bc_files",
        "bc_hand_calls",
        "bc_media",
        "bc_pushes",
        "bc_finishes",
        "bc_list_changes",
        "bc_suppressions",
        "bc_follower_changes",
        "bc_follower_chunks",
        "bc_follower_pages",
        "bc_follower_syncs",
        "bc_events",
        "bc_attempts",
        "bc_batches",
        "bc_chunks",
        "bc_skipped",
        "bc_drafts",
        "bc_gates",
        "bc_reservations",
        "bc_submissions",
        "bc_broadcasts",
        "bc_lanes",
        "bc_accounts",
        "bc_queues",
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


def _queues() -> None:
    op.create_table(
        "bc_queues",
        sa.Column("broker", ascii_(64), nullable=False),
        sa.Column("empty_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("broker", name="pk_bc_queues"),
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
        sa.Column("content_identity", ascii_(64), nullable=False),
        sa.Column("audience_kind", ascii_(16), nullable=False),
        sa.Column("audience_spec", LONG_TEXT, nullable=False),
        sa.Column("audience_digest", ascii_(64), nullable=False),
        sa.Column("path", ascii_(32), nullable=False),
        sa.Column("selection", LONG_TEXT, nullable=True),
        sa.Column("share_digest", ascii_(64), nullable=True),
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
        sa.Column("run_stored_at", MOMENT, nullable=True),
        sa.Column("fresh_for", ascii_(96), nullable=True),
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
        sa.Column("notify_url", ascii_(2048), nullable=True),
        sa.Column("notified_digest", ascii_(64), nullable=True),
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
    op.create_index("ix_bc_broadcasts_run_stored_at", "bc_broadcasts", ["run_stored_at"])
    op.create_index("ix_bc_broadcasts_due_at", "bc_broadcasts", ["phase", "due_at", "account"])
    op.create_index(
        "ix_bc_broadcasts_next",
        "bc_broadcasts",
        ["account", "phase", sa.column("priority").desc(), "published_at", "id"],
    )
    op.create_index(
        "ix_bc_broadcasts_repeat",
        "bc_broadcasts",
        ["account", "content_identity", "audience_digest"],
    )


def _submissions() -> None:
    op.create_table(
        "bc_submissions",
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("key", words(128), nullable=False),
        sa.Column("body_digest", ascii_(64), nullable=True),
        sa.Column("options_digest", ascii_(64), nullable=True),
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
    op.create_index(
        "ix_bc_reservations_day", "bc_reservations", ["account", "day", "path", "calls"]
    )


def _media() -> None:
    op.create_table(
        "bc_media",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("appid", ascii_(64), nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("kind", ascii_(32), nullable=False),
        sa.Column("permanent", sa.Boolean(), nullable=False),
        sa.Column("fingerprint", ascii_(64), nullable=False),
        sa.Column("name", words(255), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("media_id", ascii_(256), nullable=True),
        sa.Column("url", words(512), nullable=True),
        sa.Column("uploaded_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_media"),
    )
    op.create_index("ix_bc_media_fingerprint", "bc_media", ["appid", "fingerprint", "kind"])
    op.create_index("ix_bc_media_media_id", "bc_media", ["media_id"])


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


def _drafts() -> None:
    op.create_table(
        "bc_drafts",
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("media_id", words(256), nullable=False),
        sa.Column("approved", LONG_TEXT, nullable=True),
        sa.Column("seen", LONG_TEXT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("looked_at", MOMENT, nullable=True),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("broadcast_id", name="pk_bc_drafts"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["bc_broadcasts.id"], name="fk_bc_drafts_broadcast_id_bc_broadcasts"
        ),
    )
    op.create_index("ix_bc_drafts_looked_at", "bc_drafts", ["looked_at"])


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
        sa.Column("renewal", sa.Integer(), nullable=False),
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


def _finishes() -> None:
    op.create_table(
        "bc_finishes",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("msg_id", sa.BigInteger(), nullable=False),
        sa.Column("status", words(64), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("eligible", sa.Integer(), nullable=True),
        sa.Column("sent", sa.Integer(), nullable=True),
        sa.Column("errors", sa.Integer(), nullable=True),
        sa.Column("articles", LONG_TEXT, nullable=False),
        sa.Column("copyright", LONG_TEXT, nullable=False),
        sa.Column("check_state", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bc_finishes"),
        sa.UniqueConstraint("account", "msg_id", name="uq_bc_finishes_account_msg_id"),
    )
    op.create_index("ix_bc_finishes_received_at", "bc_finishes", ["account", "received_at"])


def _follower_syncs() -> None:
    op.create_table(
        "bc_follower_syncs",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("started_by", words(128), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("paged_at", MOMENT, nullable=True),
        sa.Column("first_page_at", MOMENT, nullable=True),
        sa.Column("next_openid", ascii_(64), nullable=True),
        sa.Column("tail", ascii_(512), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("least_total", sa.Integer(), nullable=True),
        sa.Column("most_total", sa.Integer(), nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("ended", ascii_(16), nullable=True),
        sa.Column("run", ascii_(16), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("followers", sa.Integer(), nullable=True),
        sa.Column("joined", sa.Integer(), nullable=True),
        sa.Column("left", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_follower_syncs"),
        sa.ForeignKeyConstraint(
            ["account"], ["bc_accounts.name"], name="fk_bc_follower_syncs_account_bc_accounts"
        ),
    )
    op.create_index("ix_bc_follower_syncs_account", "bc_follower_syncs", ["account", "id"])


def _follower_pages() -> None:
    op.create_table(
        "bc_follower_pages",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("sync_id", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("asked_from", ascii_(64), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("openids", PACKED, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bc_follower_pages"),
        sa.ForeignKeyConstraint(
            ["sync_id"],
            ["bc_follower_syncs.id"],
            name="fk_bc_follower_pages_sync_id_bc_follower_syncs",
        ),
        sa.UniqueConstraint("sync_id", "n", name="uq_bc_follower_pages_sync_id_n"),
    )


def _follower_chunks() -> None:
    op.create_table(
        "bc_follower_chunks",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("sync_id", sa.BigInteger(), nullable=False),
        sa.Column("run", ascii_(16), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("first_openid", ascii_(28), nullable=False),
        sa.Column("last_openid", ascii_(28), nullable=False),
        sa.Column("openids", PACKED, nullable=False),
        sa.Column("facts", PACKED, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bc_follower_chunks"),
        sa.ForeignKeyConstraint(
            ["sync_id"],
            ["bc_follower_syncs.id"],
            name="fk_bc_follower_chunks_sync_id_bc_follower_syncs",
        ),
        sa.UniqueConstraint(
            "sync_id", "run", "start", name="uq_bc_follower_chunks_sync_id_run_start"
        ),
    )


def _follower_changes() -> None:
    op.create_table(
        "bc_follower_changes",
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("openid", ascii_(28), nullable=False),
        sa.Column("followed_at", MOMENT, nullable=True),
        sa.Column("left_at", MOMENT, nullable=True),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("left_change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "openid", name="pk_bc_follower_changes"),
    )
    op.create_index(
        "ix_bc_follower_changes_left", "bc_follower_changes", ["account", "left_change"]
    )


def _suppressions() -> None:
    op.create_table(
        "bc_suppressions",
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("openid", ascii_(28), nullable=False),
        sa.Column("kind", ascii_(16), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("who", words(128), nullable=False),
        sa.Column("why", words(512), nullable=True),
        sa.Column("lifted_at", MOMENT, nullable=True),
        sa.Column("lifted_by", words(128), nullable=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "openid", "kind", name="pk_bc_suppressions"),
    )
    op.create_index("ix_bc_suppressions_change", "bc_suppressions", ["account", "change"])


def _list_changes() -> None:
    op.create_table(
        "bc_list_changes",
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("list", ascii_(16), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "list", name="pk_bc_list_changes"),
    )


def _hand_calls() -> None:
    op.create_table(
        "bc_hand_calls",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("kind", ascii_(32), nullable=False),
        sa.Column("day", ascii_(10), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", words(128), nullable=False),
        sa.Column("why", LONG_TEXT, nullable=True),
        sa.Column("target", words(128), nullable=True),
        sa.Column("broadcast_id", ascii_(32), nullable=True),
        sa.Column("msg_id", sa.BigInteger(), nullable=True),
        sa.Column("msg_data_id", sa.BigInteger(), nullable=True),
        sa.Column("article", sa.Integer(), nullable=True),
        sa.Column("outcome", ascii_(32), nullable=True),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("errmsg", words(512), nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_hand_calls"),
        sa.ForeignKeyConstraint(
            ["account"], ["bc_accounts.name"], name="fk_bc_hand_calls_account_bc_accounts"
        ),
    )
    op.create_index("ix_bc_hand_calls_day", "bc_hand_calls", ["account", "kind", "day"])
    op.create_index("ix_bc_hand_calls_msg_id", "bc_hand_calls", ["account", "msg_id"])


def _pushes() -> None:
    op.create_table(
        "bc_pushes",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("dedup", ascii_(64), nullable=False),
        sa.Column("kind", words(64), nullable=False),
        sa.Column("openid", ascii_(28), nullable=True),
        sa.Column("msg_id", sa.BigInteger(), nullable=True),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("action", ascii_(32), nullable=True),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("handled_at", MOMENT, nullable=True),
        sa.Column("problem", words(512), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_pushes"),
        sa.UniqueConstraint("account", "dedup", name="uq_bc_pushes_account_dedup"),
    )
    for name, columns in (
        ("account_received_at", ["account", "received_at"]),
        ("due_at", ["due_at"]),
        ("handled_at", ["handled_at"]),
    ):
        op.create_index(f"ix_bc_pushes_{name}", "bc_pushes", columns)


def _files() -> None:
    op.create_table(
        "bc_files",
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("media_id", ascii_(256), nullable=False),
        sa.Column("kind", ascii_(32), nullable=False),
        sa.Column("permanent", sa.Boolean(), nullable=False),
        sa.Column("format", ascii_(32), nullable=False),
        sa.Column("name", words(255), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("fingerprint", ascii_(64), nullable=False),
        sa.Column("dropped", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "n", name="pk_bc_files"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["bc_broadcasts.id"], name="fk_bc_files_broadcast_id_bc_broadcasts"
        ),
    )
    op.create_table(
        "bc_file_pieces",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("data", PACKED, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bc_file_pieces"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"],
            ["bc_broadcasts.id"],
            name="fk_bc_file_pieces_broadcast_id_bc_broadcasts",
        ),
        sa.UniqueConstraint(
            "broadcast_id", "n", "place", name="uq_bc_file_pieces_broadcast_id_n_place"
        ),
    )
    op.create_table(
        "bc_renewals",
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", LONG_TEXT, nullable=False),
        sa.Column("dies_at", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "n", name="pk_bc_renewals"),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["bc_broadcasts.id"], name="fk_bc_renewals_broadcast_id_bc_broadcasts"
        ),
    )


def _dead_letters() -> None:
    op.create_table(
        "bc_dead_letters",
        sa.Column("id", ascii_(32), nullable=False),
        sa.Column("source", ascii_(32), nullable=False),
        sa.Column("digest", ascii_(64), nullable=False),
        sa.Column("state", ascii_(32), nullable=False),
        sa.Column("key", words(128), nullable=True),
        sa.Column("account", words(64), nullable=True),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("is_cut", sa.Boolean(), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("broadcast_id", ascii_(32), nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("closed_by", words(128), nullable=True),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_dead_letters"),
        sa.UniqueConstraint("source", "digest", name="uq_bc_dead_letters_source_digest"),
    )
    op.create_index("ix_bc_dead_letters_state", "bc_dead_letters", ["state", "last_at", "id"])
    op.create_index("ix_bc_dead_letters_characters", "bc_dead_letters", ["state", "characters"])
    op.create_index("ix_bc_dead_letters_account", "bc_dead_letters", ["account", "last_at", "id"])
    op.create_index("ix_bc_dead_letters_closed_at", "bc_dead_letters", ["closed_at"])


def _outbox() -> None:
    op.create_table(
        "bc_outbox",
        sa.Column("id", ascii_(32), nullable=False),
        sa.Column("account", words(64), nullable=True),
        sa.Column("who", words(128), nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("taken_at", MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bc_outbox"),
    )
    op.create_index("ix_bc_outbox_tries", "bc_outbox", ["tries", "created_at"])


def _api_keys() -> None:
    op.create_table(
        "bc_api_keys",
        sa.Column("id", ascii_(16), nullable=False),
        sa.Column("name", ascii_(64), nullable=False),
        sa.Column("scopes", ascii_(128), nullable=False),
        sa.Column("accounts", LONG_TEXT, nullable=True),
        sa.Column("digest", ascii_(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", words(128), nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revoked_by", words(128), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bc_api_keys"),
        sa.UniqueConstraint("digest", name="uq_bc_api_keys_digest"),
    )


def _webhooks() -> None:
    op.create_table(
        "bc_webhooks",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("account", ascii_(64), nullable=False),
        sa.Column("kind", ascii_(64), nullable=False),
        sa.Column("url", ascii_(2048), nullable=False),
        sa.Column("origin", ascii_(300), nullable=False),
        sa.Column("figures", LONG_TEXT, nullable=True),
        sa.Column("body", LONG_TEXT, nullable=True),
        sa.Column("state", ascii_(32), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("problem", LONG_TEXT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["broadcast_id"],
            ["bc_broadcasts.id"],
            name="fk_bc_webhooks_broadcast_id_bc_broadcasts",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_bc_webhooks"),
        sa.UniqueConstraint("broadcast_id", "version", name="uq_bc_webhooks_broadcast_id_version"),
    )
    for name, columns in (
        ("due_at", ["due_at"]),
        ("state", ["state", "id"]),
        ("account", ["account", "id"]),
        ("closed_at", ["closed_at"]),
    ):
        op.create_index(f"ix_bc_webhooks_{name}", "bc_webhooks", columns)


def _uploads() -> None:
    op.create_table(
        "bc_uploads",
        sa.Column("broadcast_id", ascii_(32), nullable=False),
        sa.Column("request", LONG_TEXT, nullable=False),
        sa.Column("digest", ascii_(64), nullable=False),
        sa.Column("beat_at", MOMENT, nullable=True),
        sa.Column("list_digest", ascii_(64), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", name="pk_bc_uploads"),
    )
