"""What no notice reports yet: gates that closed, doubts, ends; and who is to hear of them.

They are found in what is committed, by the sweep, so that no transaction that stores a reply waits
for it. The key of a notice keeps a second sweep from adding it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Engine, exists, func, select

from broadcast.rules import notices as rules_notices
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.campaigns.launches import LaunchState
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState, BroadcastState, NoticeState, Phase
from broadcast.views import objects
from models.base import change, change_where, delete_where, insert_row, is_so
from models.batch_tables import STANDS, Batch, GateRow
from models.broadcast_tables import BroadcastRow
from models.campaign_tables import LaunchRow
from models.engine import now
from models.ledger.boxes import notices
from models.ledger.rows import figures
from models.ledger.rows.figures import Figures, ReportedRow
from models.ledger.rows.transaction import every_row, snapshot, write_new, writing_new
from models.notice_tables import NoticeReceiverRow, NoticeRow

#: After its end a broadcast is looked at for so long: what WeChat says of it comes within two days.
_NEWS_FOR: Final = timedelta(days=3)
#: So long the notice of an end waits for WeChat's counts: they come minutes after the call.
_COUNTED_WITHIN: Final = timedelta(minutes=10)
#: Digits of a digest that tell the sums of one end from another's.
_ENOUGH: Final = 16
#: Ends that one sweep reports, and gates and doubts.
_AT_ONCE: Final = 100


@writing_new
def register(connection: Connection, names: Collection[str], *, alone: bool) -> None:
    """Note the receivers of a worker's settings; the first ones hear of nothing before them.

    *alone*: others are no receivers any more.
    """
    known, moment = notices.receivers(connection), now(connection)
    for name in {*names}.difference(known):
        values = {"name": name, "since": moment, "next_at": moment}
        insert_row(connection, NoticeReceiverRow, **values)
    if not known:
        for one in _standing(connection):
            notices.add(connection, state=NoticeState.PASSED, **one)
    if alone:
        others = NoticeReceiverRow.name.not_in(names)
        delete_where(connection, NoticeReceiverRow, others)
        waiting = (NoticeRow.receiver.not_in(names), NoticeRow.state == NoticeState.WAITING)
        was_posted = NoticeRow.posted_at.is_not(None)
        ends = {"state": NoticeState.SENT, "due_at": None}
        change_where(connection, NoticeRow, *waiting, was_posted, **ends)
        change_where(connection, NoticeRow, *waiting, **ends | {"state": NoticeState.GIVEN_UP})


def report(engine: Engine) -> None:
    """Add the notices that are missing."""
    with snapshot(engine) as connection:
        new = list(islice(_unknown(connection, _standing(connection)), _AT_ONCE))
        ended = _ended(connection)

    def work(connection: Connection) -> None:
        for one in new:
            notices.add(connection, **one)
        for end in ended:
            _add_end(connection, end)

    if new or ended:
        write_new(engine, work)


def _unknown(
    connection: Connection, standing: Iterable[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield those that have no notice: those that have one take no place of a later one."""
    each = iter(standing)
    while some := list(islice(each, _AT_ONCE)):
        keys = NoticeRow.key.in_([one["key"] for one in some])
        known = set(connection.scalars(select(NoticeRow.key).where(keys)))
        yield from (one for one in some if one["key"] not in known)


def _standing(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield the gates and the doubts that wait for a person, as notices."""
    kinds, stands = GateRow.kind.in_(rules_notices.REPORTED), STANDS
    # Of broadcasts that ended some gates are never opened, and nobody waits for them.
    ended = exists().where(
        BroadcastRow.id == GateRow.broadcast_id, BroadcastRow.phase == Phase.ENDED
    )
    for gate in connection.execute(select(GateRow).where(kinds, stands, ~ended)):
        own = gate.broadcast_id
        yield {
            "kind": rules_notices.WAITS if own else rules_notices.STOPPED,
            "account": gate.account,
            "subject": own or gate.account,
            "key": f"gate {gate.id}",
        }
    doubts = select(Batch).filter_by(state=BatchState.IN_DOUBT).order_by(Batch.id.desc())
    for batch in connection.execute(doubts):
        # Settled and retried it may be in doubt once more.
        key = f"doubt {batch.id} {batch.attempts} {batch.settled_after}"
        yield {
            "kind": rules_notices.WAITS,
            "account": batch.account,
            "key": key,
            "subject": batch.broadcast_id,
        }


def _ended(connection: Connection) -> Sequence[Figures]:
    """Return the broadcasts that ended since somebody hears of it, or were changed since.

    Those that still wait for WeChat or a person keep none behind them from its notice.
    """
    since = select(func.min(NoticeReceiverRow.since)).scalar_subquery()
    query = (
        figures.ROWS.where(
            BroadcastRow.phase == Phase.ENDED,
            BroadcastRow.finished_at >= since,
            BroadcastRow.finished_at >= now(connection) - _NEWS_FOR,
            func.coalesce(BroadcastRow.reported_version, -1) < BroadcastRow.version,
        )
        .order_by(BroadcastRow.id)
        .limit(_AT_ONCE)
    )
    found: list[Figures] = []
    page = every_row(connection, query, ReportedRow)
    while page and len(found) < _AT_ONCE:
        found += [end for end in figures.of_rows(connection, page) if not _waits(end)]
        is_last = len(page) < _AT_ONCE
        behind = query.where(BroadcastRow.id > page[-1].id)
        page = [] if is_last else every_row(connection, behind, ReportedRow)
    return found


def _waits(end: Figures) -> bool:
    return _awaits_administrator(end) or _awaits_counts(end)


def _add_end(connection: Connection, end: Figures) -> None:
    row = end.row
    change(connection, BroadcastRow, row.id, reported_version=row.version)
    # The run of a campaign is held for it, and has a notice of its own.
    held = (LaunchRow.broadcast_id == row.id, LaunchRow.state != LaunchState.LAUNCHED)
    # What is held has notices of its doubts; what comes of them ends it once more.
    if end.state is not BroadcastState.HELD and not is_so(connection, exists().where(*held)):
        sums = objects.event_digest(end.state, *end.sums)[:_ENOUGH]
        key = f"end {row.id} {row.finished_at} {sums}"
        notices.add(
            connection, kind=rules_notices.ENDED, account=row.account, subject=row.id, key=key
        )


def _awaits_administrator(end: Figures) -> bool:
    """Return whether WeChat may still ask the administrator: then nobody got it yet."""
    asked = [gate for gate in end.gates if gate.kind is GateKind.ADMINISTRATOR]
    at, batches = end.row.finished_at, end.sums[1]
    is_open = batches["accepted"] > batches["finished"]
    # What a person said of it later ends it once more.
    return is_open and any(gate.until and at and at <= gate.until for gate in asked)


def _awaits_counts(end: Figures) -> bool:
    """Return whether WeChat's counts may come soon: of a list that is its own it alone has sums."""
    row = end.row
    is_early = row.finished_at is not None and row.now - row.finished_at < _COUNTED_WITHIN
    is_open = not end.delivered.jobs and any(count.polled for count in end.counts)
    return row.path is SendPath.SENDALL and is_early and is_open
