"""Keys that were used: for which broadcast, and in what another request under the same key differs.

Of what a request said digests are kept as long as the key is; what its broadcast's row has in plain
says what differs, until the broadcast is pruned.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from broadcast.errors import ConflictError
from broadcast.frozen import frozen
from broadcast.gates.late import parse_late_by
from broadcast.message import Message
from broadcast.plan import options, selection
from broadcast.plan.audience import OpenIDs
from broadcast.plan.submission import Body
from models.broadcast import BroadcastRow, Submission
from models.ledger.rows import columns, first
from models.upload import UploadRow

#: When a broadcast without a time is to be sent.
AT_ONCE: Final = Message("submit.at_once")


@frozen
class Used:
    """What a key stands for."""

    broadcast_id: str
    #: None: its list is awaited. Of one that was cancelled before its list came: the request's.
    body_digest: str | None
    options_digest: str | None


@frozen
class _Stored:
    """What a broadcast says, as far as a conflict is explained by it."""

    content_digest: str
    audience_kind: str
    audience_digest: str
    selection: str | None
    scheduled_at: datetime | None
    published_at: datetime | None


def of(connection: Connection, body: Body) -> Used | None:
    """Return what the key of *body* stands for."""
    whose = {"account": body.account.name, "key": body.key}
    return first(connection, _UNDER_KEY, Used, whose)


# Built once, like each statement of a submit: building one costs more than running it.
_UNDER_KEY = select(*columns(Used, Submission)).where(
    Submission.account == bindparam("account"), Submission.key == bindparam("key")
)


def has_same_options(connection: Connection, body: Body, there: Used) -> bool:
    """Return whether the options of *body* say what those of the same body *there* said."""
    mine, theirs = body.options, there.options_digest
    if mine is None or theirs is None or theirs == mine.digest:
        return True
    return theirs in mine.digests(stored_options(connection, there.broadcast_id))


def stored_options(connection: Connection, broadcast_id: str) -> options.Stored | None:
    """Return what a broadcast's row has of its options; None: it was pruned."""
    query = select(*columns(options.Stored, BroadcastRow)).where(BroadcastRow.id == broadcast_id)
    return first(connection, query, options.Stored)


def conflict(connection: Connection, body: Body, there: Used) -> ConflictError:
    """Return why the key of *body* cannot be used for it: what differs, as far as it is known."""
    broadcast_id = there.broadcast_id
    query = select(*columns(_Stored, BroadcastRow)).where(BroadcastRow.id == broadcast_id)
    stored = first(connection, query, _Stored)
    if broadcast_id == body.reserved:
        has_one = stored is None or stored.published_at is not None
        name = "error.submit.other_list" if has_one else "error.submit.list_cancelled"
        return ConflictError(name, id=broadcast_id, field="audience")
    asked = connection.scalar(
        select(UploadRow.request).where(UploadRow.broadcast_id == broadcast_id)
    )
    of_body = [] if stored is None else list(_of_body(body, stored, is_upload=asked is not None))
    of_options = _of_options(
        body, there, asked=asked, stored=stored_options(connection, broadcast_id)
    )
    facts = {"key": body.key, "id": broadcast_id}
    if stored is not None and of_body == ["at"] and not of_options:
        # Moments are compared, not how they were written.
        return ConflictError(
            "error.submit.other_time", **facts, at=body.scheduled_at or AT_ONCE,
            stored=stored.scheduled_at or AT_ONCE,
        )  # fmt: skip
    named = ", ".join([*of_body, *of_options])
    if there.body_digest is None:
        return ConflictError("error.submit.key_awaited", **facts, differs=named or _UNKNOWN)
    if there.body_digest == body.digest or (of_options and not of_body):
        return ConflictError("error.submit.other_options", **facts, differs=named or _AN_OPTION)
    return ConflictError("error.submit.key_taken", **facts, differs=named or _UNKNOWN)


_UNKNOWN: Final = Message("submit.differs.unknown")
_AN_OPTION: Final = Message("submit.differs.option")


def _of_body(body: Body, stored: _Stored, *, is_upload: bool) -> Iterator[str]:
    """Yield what differs of what is sent, to whom and when."""
    if body.content_digest != stored.content_digest:
        yield "content"
    theirs = stored.audience_kind, stored.audience_digest
    if not (is_upload and body.audience == _TO_COME) and theirs != (
        body.audience.kind, body.audience_digest,
    ):  # fmt: skip
        yield "audience"
    if body.scheduled_at != stored.scheduled_at:
        yield "at"
    # One of a newer release may have members that this one cannot name.
    with contextlib.suppress(ValueError, KeyError, TypeError):
        mine, said = body.selection.value(), selection.parse(stored.selection).value()
        yield from [name for name in _NARROWING if mine.get(name) != said.get(name)]


_TO_COME: Final = OpenIDs(digest="")
_NARROWING: Final = ("exclude", "only_current", "sample", "ignore_suppression")


def _of_options(
    body: Body, there: Used, *, asked: str | None, stored: options.Stored | None
) -> list[str]:
    if body.options is None or there.options_digest is None:
        return []
    return body.options.differing(there.options_digest, _possible(stored, asked), stored)


def _possible(stored: options.Stored | None, asked: str | None) -> Iterator[options.Said]:
    """Yield what a broadcast may have been asked for; of an upload the request itself is kept."""
    if asked is not None:
        members: dict[str, Any] = json.loads(asked)
        said: dict[str, Any] = {name: members[name] for name in options.NAMES if name in members}
        if "late_by" in said:
            said["late_by"] = parse_late_by(said["late_by"]).total_seconds()
        yield said
    elif stored is not None:
        yield from stored.possible()
