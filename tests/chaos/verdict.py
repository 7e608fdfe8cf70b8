"""The verdict on a run, from what WeChat's stand-in received and what the database's sets say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from broadcast.names import EventKind
from broadcast.rules.calls.outcomes import MAYBE_SENT, Outcome, SendPath
from broadcast.rules.reports import SETS, Report
from broadcast.rules.states import BatchState, BroadcastState
from models.accounts import Lane
from models.batch_tables import AttemptRow, Batch
from models.event import Event
from models.ledger.lists import recipients
from models.ledger.rows.transaction import read
from models.ledger.views import broadcast_reports
from tests.kit.openids import split

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: How often a follower of a batch in this state may have got it: at least, at most. A doubt must
#: have its reason, or a system that doubts everything would keep every promise.
DELIVERIES = {
    BatchState.ACCEPTED: (1, 1),
    BatchState.FINISHED: (1, 1),
    BatchState.REFUSED: (0, 0),
    BatchState.CANCELLED: (0, 0),
    BatchState.IN_DOUBT: (0, 1),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be; `broadcast_id` is None where it is no broadcast's."""

    what: str
    broadcast_id: str | None
    batch: int | None = None
    openids: Sequence[str] = ()

    def __str__(self) -> str:
        whom = f", {len(self.openids)} OpenIDs ({self.openids[0]} …)" if self.openids else ""
        where = "" if self.broadcast_id is None else f": {self.broadcast_id}, batch {self.batch}"
        return f"{self.what}{where}{whom}"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A batch that was not split, with its OpenIDs."""

    broadcast_id: str
    account: str
    n: int
    state: BatchState
    openids: Sequence[str]
    #: WeChat may have taken a call of it, or its replies contradict each other.
    may_be_doubted: bool = False
    #: Of a send to a list that is WeChat's own: its key. It has no OpenIDs here.
    clientmsgid: str | None = None


def leaves(engine: Engine) -> list[Leaf]:
    """Return every batch that was not split, and as cancelled what was never cut into batches."""
    found = []
    for one in broadcast_reports.reports(engine, most=1_000_000):
        if one.path is SendPath.SENDALL:
            found.append(_own_list(engine, one))
            continue
        found += [
            Leaf(
                one.id,
                one.account,
                portion.n,
                portion.state,
                list(split(portion.openids)),
                portion.state is BatchState.IN_DOUBT and _is_explained(engine, one.id, portion.n),
            )
            for name in SETS
            for portion in recipients.portions(engine, one.id, name)
            if portion.state
        ]
    return found


def _own_list(engine: Engine, one: Report) -> Leaf:
    """Return the only call of a send to WeChat's own list, or that it was never planned."""
    with read(engine) as connection:
        row = connection.execute(
            select(Batch.n, Batch.state, Batch.clientmsgid).where(Batch.broadcast_id == one.id)
        ).one_or_none()
    if row is None:
        cancelled = one.state is BroadcastState.CANCELLED
        state = BatchState.CANCELLED if cancelled else BatchState.PLANNED
        return Leaf(one.id, one.account, 0, state, (), clientmsgid="")
    doubted = row.state is BatchState.IN_DOUBT and _is_explained(engine, one.id, row.n)
    return Leaf(one.id, one.account, row.n, row.state, (), doubted, row.clientmsgid)


def _is_explained(engine: Engine, broadcast_id: str, n: int) -> bool:
    with read(engine) as connection:
        batch_id = connection.scalars(
            select(Batch.id).where(Batch.broadcast_id == broadcast_id, Batch.n == n)
        ).one()
        return _has_reason(connection, batch_id)


#: What leaves open whether WeChat took the batch.
_OPEN = MAYBE_SENT | {Outcome.ALREADY_ACCEPTED, None}


def _has_reason(connection: Connection, batch_id: int) -> bool:
    """Tell whether the calls of a batch leave a doubt, or left one when it was put in doubt.

    A reply that came later ends no doubt; its call was open until then.
    """
    calls = connection.execute(
        select(
            AttemptRow.account,
            AttemptRow.outcome,
            AttemptRow.msg_id,
            AttemptRow.outcome_recorded_at,
        ).where(AttemptRow.batch_id == batch_id)
    ).all()
    named = {call.msg_id for call in calls if call.msg_id is not None}
    # A cancel moves all of a broadcast's batches by one line, which names none of them.
    together = select(Batch.broadcast_id).where(Batch.id == batch_id).scalar_subquery()
    its_own = (Event.batch_id == batch_id) | (
        Event.batch_id.is_(None) & (Event.broadcast_id == together)
    )
    since = connection.scalar(
        select(func.max(Event.at))
        .where(its_own, Event.kind == EventKind.BATCH_MOVE)
        .where(Event.detail.contains(f'"new": "{BatchState.IN_DOUBT}"'))
    )
    came_later = since is not None and any(
        c.outcome_recorded_at and c.outcome_recorded_at > since for c in calls
    )
    foreign = connection.scalar(
        select(func.count())
        .select_from(Batch)
        .where(Batch.account.in_({call.account for call in calls}), Batch.msg_id.in_(named))
        .where(Batch.id != batch_id)
    )
    open_calls = any(call.outcome in _OPEN for call in calls)
    return open_calls or came_later or len(named) > 1 or bool(foreign)


def lanes(engine: Engine) -> list[str]:
    """Tell how every lane stands, a line each."""
    with read(engine) as connection:
        rows = connection.execute(select(Lane.__table__)).mappings()
        return [" ".join(f"{name}={value}" for name, value in row.items()) for row in rows]


def judge(
    batches: Sequence[Leaf],
    audiences: Mapping[str, Iterable[str]],
    delivered: Mapping[str, Mapping[str, int]],
) -> list[Finding]:
    """Hold the sets of lists against the *audiences* and what each account's followers got.

    What came by WeChat's own lists is not among it.
    """
    lists = [leaf for leaf in batches if leaf.clientmsgid is None]
    findings = [finding for leaf in lists for finding in _of_batch(leaf, delivered[leaf.account])]
    for broadcast_id, audience in audiences.items():
        told = Counter(
            each for leaf in lists if leaf.broadcast_id == broadcast_id for each in leaf.openids
        )
        findings += _of_sets(broadcast_id, Counter(audience), told)
    known = {each for audience in audiences.values() for each in audience}
    beside = [(each, count) for got in delivered.values() for each, count in got.items() if count]
    wrong = {
        "sent to somebody who is in no audience": [
            each for each, count in beside if count > 0 and each not in known
        ],
        "got nothing by a job of WeChat's own list": [each for each, count in beside if count < 0],
    }
    return findings + [Finding(what, None, None, who) for what, who in wrong.items() if who]


def _of_batch(leaf: Leaf, got: Mapping[str, int]) -> list[Finding]:
    if leaf.state not in DELIVERIES:
        return [Finding(f"still {leaf.state}", leaf.broadcast_id, leaf.n)]
    least, most = DELIVERIES[leaf.state]
    lost = [each for each in leaf.openids if got.get(each, 0) < least]
    doubled = [each for each in leaf.openids if got.get(each, 0) > most]
    what = {"LOST": lost, "DOUBLED" if most else "SENT, BUT CALLED " + leaf.state: doubled}
    return [
        Finding(f"{word} ({leaf.state})", leaf.broadcast_id, leaf.n, who)
        for word, who in what.items()
        if who
    ] + of_doubt(leaf)


def of_doubt(leaf: Leaf) -> list[Finding]:
    """Return what is wrong with a batch that is in doubt."""
    if leaf.state is not BatchState.IN_DOUBT or leaf.may_be_doubted:
        return []
    return [Finding("IN DOUBT WITHOUT A REASON", leaf.broadcast_id, leaf.n, leaf.openids)]


def _of_sets(broadcast_id: str, audience: Counter[str], told: Counter[str]) -> list[Finding]:
    differences = {
        "in no batch": list((audience - told).elements()),
        "in two batches, or of nobody's audience": list((told - audience).elements()),
    }
    return [Finding(what, broadcast_id, None, who) for what, who in differences.items() if who]


def history(engine: Engine, finding: Finding) -> list[str]:
    """Return what the ledger says about the batch of a finding, call by call."""
    if finding.broadcast_id is None:
        return []
    with read(engine) as connection:
        attempts = connection.execute(
            select(AttemptRow.__table__)
            .join(Batch, Batch.id == AttemptRow.batch_id)
            .where(Batch.broadcast_id == finding.broadcast_id, Batch.n == finding.batch)
            .order_by(AttemptRow.number)
        ).mappings()
        calls = [
            "  " + " ".join(f"{key}={value}" for key, value in row.items() if value is not None)
            for row in attempts
        ]
    report = broadcast_reports.report(engine, finding.broadcast_id, whole=False)
    return [f"{finding.broadcast_id} is {report.state}", *calls]
