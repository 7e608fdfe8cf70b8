"""Flips: what makes a submit a broadcast that lanes see, once nothing refuses it.

All of it is done in one transaction that holds the lane's row.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, exists, insert, or_, select, update

from broadcast import plan
from broadcast.errors import RepeatedSendError
from broadcast.events import EventKind
from broadcast.frozen import frozen
from broadcast.gates.kinds import GateKind
from broadcast.plan.submission import Body, Figures, Published, Terms
from broadcast.states import Phase
from models.account import Lane
from models.batch import Batch
from models.broadcast import BroadcastRow, Submission
from models.ledger import drafts, due, gates, quotas
from models.ledger.gates import Closing
from models.ledger.quotas import Wanted
from models.ledger.reading import closed_gates, media
from models.ledger.rows import HeldLane
from models.ledger.transaction import note
from models.recipients import Skipped

REPEAT_WITHIN = timedelta(hours=24)


@frozen
class Flip:
    """A submit that nothing refuses, while the lane's row is held."""

    broadcast_id: str
    body: Body
    figures: Figures
    terms: Terms
    quota: plan.Quota | None
    lane: HeldLane
    wanted: Wanted
    proof: plan.Proof
    moment: datetime

    @property
    def scheduled(self) -> bool:
        """Whether it waits for its time."""
        return self.body.scheduled_at is not None and self.body.scheduled_at > self.moment

    def values(self) -> dict[str, object]:
        """Return what the broadcast's row has from the flip on, but for its version."""
        figures, terms, moment = self.figures, self.terms, self.moment
        return {
            "phase": Phase.PLANNING, "published_at": moment, "moved_at": moment,
            "uploading_at": None, "read": figures.read, "malformed": figures.malformed,
            "duplicate": figures.duplicate,
            # Who is left, only the plan shows.
            "planned": None if self.body.selection.narrows else figures.planned,
            "calls_planned": figures.calls, "title": terms.title,
            "spread_days": terms.spread_days, "priority": terms.priority,
            "batch_size": terms.batch_size, "late_by_s": int(terms.late_by.total_seconds()),
            "notify_url": terms.notify_url or self.body.account.notify_url,
            # What waits for its time is due by its gate.
            "due_at": None if self.scheduled else due.of_new(self.lane.not_before),
            "unattended_s": math.ceil((moment - (terms.waiting_since or moment)).total_seconds()),
            "unattended_at": moment,
        }  # fmt: skip

    def finish(self, connection: Connection) -> Published:
        """Store what stands beside the broadcast's row."""
        account = self.body.account.name
        if self.body.reserved is None:
            digest = self.body.digest
            take_key(connection, self.broadcast_id, self.body, moment=self.moment, digest=digest)
        else:
            connection.execute(
                update(Submission)
                .where(Submission.account == account, Submission.key == self.body.key)
                .values(body_digest=self.body.digest)
            )
        self._store_samples(connection)
        drafts.begin(connection, self.broadcast_id, self.body, moment=self.moment)
        quotas.reserve_first(
            connection, self.wanted, self.proof, quota=self.quota, moment=self.moment
        )
        note(
            connection, EventKind.SUBMITTED, who=self.terms.who, broadcast_id=self.broadcast_id,
            planned=self.figures.planned,
        )  # fmt: skip
        if self.scheduled:
            later = Closing(
                kind=GateKind.SCHEDULE, who=self.terms.who, broadcast_id=self.broadcast_id,
                until=self.body.scheduled_at,
            )  # fmt: skip
            gates.close(connection, account, later)
        else:
            connection.execute(_DUE_CHANGED, {"b_account": account, "due_changed_at": self.moment})
        return Published(proof=self.proof, scheduled=self.scheduled, now=self.moment)

    def _store_samples(self, connection: Connection) -> None:
        rows = [
            {
                "broadcast_id": self.broadcast_id, "reason": reason, "count": count,
                "sample": json.dumps(list(sample), ensure_ascii=False),
            }
            for reason, (count, sample) in self.figures.samples.items()
            if count
        ]  # fmt: skip
        if rows:
            connection.execute(insert(Skipped), rows)


def take_key(
    connection: Connection, broadcast_id: str, body: Body, *, moment: datetime, digest: str | None
) -> None:
    """Let the key of *body* stand for a broadcast; *digest*: None while its list is awaited."""
    connection.execute(
        _SUBMISSION,
        {
            "account": body.account.name, "key": body.key, "body_digest": digest,
            "options_digest": body.options and body.options.digest,
            "broadcast_id": broadcast_id, "created_at": moment,
        },
    )  # fmt: skip


_SUBMISSION = insert(Submission)
_DUE_CHANGED = update(Lane).where(Lane.account == bindparam("b_account"))


def judged(
    connection: Connection,
    broadcast_id: str,
    body: Body,
    *,
    figures: Figures,
    terms: Terms,
    quota: plan.Quota | None,
    lane: HeldLane,
    moment: datetime,
) -> Flip:
    """Return the flip of a submit at *moment*, or raise what refuses it; its lane's row is held."""
    if not terms.again:
        refuse_repeated(connection, body, moment=moment)
    calls = wanted(body, broadcast_id, figures=figures, terms=terms)
    proof = quotas.prove(connection, calls, quota=quota, moment=moment)
    plan.refuse_what_does_not_fit(proof)
    return Flip(
        broadcast_id=broadcast_id, body=body, figures=figures, terms=terms, quota=quota, lane=lane,
        wanted=calls, proof=proof, moment=moment,
    )  # fmt: skip


def wanted(body: Body, broadcast_id: str | None, *, figures: Figures, terms: Terms) -> Wanted:
    """Return the calls that a submit holds; of what only the plan shows, one."""
    return Wanted(
        account=body.account.name, path=body.audience.path, calls=figures.calls or 1,
        broadcast_id=broadcast_id, at=body.scheduled_at, spread=terms.spread_days,
        shared=body.account.shared_quota,
    )  # fmt: skip


def refuse_repeated(connection: Connection, body: Body, *, moment: datetime) -> None:
    """Refuse the same send under another key; under the same one it is no repeat, but found."""
    mine = {
        "account": body.account.name, "key": body.key, "audience": body.audience_digest,
        "said": media.identity(connection, body.content), "since": moment - REPEAT_WITHIN,
        "share": body.selection.share_digest,
    }  # fmt: skip
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
