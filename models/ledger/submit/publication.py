"""Publication: a submit becomes a broadcast that lanes see, once nothing refuses it.

All of it is done in one transaction that locks the lane.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, exists, insert, or_, select, update

from broadcast.errors import ConflictError, RepeatedSendError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.names import EventKind
from broadcast.rules.gates import cooling_off
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.gates.lateness import parse_late_by
from broadcast.rules.plan import proof as proof_module
from broadcast.rules.plan import selection, submission
from broadcast.rules.plan.audience import OpenIDs
from broadcast.rules.plan.submission import Body, Figures, Published, Terms
from broadcast.rules.states import Phase
from models.accounts import Lane
from models.base import value_of
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow, Submission, UploadRow
from models.ledger.campaigns import launch_rows
from models.ledger.gates import drafts, gate_changes, quotas
from models.ledger.gates.gate_changes import Closing
from models.ledger.gates.quotas import ReservationRequest
from models.ledger.lists import media
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.transaction import LockedLane, first, note, selected
from models.recipients import Skipped

REPEAT_WITHIN = timedelta(hours=24)


@frozen
class Publication:
    """Checked submit, while the lane's row is locked."""

    broadcast_id: str
    body: Body
    figures: Figures
    terms: Terms
    quota: proof_module.Quota | None
    lane: LockedLane
    wanted: ReservationRequest
    proof: proof_module.Proof
    moment: datetime

    @property
    def scheduled(self) -> bool:
        """True if it waits for its time."""
        return self.body.scheduled_at is not None and self.body.scheduled_at > self.moment

    @property
    def maybe_sent(self) -> bool:
        """True if it was on its way while a person said which backup was restored."""
        asked_at, until = self.terms.waiting_since, self.lane.unsure_until
        return asked_at is not None and until is not None and asked_at <= until

    def values(self) -> dict[str, object]:
        """Return the columns of the published broadcast, but for its version."""
        figures, terms, moment = self.figures, self.terms, self.moment
        return {
            "phase": Phase.PLANNING,
            "published_at": moment,
            "moved_at": moment,
            "uploading_at": None,
            "read": figures.read,
            "malformed": figures.malformed,
            "duplicate": figures.duplicate,
            # Who is left, only the plan shows.
            "planned": None if self.body.selection.narrows else figures.planned,
            "calls_planned": figures.calls,
            "title": terms.title,
            "spread_days": terms.spread_days,
            "priority": terms.priority,
            "batch_size": terms.batch_size,
            "late_by_s": int(terms.late_by.total_seconds()),
            "notify_url": terms.notify_url or self.body.account.notify_url,
            # What waits for its time is due by its gate.
            "due_at": None if self.scheduled else lane_rows.due_of_new(self.lane.not_before),
            "unattended_s": math.ceil((moment - (terms.waiting_since or moment)).total_seconds()),
            "unattended_at": moment,
        }

    def store_rest(self, connection: Connection) -> Published:
        """Store what stands beside the broadcast's row."""
        account, launch = self.body.account.name, self.terms.launch
        if launch is not None:
            launch_rows.mark_launched(connection, launch.id, self.broadcast_id, size=launch.size)
        if self.body.reserved is None:
            digest = self.body.digest
            bind_key(connection, self.broadcast_id, self.body, moment=self.moment, digest=digest)
        else:
            connection.execute(
                update(Submission)
                .filter_by(account=account, key=self.body.key)
                .values(body_digest=self.body.digest)
            )
        self._store_samples(connection)
        drafts.begin(connection, self.broadcast_id, self.body, moment=self.moment)
        quotas.reserve_first(
            connection, self.wanted, self.proof, quota=self.quota, moment=self.moment
        )
        note(
            connection,
            EventKind.SUBMITTED,
            who=self.terms.who,
            broadcast_id=self.broadcast_id,
            planned=self.figures.planned,
        )
        if self.scheduled:
            self._close(connection, GateKind.SCHEDULE, until=self.body.scheduled_at)
        else:
            connection.execute(_DUE_CHANGED, {"b_account": account, "due_changed_at": self.moment})
        if self.maybe_sent:
            self._close(connection, GateKind.RESTORED)
        kept_back = cooling_off.ends(
            self.terms.cooling_off, now=self.moment, scheduled_at=self.body.scheduled_at
        )
        if kept_back is not None:
            self._close(connection, GateKind.COOLING_OFF, until=kept_back)
        return Published(
            proof=self.proof,
            scheduled=self.scheduled,
            now=self.moment,
            cooling_off_until=kept_back,
        )

    def _close(
        self, connection: Connection, kind: GateKind, *, until: datetime | None = None
    ) -> None:
        """Close a gate of the new broadcast; the commit that shows it to workers closes it, too."""
        closing = Closing(
            kind=kind, who=self.terms.who, broadcast_id=self.broadcast_id, until=until
        )
        gate_changes.close(connection, self.body.account.name, closing)

    def _store_samples(self, connection: Connection) -> None:
        rows = [
            {
                "broadcast_id": self.broadcast_id,
                "reason": reason,
                "count": count,
                "sample": json.dumps(list(sample), ensure_ascii=False),
            }
            for reason, (count, sample) in self.figures.samples.items()
            if count
        ]
        if rows:
            connection.execute(insert(Skipped), rows)


def bind_key(
    connection: Connection, broadcast_id: str, body: Body, *, moment: datetime, digest: str | None
) -> None:
    """Bind the key of *body* to a broadcast; *digest*: None while its list is awaited."""
    connection.execute(
        _SUBMISSION,
        {
            "account": body.account.name,
            "key": body.key,
            "body_digest": digest,
            "options_digest": body.options and body.options.digest,
            "broadcast_id": broadcast_id,
            "created_at": moment,
        },
    )


_SUBMISSION = insert(Submission)
_DUE_CHANGED = update(Lane).filter_by(account=bindparam("b_account"))


def check_publication(
    connection: Connection,
    broadcast_id: str,
    body: Body,
    *,
    figures: Figures,
    terms: Terms,
    quota: proof_module.Quota | None,
    lane: LockedLane,
    moment: datetime,
) -> Publication:
    """Return the publication of a submit at *moment*, or raise its refusal; its lane is locked."""
    if not terms.again:
        check_not_repeated(connection, body, moment=moment)
    calls = calls_to_reserve(body, broadcast_id, figures=figures, terms=terms)
    proof = quotas.prove(connection, calls, quota=quota, moment=moment)
    proof_module.check_fits(proof)
    return Publication(
        broadcast_id=broadcast_id,
        body=body,
        figures=figures,
        terms=terms,
        quota=quota,
        lane=lane,
        wanted=calls,
        proof=proof,
        moment=moment,
    )


def calls_to_reserve(
    body: Body, broadcast_id: str | None, *, figures: Figures, terms: Terms
) -> ReservationRequest:
    """Return the calls that a submit reserves; one where only the plan shows them."""
    return ReservationRequest(
        account=body.account.name,
        path=body.audience.path,
        calls=figures.calls or 1,
        broadcast_id=broadcast_id,
        at=body.scheduled_at,
        spread=terms.spread_days,
        shared=body.account.shared_quota,
    )


def check_not_repeated(connection: Connection, body: Body, *, moment: datetime) -> None:
    """Refuse the same send under another key; under the same one it is no repeat, but found."""
    mine = {
        "account": body.account.name,
        "key": body.key,
        "audience": body.audience_digest,
        "said": media.identity(connection, body.content),
        "since": moment - REPEAT_WITHIN,
        "share": body.selection.share_digest,
    }
    earlier = connection.execute(_REPEATED, mine).first()
    if earlier is not None:
        raise RepeatedSendError("error.submit.repeated", id=earlier.id, at=earlier.created_at)


_CALLED = exists().where(Batch.broadcast_id == BroadcastRow.id, Batch.attempts > 0)
_REPEATED = (
    select(BroadcastRow.id, BroadcastRow.created_at)
    .where(
        BroadcastRow.account == bindparam("account"),
        BroadcastRow.key != bindparam("key"),
        BroadcastRow.content_identity == bindparam("said"),
        BroadcastRow.audience_digest == bindparam("audience"),
        # Another part of the same audience is another send.
        BroadcastRow.share_digest.is_not_distinct_from(bindparam("share")),
        BroadcastRow.phase != Phase.UPLOADING,
        # A cancelled one counts if any of it was called: somebody may have got it.
        or_(~closed_gates.is_cancelled(BroadcastRow.id), _CALLED),
        # One that waited for its time, or was paused, is as fresh as its last call.
        or_(
            BroadcastRow.created_at > bindparam("since"),
            BroadcastRow.finished_at.is_(None),
            BroadcastRow.finished_at > bindparam("since"),
        ),
    )
    .order_by(BroadcastRow.created_at.desc())
    .limit(1)
)


#: When a broadcast without a time is to be sent.
KEYS_AT_ONCE: Final = Message("submit.at_once")


@frozen
class KeyUse:
    """Use of a key."""

    broadcast_id: str
    #: None: its list is awaited. Of one that was cancelled before its list came: the request's.
    body_digest: str | None
    options_digest: str | None


@frozen
class _Stored:
    """Stored content of a broadcast, as far as a conflict is explained by it."""

    content_digest: str
    audience_kind: str
    audience_digest: str
    selection: str | None
    scheduled_at: datetime | None
    published_at: datetime | None


def used_key(connection: Connection, body: Body) -> KeyUse | None:
    """Return what the key of *body* stands for."""
    whose = {"account": body.account.name, "key": body.key}
    return first(connection, _UNDER_KEY, KeyUse, whose)


# Built once, like each statement of a submit: building one costs more than running it.
_UNDER_KEY = selected(KeyUse, Submission).filter_by(
    account=bindparam("account"), key=bindparam("key")
)


def has_same_options(connection: Connection, body: Body, there: KeyUse) -> bool:
    """Return whether the options of *body* say what those of the same body *there* said."""
    mine, theirs = body.options, there.options_digest
    if mine is None or theirs is None or theirs == mine.digest:
        return True
    return theirs in mine.digests(stored_options(connection, there.broadcast_id))


def stored_options(connection: Connection, broadcast_id: str) -> submission.Stored | None:
    """Return what a broadcast's row has of its options; None: it was pruned."""
    query = selected(submission.Stored, BroadcastRow).filter_by(id=broadcast_id)
    return first(connection, query, submission.Stored)


def key_conflict(connection: Connection, body: Body, there: KeyUse) -> ConflictError:
    """Return why the key of *body* cannot be used for it: what differs, as far as it is known."""
    broadcast_id = there.broadcast_id
    query = selected(_Stored, BroadcastRow).filter_by(id=broadcast_id)
    stored = first(connection, query, _Stored)
    if broadcast_id == body.reserved:
        has_one = stored is None or stored.published_at is not None
        name = "error.submit.other_list" if has_one else "error.submit.list_cancelled"
        return ConflictError(name, id=broadcast_id, field="audience")
    asked = value_of(connection, broadcast_id, UploadRow.request)
    of_body = [] if stored is None else list(_of_body(body, stored, is_upload=asked is not None))
    of_options = _of_options(
        body, there, asked=asked, stored=stored_options(connection, broadcast_id)
    )
    facts = {"key": body.key, "id": broadcast_id}
    if stored is not None and of_body == ["at"] and not of_options:
        # Moments are compared, not how they were written.
        return ConflictError(
            "error.submit.other_time",
            **facts,
            at=body.scheduled_at or KEYS_AT_ONCE,
            stored=stored.scheduled_at or KEYS_AT_ONCE,
        )
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
        body.audience.kind,
        body.audience_digest,
    ):
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
    body: Body, there: KeyUse, *, asked: str | None, stored: submission.Stored | None
) -> list[str]:
    if body.options is None or there.options_digest is None:
        return []
    return body.options.differing(there.options_digest, _possible(stored, asked), stored)


def _possible(stored: submission.Stored | None, asked: str | None) -> Iterator[submission.Said]:
    """Yield what a broadcast may have been asked for; of an upload the request itself is kept."""
    if asked is not None:
        members: dict[str, Any] = json.loads(asked)
        said: dict[str, Any] = {name: members[name] for name in submission.NAMES if name in members}
        if "late_by" in said:
            said["late_by"] = parse_late_by(said["late_by"]).total_seconds()
        yield said
    elif stored is not None:
        yield from stored.possible()
