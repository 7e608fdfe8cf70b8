"""First tables.

Revision ID: 2c8b6e04f9d1
Revises:

"""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from alembic.util import CommandError
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

revision = "2c8b6e04f9d1"
down_revision = None
branch_labels = None
depends_on = None

INTEGER = sa.Integer()
BIG_INTEGER = sa.BigInteger()
BIG_ID = BIG_INTEGER.with_variant(INTEGER, "sqlite")
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


FLAG = sa.Boolean()
ASCII_16, ASCII_28, ASCII_32, ASCII_64, ASCII_128 = map(ascii_, (16, 28, 32, 64, 128))
WORDS_64, WORDS_128, WORDS_512 = map(words, (64, 128, 512))


def _to(key: str | None) -> list[sa.ForeignKey]:
    return [sa.ForeignKey(key)] if key else []


def _required(name: str, kind: TypeEngine[Any], *, to: str | None = None) -> sa.Column[Any]:
    """Return a column that always has a value."""
    return sa.Column(name, kind, *_to(to), nullable=False)


def _optional(name: str, kind: TypeEngine[Any], *, to: str | None = None) -> sa.Column[Any]:
    """Return a column that may be empty."""
    return sa.Column(name, kind, *_to(to), nullable=True)


def _key(name: str, kind: TypeEngine[Any], *, to: str | None = None) -> sa.Column[Any]:
    """Return a column of the primary key, whose value the program gives."""
    return sa.Column(name, kind, *_to(to), primary_key=True, autoincrement=False)


def _serial() -> sa.Column[Any]:
    """Return a primary key that the database counts."""
    return sa.Column("id", BIG_ID, primary_key=True, autoincrement=True)


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
    _notices()
    _uploads()
    _campaigns()
    _launches()
    _rehearsals()
    _installed()


def downgrade() -> None:
    _check_empty()
    for table in (
        "bc_rehearsals",
        "bc_launches",
        "bc_campaigns",
        "bc_notices",
        "bc_notice_receivers",
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
        "bc_restores",
        "bc_installation",
    ):
        # Indexes and constraints go with their table.
        op.drop_table(table)


def _check_empty() -> None:
    """Raise CommandError where there is a broadcast: who got it stands nowhere else."""
    if context.is_offline_mode():
        return
    stored = op.get_bind().scalar(sa.text("SELECT count(*) FROM bc_broadcasts"))
    if stored:
        raise CommandError(
            f"Broadcasts are stored here ({stored}): a downgrade to base would delete them, and "
            "who got them. Nothing was changed. To delete them all the same, drop the database."
        )


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
        _key("number", INTEGER),
        _required("id", ASCII_32),
        _required("created_at", MOMENT),
        _required("oldest_compatible", INTEGER),
        _optional("place", LONG_TEXT),
        _optional("seen_at", MOMENT),
    )
    op.create_table(
        "bc_restores",
        _serial(),
        _required("at", MOMENT),
        _required("who", WORDS_128),
        _optional("why", LONG_TEXT),
        _optional("since", MOMENT),
    )


def _queues() -> None:
    op.create_table(
        "bc_queues",
        _key("broker", ASCII_64),
        _required("empty_at", MOMENT),
    )


def _accounts() -> None:
    op.create_table(
        "bc_accounts",
        _key("name", ASCII_64),
        _required("appid", ASCII_64),
        _required("kind", ASCII_32),
        _required("created_at", MOMENT),
    )


def _lanes() -> None:
    op.create_table(
        "bc_lanes",
        _key("account", ASCII_64, to="bc_accounts.name"),
        _required("fence", BIG_INTEGER),
        _optional("owner", ASCII_128),
        _optional("leased_until", MOMENT),
        _optional("not_before", MOMENT),
        _optional("wait_reason", ASCII_32),
        _optional("day_wait_until", MOMENT),
        _optional("doubt_wait_until", MOMENT),
        _required("gate_counter", BIG_INTEGER),
        _required("breaker_since", BIG_INTEGER),
        _required("claims", BIG_INTEGER),
        _optional("claimed_at", MOMENT),
        _optional("recorded_at", MOMENT),
        _optional("due_changed_at", MOMENT),
        _optional("woken_at", MOMENT),
    )


def _broadcasts() -> None:
    op.create_table(
        "bc_broadcasts",
        _key("id", ASCII_32),
        _required("account", ASCII_64, to="bc_accounts.name"),
        _required("key", WORDS_128),
        _optional("title", words(256)),
        _required("phase", ASCII_32),
        _optional("result", ASCII_32),
        _required("version", BIG_INTEGER),
        _required("breaker_since", BIG_INTEGER),
        _optional("due_at", MOMENT),
        _required("msgtype", ASCII_16),
        _required("content", LONG_TEXT),
        _required("content_digest", ASCII_64),
        _required("content_identity", ASCII_64),
        _required("audience_kind", ASCII_16),
        _required("audience_spec", LONG_TEXT),
        _required("audience_digest", ASCII_64),
        _required("path", ASCII_32),
        _optional("selection", LONG_TEXT),
        _optional("share_digest", ASCII_64),
        _required("read", INTEGER),
        _required("malformed", INTEGER),
        _required("duplicate", INTEGER),
        _required("suppressed", INTEGER),
        _required("excluded", INTEGER),
        _required("unsubscribed", INTEGER),
        _required("capped", INTEGER),
        _required("sampled_out", INTEGER),
        _optional("planned", INTEGER),
        _optional("subtraction", ASCII_16),
        _optional("run_stored_at", MOMENT),
        _optional("fresh_for", ascii_(96)),
        _required("batch_size", INTEGER),
        _optional("calls_planned", INTEGER),
        _required("spread_days", FLAG),
        _required("priority", INTEGER),
        _optional("scheduled_at", MOMENT),
        _required("late_by_s", INTEGER),
        _required("unattended_s", INTEGER),
        _optional("unattended_at", MOMENT),
        _required("created_at", MOMENT),
        _required("created_by", WORDS_128),
        _optional("uploading_at", MOMENT),
        _optional("published_at", MOMENT),
        _optional("moved_at", MOMENT),
        _optional("notify_url", ascii_(2048)),
        _optional("notified_digest", ASCII_64),
        _optional("reported_version", BIG_INTEGER),
        _optional("started_at", MOMENT),
        _optional("finished_at", MOMENT),
        _optional("woken_at", MOMENT),
        Index("ix_bc_broadcasts_account_phase", "account", "phase", "result"),
        Index("ix_bc_broadcasts_created_at", "created_at"),
        Index("ix_bc_broadcasts_finished_at", "finished_at"),
        Index("ix_bc_broadcasts_run_stored_at", "run_stored_at"),
        Index("ix_bc_broadcasts_due_at", "phase", "due_at", "account"),
        Index(
            "ix_bc_broadcasts_next",
            "account",
            "phase",
            sa.column("priority").desc(),
            "published_at",
            "id",
        ),
        Index("ix_bc_broadcasts_repeat", "account", "content_identity", "audience_digest"),
    )


def _submissions() -> None:
    op.create_table(
        "bc_submissions",
        _key("account", ASCII_64, to="bc_accounts.name"),
        _key("key", WORDS_128),
        _optional("body_digest", ASCII_64),
        _optional("options_digest", ASCII_64),
        _required("broadcast_id", ASCII_32),
        _required("created_at", MOMENT),
    )


def _reservations() -> None:
    op.create_table(
        "bc_reservations",
        _key("broadcast_id", ASCII_32, to="bc_broadcasts.id"),
        _key("path", ASCII_32),
        _key("day", ascii_(10)),
        _required("account", ASCII_64),
        _required("calls", INTEGER),
        Index("ix_bc_reservations_day", "account", "day", "path", "calls"),
    )


def _media() -> None:
    op.create_table(
        "bc_media",
        _serial(),
        _required("appid", ASCII_64),
        _required("account", ASCII_64),
        _required("kind", ASCII_32),
        _required("permanent", FLAG),
        _required("fingerprint", ASCII_64),
        _required("name", words(255)),
        _required("size", INTEGER),
        _optional("media_id", ascii_(256)),
        _optional("url", WORDS_512),
        _required("uploaded_at", MOMENT),
        _optional("expires_at", MOMENT),
        Index("ix_bc_media_fingerprint", "appid", "fingerprint", "kind"),
        Index("ix_bc_media_media_id", "media_id"),
    )


def _gates() -> None:
    op.create_table(
        "bc_gates",
        _serial(),
        _required("account", ASCII_64, to="bc_accounts.name"),
        _required("scope", ASCII_32),
        _required("broadcast_id", ASCII_32),
        _optional("path", ASCII_32),
        _required("kind", ASCII_32),
        _optional("reason", ASCII_32),
        _optional("errcode", INTEGER),
        _optional("errmsg", WORDS_512),
        _required("closed_at", MOMENT),
        _required("closed_by", WORDS_128),
        _optional("why", LONG_TEXT),
        _optional("until", MOMENT),
        _optional("count", INTEGER),
        _optional("broadcasts", LONG_TEXT),
        _required("closed_counter", BIG_INTEGER),
        _optional("opened_at", MOMENT),
        _optional("opened_by", WORDS_128),
        _optional("opened_why", LONG_TEXT),
        _optional("opened_counter", BIG_INTEGER),
        Index("ix_bc_gates_broadcast_id", "broadcast_id", "account", "opened_at"),
        Index("ix_bc_gates_standing", "account", "opened_at", "broadcast_id"),
        Index("ix_bc_gates_kind", "kind", "opened_at"),
    )


def _drafts() -> None:
    op.create_table(
        "bc_drafts",
        _key("broadcast_id", ASCII_32, to="bc_broadcasts.id"),
        _required("media_id", words(256)),
        _optional("approved", LONG_TEXT),
        _optional("seen", LONG_TEXT),
        _required("tries", INTEGER),
        _optional("looked_at", MOMENT),
        _optional("tried_at", MOMENT),
        Index("ix_bc_drafts_looked_at", "looked_at"),
    )


def _skipped() -> None:
    op.create_table(
        "bc_skipped",
        _key("broadcast_id", ASCII_32, to="bc_broadcasts.id"),
        _key("reason", ASCII_32),
        _required("count", INTEGER),
        _required("sample", LONG_TEXT),
    )


def _chunks() -> None:
    op.create_table(
        "bc_chunks",
        _serial(),
        _required("broadcast_id", ASCII_32, to="bc_broadcasts.id"),
        _required("list", ASCII_32),
        _required("start", INTEGER),
        _required("size", INTEGER),
        _required("first_openid", ASCII_28),
        _required("last_openid", ASCII_28),
        _required("openids", PACKED),
        UniqueConstraint("broadcast_id", "list", "start"),
    )


def _batches() -> None:
    op.create_table(
        "bc_batches",
        _serial(),
        _required("broadcast_id", ASCII_32, to="bc_broadcasts.id"),
        _required("account", ASCII_64),
        _required("path", ASCII_32),
        _required("n", INTEGER),
        _optional("list", ASCII_32),
        _required("start", INTEGER),
        _optional("size", INTEGER),
        _optional("parent_id", BIG_INTEGER, to="bc_batches.id"),
        _required("depth", INTEGER),
        _required("state", ASCII_32),
        _optional("reason", ASCII_32),
        _optional("errcode", INTEGER),
        _optional("errmsg", WORDS_512),
        _required("clientmsgid", ASCII_32),
        _required("renewal", INTEGER),
        _required("attempts", INTEGER),
        _optional("not_before", MOMENT),
        _optional("first_called_at", MOMENT),
        _optional("msg_id", BIG_INTEGER),
        _optional("msg_data_id", BIG_INTEGER),
        _required("moved_counter", BIG_INTEGER),
        _required("begins_anew", FLAG),
        _optional("settled_after", INTEGER),
        _optional("poll_at", MOMENT),
        _required("polls", INTEGER),
        _optional("msg_status", ASCII_32),
        UniqueConstraint("account", "clientmsgid"),
        UniqueConstraint("broadcast_id", "n"),
        Index("ix_bc_batches_account_msg_id", "account", "msg_id"),
        Index("ix_bc_batches_next", "broadcast_id", "state", "n"),
        Index("ix_bc_batches_parent_id", "parent_id"),
        Index("ix_bc_batches_poll_at", "account", "poll_at"),
        Index("ix_bc_batches_state", "state", "account"),
    )


def _attempts() -> None:
    op.create_table(
        "bc_attempts",
        _serial(),
        _required("claim", ASCII_32),
        _required("batch_id", BIG_INTEGER, to="bc_batches.id"),
        _required("number", INTEGER),
        _required("account", ASCII_64),
        _required("path", ASCII_32),
        _required("fence", BIG_INTEGER),
        _required("owner", ASCII_128),
        _required("clientmsgid", ASCII_32),
        _required("gate_counter", BIG_INTEGER),
        _required("begins_anew", FLAG),
        _required("started_at", MOMENT),
        _optional("ended_at", MOMENT),
        _optional("outcome", ASCII_32),
        _optional("errcode", INTEGER),
        _optional("errmsg", WORDS_512),
        _optional("rid", ASCII_64),
        _optional("msg_id", BIG_INTEGER),
        _optional("msg_data_id", BIG_INTEGER),
        _optional("http_status", INTEGER),
        _optional("transport", ASCII_32),
        _optional("elapsed_ms", INTEGER),
        _optional("confirmed", FLAG),
        _optional("denied", FLAG),
        _optional("outcome_recorded_at", MOMENT),
        _optional("token_fingerprint", ascii_(8)),
        UniqueConstraint("batch_id", "number"),
        UniqueConstraint("claim"),
        Index("ix_bc_attempts_account_msg_id", "account", "msg_id"),
    )


def _events() -> None:
    op.create_table(
        "bc_events",
        _serial(),
        _required("at", MOMENT),
        _optional("account", ASCII_64),
        _optional("broadcast_id", ASCII_32),
        _optional("batch_id", BIG_INTEGER),
        _required("kind", ASCII_32),
        _required("who", WORDS_128),
        _required("detail", LONG_TEXT),
        Index("ix_bc_events_broadcast_id_id", "broadcast_id", "id"),
    )


def _finishes() -> None:
    op.create_table(
        "bc_finishes",
        _serial(),
        _required("account", ASCII_64),
        _required("msg_id", BIG_INTEGER),
        _required("status", WORDS_64),
        _optional("total", INTEGER),
        _optional("eligible", INTEGER),
        _optional("sent", INTEGER),
        _optional("errors", INTEGER),
        _required("articles", LONG_TEXT),
        _required("copyright", LONG_TEXT),
        _optional("check_state", INTEGER),
        _optional("created_at", MOMENT),
        _required("received_at", MOMENT),
        UniqueConstraint("account", "msg_id"),
        Index("ix_bc_finishes_received_at", "account", "received_at"),
    )


def _follower_syncs() -> None:
    op.create_table(
        "bc_follower_syncs",
        _serial(),
        _required("account", ASCII_64, to="bc_accounts.name"),
        _required("started_by", WORDS_128),
        _required("started_at", MOMENT),
        _optional("paged_at", MOMENT),
        _optional("first_page_at", MOMENT),
        _optional("next_openid", ASCII_64),
        _required("tail", ascii_(512)),
        _required("pages", INTEGER),
        _required("listed", INTEGER),
        _optional("total", INTEGER),
        _optional("least_total", INTEGER),
        _optional("most_total", INTEGER),
        _optional("finished_at", MOMENT),
        _optional("ended", ASCII_16),
        _optional("run", ASCII_16),
        _optional("size", INTEGER),
        _optional("followers", INTEGER),
        _optional("joined", INTEGER),
        _optional("left", INTEGER),
        Index("ix_bc_follower_syncs_account", "account", "id"),
    )


def _follower_pages() -> None:
    op.create_table(
        "bc_follower_pages",
        _serial(),
        _required("sync_id", BIG_INTEGER, to="bc_follower_syncs.id"),
        _required("n", INTEGER),
        _required("asked_from", ASCII_64),
        _required("seen_at", MOMENT),
        _required("size", INTEGER),
        _required("openids", PACKED),
        UniqueConstraint("sync_id", "n"),
    )


def _follower_chunks() -> None:
    op.create_table(
        "bc_follower_chunks",
        _serial(),
        _required("sync_id", BIG_INTEGER, to="bc_follower_syncs.id"),
        _required("run", ASCII_16),
        _required("start", INTEGER),
        _required("size", INTEGER),
        _required("first_openid", ASCII_28),
        _required("last_openid", ASCII_28),
        _required("openids", PACKED),
        _required("facts", PACKED),
        UniqueConstraint("sync_id", "run", "start"),
    )


def _follower_changes() -> None:
    op.create_table(
        "bc_follower_changes",
        _key("account", ASCII_64),
        _key("openid", ASCII_28),
        _optional("followed_at", MOMENT),
        _optional("left_at", MOMENT),
        _required("changed_at", MOMENT),
        _required("left_change", BIG_INTEGER),
        Index("ix_bc_follower_changes_left", "account", "left_change"),
    )


def _suppressions() -> None:
    op.create_table(
        "bc_suppressions",
        _key("account", ASCII_64),
        _key("openid", ASCII_28),
        _key("kind", ASCII_16),
        _required("since", MOMENT),
        _required("who", WORDS_128),
        _optional("why", WORDS_512),
        _optional("lifted_at", MOMENT),
        _optional("lifted_by", WORDS_128),
        _required("change", BIG_INTEGER),
        Index("ix_bc_suppressions_change", "account", "change"),
    )


def _list_changes() -> None:
    op.create_table(
        "bc_list_changes",
        _key("account", ASCII_64),
        _key("list", ASCII_16),
        _required("changes", BIG_INTEGER),
    )


def _hand_calls() -> None:
    op.create_table(
        "bc_hand_calls",
        _serial(),
        _required("account", ASCII_64, to="bc_accounts.name"),
        _required("kind", ASCII_32),
        _required("day", ascii_(10)),
        _required("at", MOMENT),
        _required("who", WORDS_128),
        _optional("why", LONG_TEXT),
        _optional("target", WORDS_128),
        _optional("broadcast_id", ASCII_32),
        _optional("msg_id", BIG_INTEGER),
        _optional("msg_data_id", BIG_INTEGER),
        _optional("article", INTEGER),
        _optional("outcome", ASCII_32),
        _optional("errcode", INTEGER),
        _optional("errmsg", WORDS_512),
        _optional("ended_at", MOMENT),
        Index("ix_bc_hand_calls_day", "account", "kind", "day"),
        Index("ix_bc_hand_calls_msg_id", "account", "msg_id"),
    )


def _pushes() -> None:
    op.create_table(
        "bc_pushes",
        _serial(),
        _required("account", ASCII_64),
        _required("dedup", ASCII_64),
        _required("kind", WORDS_64),
        _optional("openid", ASCII_28),
        _optional("msg_id", BIG_INTEGER),
        _required("happened_at", MOMENT),
        _required("received_at", MOMENT),
        _optional("action", ASCII_32),
        _required("body", LONG_TEXT),
        _optional("due_at", MOMENT),
        _required("tries", INTEGER),
        _optional("handled_at", MOMENT),
        _optional("problem", WORDS_512),
        UniqueConstraint("account", "dedup"),
        Index("ix_bc_pushes_account_received_at", "account", "received_at"),
        Index("ix_bc_pushes_due_at", "due_at"),
        Index("ix_bc_pushes_handled_at", "handled_at"),
    )


def _files() -> None:
    op.create_table(
        "bc_files",
        _key("broadcast_id", ASCII_32, to="bc_broadcasts.id"),
        _key("n", INTEGER),
        _required("media_id", ascii_(256)),
        _required("kind", ASCII_32),
        _required("permanent", FLAG),
        _required("format", ASCII_32),
        _required("name", words(255)),
        _required("size", INTEGER),
        _required("fingerprint", ASCII_64),
        _required("dropped", FLAG),
    )
    op.create_table(
        "bc_file_pieces",
        _serial(),
        _required("broadcast_id", ASCII_32, to="bc_broadcasts.id"),
        _required("n", INTEGER),
        _required("place", INTEGER),
        _required("data", PACKED),
        UniqueConstraint("broadcast_id", "n", "place"),
    )
    op.create_table(
        "bc_renewals",
        _key("broadcast_id", ASCII_32, to="bc_broadcasts.id"),
        _key("n", INTEGER),
        _required("content", LONG_TEXT),
        _required("dies_at", MOMENT),
        _required("tries", INTEGER),
    )


def _dead_letters() -> None:
    op.create_table(
        "bc_dead_letters",
        _key("id", ASCII_32),
        _required("source", ASCII_32),
        _required("digest", ASCII_64),
        _required("state", ASCII_32),
        _optional("key", WORDS_128),
        _optional("account", WORDS_64),
        _required("body", LONG_TEXT),
        _required("characters", INTEGER),
        _required("is_cut", FLAG),
        _required("reason", LONG_TEXT),
        _required("times", INTEGER),
        _required("first_at", MOMENT),
        _required("last_at", MOMENT),
        _optional("broadcast_id", ASCII_32),
        _optional("closed_at", MOMENT),
        _optional("closed_by", WORDS_128),
        _optional("tried_at", MOMENT),
        UniqueConstraint("source", "digest"),
        Index("ix_bc_dead_letters_state", "state", "last_at", "id"),
        Index("ix_bc_dead_letters_characters", "state", "characters"),
        Index("ix_bc_dead_letters_account", "account", "last_at", "id"),
        Index("ix_bc_dead_letters_closed_at", "closed_at"),
    )


def _outbox() -> None:
    op.create_table(
        "bc_outbox",
        _key("id", ASCII_32),
        _optional("account", WORDS_64),
        _required("who", WORDS_128),
        _required("body", LONG_TEXT),
        _required("created_at", MOMENT),
        _optional("seen_at", MOMENT),
        _optional("taken_at", MOMENT),
        _required("tries", INTEGER),
        Index("ix_bc_outbox_tries", "tries", "created_at"),
    )


def _api_keys() -> None:
    op.create_table(
        "bc_api_keys",
        _key("id", ASCII_16),
        _required("name", ASCII_64),
        _required("scopes", ASCII_128),
        _optional("accounts", LONG_TEXT),
        _required("digest", ASCII_64),
        _required("created_at", MOMENT),
        _required("created_by", WORDS_128),
        _optional("revoked_at", MOMENT),
        _optional("revoked_by", WORDS_128),
        UniqueConstraint("digest"),
    )


def _webhooks() -> None:
    op.create_table(
        "bc_webhooks",
        _serial(),
        _required("broadcast_id", ASCII_32, to="bc_broadcasts.id"),
        _required("version", BIG_INTEGER),
        _required("account", ASCII_64),
        _required("kind", ASCII_64),
        _required("url", ascii_(2048)),
        _required("origin", ascii_(300)),
        _optional("figures", LONG_TEXT),
        _optional("body", LONG_TEXT),
        _required("state", ASCII_32),
        _required("tries", INTEGER),
        _optional("http_status", INTEGER),
        _optional("problem", LONG_TEXT),
        _required("created_at", MOMENT),
        _optional("tried_at", MOMENT),
        _optional("due_at", MOMENT),
        _required("since", MOMENT),
        _optional("closed_at", MOMENT),
        UniqueConstraint("broadcast_id", "version"),
        Index("ix_bc_webhooks_due_at", "due_at"),
        Index("ix_bc_webhooks_state", "state", "id"),
        Index("ix_bc_webhooks_account", "account", "id"),
        Index("ix_bc_webhooks_closed_at", "closed_at"),
    )


def _notices() -> None:
    op.create_table(
        "bc_notice_receivers",
        _key("name", ascii_(300)),
        _required("since", MOMENT),
        _required("next_at", MOMENT),
    )
    op.create_table(
        "bc_notices",
        _serial(),
        _required("key", WORDS_128),
        _required("receiver", ascii_(300)),
        _required("message", LONG_TEXT),
        _required("state", ASCII_32),
        _required("tries", INTEGER),
        _optional("problem", LONG_TEXT),
        _optional("due_at", MOMENT),
        _required("since", MOMENT),
        UniqueConstraint("key", "receiver"),
        Index("ix_bc_notices_due_at", "receiver", "due_at"),
        Index("ix_bc_notices_state", "state", "id"),
    )


def _uploads() -> None:
    op.create_table(
        "bc_uploads",
        _key("broadcast_id", ASCII_32),
        _required("request", LONG_TEXT),
        _required("digest", ASCII_64),
        _optional("beat_at", MOMENT),
        _optional("list_digest", ASCII_64),
        _required("created_at", MOMENT),
    )


def _campaigns() -> None:
    op.create_table(
        "bc_campaigns",
        _key("id", ASCII_32),
        _required("name", WORDS_64),
        _optional("used_name", WORDS_64),
        _required("account", ASCII_64),
        _required("state", ASCII_32),
        _required("version", BIG_INTEGER),
        _required("plan", LONG_TEXT),
        _required("decided_until", MOMENT),
        _optional("next_due_at", MOMENT),
        _required("created_at", MOMENT),
        _required("created_by", WORDS_128),
        _required("edited_at", MOMENT),
        _required("edited_by", WORDS_128),
        UniqueConstraint("used_name"),
        Index("ix_bc_campaigns_next_due_at", "next_due_at"),
    )


def _launches() -> None:
    op.create_table(
        "bc_launches",
        _serial(),
        _required("campaign_id", ASCII_32, to="bc_campaigns.id"),
        _required("account", ASCII_64),
        _required("due_at", MOMENT),
        _required("state", ASCII_32),
        _optional("reason", LONG_TEXT),
        _required("version", BIG_INTEGER),
        _optional("request", LONG_TEXT),
        _required("key", WORDS_128),
        _optional("broadcast_id", ASCII_32),
        _optional("size", INTEGER),
        _optional("released_at", MOMENT),
        _optional("released_by", WORDS_128),
        _optional("taken_at", MOMENT),
        _required("decided_at", MOMENT),
        UniqueConstraint("campaign_id", "due_at"),
        UniqueConstraint("campaign_id", "key"),
        Index("ix_bc_launches_state", "state", "due_at"),
    )


def _rehearsals() -> None:
    op.create_table(
        "bc_rehearsals",
        _serial(),
        _required("campaign_id", ASCII_32, to="bc_campaigns.id"),
        _required("due_at", MOMENT),
        _required("stage", ASCII_32),
        _required("version", BIG_INTEGER),
        _required("rehearsed_at", MOMENT),
        _required("findings", LONG_TEXT),
        UniqueConstraint("campaign_id", "due_at", "stage", "version"),
        Index("ix_bc_rehearsals_due_at", "due_at"),
    )
