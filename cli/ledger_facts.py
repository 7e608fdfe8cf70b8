"""What the ledger says beside a report, in the structures that ``presentation`` takes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine

from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from broadcast.reports import Report
from broadcast.states import BatchState, BroadcastState
from models.ledger.reading import history, possibly_sent, reports, retry_verdicts
from models.ledger.reading.in_flight import InFlight
from models.ledger.reading.retry_verdicts import RetryGroup
from presentation.blockers import Lanes
from presentation.next_steps import (
    CallInFlight,
    Circumstances,
    Conflict,
    Doubt,
    LastWord,
    LeftOver,
)


def circumstances(engine: Engine, report: Report) -> Circumstances:
    """Return what is known of a broadcast beside its *report*, which has its batches.

    Raises DatabaseAwayError.
    """
    refused = report.batches["refused"]
    return Circumstances(
        last_word=_last_word(report),
        doubts=_doubts(engine, report),
        left_over=left_over(retry_verdicts.look(engine, report.id)) if refused else (),
        conflicts=[
            Conflict(n=one.n, at=one.at, word=Reason(one.word), msg_id=one.msg_id)
            for one in history.conflicts(engine, report.id)
        ],
    )


def _last_word(report: Report) -> LastWord | None:
    """Return the cancel of a broadcast, or the pause that stands."""
    gate = report.gate(GateKind.CANCEL) or report.gate(GateKind.PAUSE)
    if gate is None:
        return None
    moved_to = BroadcastState.CANCELLED if gate.kind is GateKind.CANCEL else BroadcastState.PAUSED
    return LastWord(who=gate.closed_by, why=gate.why, at=gate.closed_at, moved_to=moved_to)


def _doubts(engine: Engine, report: Report) -> list[Doubt]:
    unsettled = [line for line in report.batch_list if line.state is BatchState.IN_DOUBT]
    if not unsettled:
        return []
    named = possibly_sent.named_msg_ids(engine, report.id)
    called = possibly_sent.called_at(engine, report.id)
    return [
        Doubt(
            n=line.n, size=line.size, msg_ids=named.get(line.n, ()),
            first=called[line.n].first if line.n in called else None,
            last=called[line.n].last if line.n in called else None,
        )
        for line in unsettled
    ]  # fmt: skip


def left_over(groups: Iterable[RetryGroup]) -> list[LeftOver]:
    """Return what a retry says of each group of batches."""
    return [
        LeftOver(
            verdict=group.place, numbers=group.numbers, followers=group.followers,
            reason=group.reason, errcode=group.errcode,
        )
        for group in groups
    ]  # fmt: skip


def calls(found: Iterable[InFlight]) -> list[CallInFlight]:
    """Return calls that are under way."""
    return [
        CallInFlight(
            broadcast_id=one.broadcast_id, n=one.n, size=one.size, since=one.since,
            driven=one.driven,
        )
        for one in found
    ]  # fmt: skip


def lanes(engine: Engine) -> Lanes:
    """Read every lane. Raises DatabaseAwayError."""
    views, moment = reports.lanes(engine)
    return Lanes(by_account=views, now=moment)
