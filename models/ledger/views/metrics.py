"""The ledger's figures for monitors, read together in a few statements.

They are sums over indexes, over what is open, and over the newest calls. No label is an OpenID or
a broadcast's id: there would be ever more of them.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    Connection,
    bindparam,
    case,
    column,
    func,
    literal,
    select,
    table,
    text,
    union_all,
)

from broadcast import day, names
from broadcast.data_files import rows
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.metrics import Samples
from broadcast.rules.reports import set_of
from broadcast.rules.states import UNCALLED_PHASES, BatchState, BroadcastState, Phase
from models.base import Moment
from models.batch_tables import IS_A_CALL, OF_ACCOUNT, STANDS, AttemptRow, Batch, GateRow
from models.box_tables import QueueRow
from models.broadcast_tables import BroadcastRow, Reservation
from models.engine import database_now, now
from models.ledger.gates.quotas import day_of
from models.ledger.rows import closed_gates, figures
from models.ledger.rows.figures import ReportedRow
from models.ledger.rows.transaction import at_one_moment, every_row

#: A thousand accounts make fewer calls a day; those of before are not looked at.
_NEWEST: Final = 200_000
_COUNT: Final = func.count()

#: Those that ended, and how many of them a person cancelled.
_ENDED: Final = (
    select(
        BroadcastRow.account,
        BroadcastRow.result,
        _COUNT,
        func.sum(case((closed_gates.is_cancelled(BroadcastRow.id), 1), else_=0)),
    )
    .filter_by(phase=Phase.ENDED)
    .group_by(BroadcastRow.account, BroadcastRow.result)
)
_OPEN: Final = figures.ROWS.where(BroadcastRow.phase.in_([*UNCALLED_PHASES, Phase.SENDING]))
_BATCHES: Final = (
    select(
        Batch.account, Batch.state, _COUNT, func.sum(Batch.size), func.min(Batch.first_called_at)
    )
    .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
    .where(BroadcastRow.phase.not_in(UNCALLED_PHASES), IS_A_CALL, Batch.state != BatchState.SPLIT)
    .group_by(Batch.account, Batch.state)
)
#: Of each broadcast whose calls no gate forbids for the whole day: its batches that wait, and, if
#: it goes out over several days, the calls that it has reserved today.
_FOR_TODAY: Final = select(
    BroadcastRow.account,
    select(_COUNT)
    .where(Batch.broadcast_id == BroadcastRow.id, IS_A_CALL)
    .where(Batch.state.in_([BatchState.PLANNED, BatchState.UNKNOWN]))
    .scalar_subquery(),
    case(
        (
            BroadcastRow.spread_days,
            func.coalesce(
                select(func.sum(Reservation.calls))
                .filter_by(broadcast_id=BroadcastRow.id, day=bindparam("today"))
                .scalar_subquery(),
                0,
            ),
        )
    ),
).where(BroadcastRow.phase == Phase.SENDING, closed_gates.NO_GATE_BUT_QUOTA)
_CALL: Final = AttemptRow.account, AttemptRow.path, AttemptRow.outcome, AttemptRow.errcode
_CALLS: Final = (
    select(*_CALL, _COUNT)
    .where(AttemptRow.id > select(func.max(AttemptRow.id) - _NEWEST).scalar_subquery())
    .group_by(*_CALL)
)
_CLOSED: Final = (
    select(GateRow.account, GateRow.kind)
    .distinct()
    .where(OF_ACCOUNT, STANDS, GateRow.kind.in_([GateKind.HALT, GateKind.STOP, GateKind.RESTORED]))
)
#: Since when the age of the oldest batch in one of these states counts.
_AGES: Final = {
    BatchState.CALLING: "oldest_unsettled_batch_age_seconds",
    BatchState.UNKNOWN: "oldest_unsettled_batch_age_seconds",
    BatchState.IN_DOUBT: "oldest_in_doubt_batch_age_seconds",
}
#: What is in each box in which state: its table, since when it is, and which rows. What is to come
#: is not in it. These tables are not mapped for it.
_BOXES: Final = union_all(
    *(
        select(literal(one["box"]), literal(one["state"]), _COUNT, func.min(since).label("since"))
        .select_from(table(one["table"]))
        .where(since <= database_now(), text(one["which"]))
        for one in rows(__file__, "boxes.csv")
        for since in [column(one["since"], Moment())]
    )
)


@at_one_moment
def samples(connection: Connection) -> Samples:
    """Return the figures of one moment. Raises DatabaseAwayError."""
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(lambda: defaultdict(float))
    moment = now(connection)
    for account, result, count, cancelled in connection.execute(_ENDED):
        state = BroadcastState.FAILED if result == BroadcastState.CANCELLED else result
        found["broadcasts"][account, state] += count - int(cancelled)
        found["broadcasts"][account, BroadcastState.CANCELLED] += int(cancelled)
    for one in figures.of_rows(connection, every_row(connection, _OPEN, ReportedRow)):
        found["broadcasts"][one.row.account, one.state] += 1
        if one.row.phase in UNCALLED_PHASES:
            found["people"][one.row.account, "waiting"] += one.row.planned or 0
    for account, state, count, size, since in connection.execute(_BATCHES):
        found["batches"][account, state] += count
        found["people"][account, set_of(state)] += int(size or 0)
        found["batches_for_today"][account,] += 0
        if age := _AGES.get(state):
            found[age][account,] = max(found[age][account,], _age(since, moment))
    last = {"today": day_of(moment), "moment": day.turn(moment) - timedelta(seconds=1)}
    for account, waiting, reserved in connection.execute(_FOR_TODAY, last):
        most = waiting if reserved is None else int(reserved)
        found["batches_for_today"][account,] += min(waiting, most)
    today = AttemptRow.started_at >= day.start(moment)
    for account, path, outcome, errcode, count in connection.execute(_CALLS.where(today)):
        code = "other" if outcome == Outcome.UNLISTED else errcode
        found["calls_today"][
            account, path, outcome or "under_way", "" if code is None else str(code)
        ] += count
    for account, kind in connection.execute(_CLOSED):
        found["account_closed"][account, kind] = 1
    for box, state, count, since in connection.execute(_BOXES):
        found["box_items"][box, state] = count
        found["box_oldest_age_seconds"][box, state] = _age(since, moment)
    # Of several brokers of before the newest is in use.
    empty_at = connection.scalar(select(func.max(QueueRow.empty_at)))
    found["queue_age_seconds"][names.ENQUEUE,] = _age(empty_at, moment)
    return found


def _age(since: datetime | None, moment: datetime) -> float:
    return max((moment - (since or moment)).total_seconds(), 0.0)
