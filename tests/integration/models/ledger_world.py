"""A lane, its drivers, WeChat and an honest clerk's model of it all, for random histories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select

from broadcast import openid
from broadcast.rules.calls.attempts import CallResult, storable
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.gates.gate import RESUME_OPENS, GateKind
from broadcast.rules.states import (
    BATCH_AT_REST,
    STOPPED_JOB,
    BatchState,
    BroadcastState,
    Phase,
    resting_state,
)
from models.accounts import Lane
from models.broadcast_tables import BroadcastRow
from models.every_table import Batch, GateRow
from models.ledger.lane import record_outcomes
from models.ledger.lane.next_work import Work
from models.ledger.lists import recipients
from models.ledger.outcomes import recorded_ends
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import read
from tests.integration.models.ledger_models import (
    BroadcastModel,
    DriverModel,
    InFlight,
    finish_of,
    is_closed,
)
from tests.integration.models.mass_send_twin import MassSendTwin
from tests.integration.models.reference import WITH_WECHAT, BatchModel
from tests.integration.models.still_clock import NOON, StillClock
from tests.kit import ledger

B, S = BatchState, BroadcastState
ACCOUNT = "default"
SIZE, BATCHES = 10, 2


class LedgerWorld:
    """The real ledger, and beside it what should be in it."""

    def __init__(self, engine: Engine, clock: StillClock) -> None:
        """Begin with an empty database at noon."""
        self.engine, self.clock = engine, clock
        clock.now = NOON
        self.wechat = MassSendTwin()
        self.drivers = [DriverModel(name) for name in ("one", "two", "three")]
        self.flights: list[InFlight] = []
        self.broadcasts: dict[str, BroadcastModel] = {}
        self.batches: dict[int, BatchModel] = {}
        #: Jobs whose end WeChat told, and whether its review had refused them.
        self.events: dict[int, bool] = {}
        self.fence = 0
        self.leased_until: datetime | None = None
        #: Of the account (None) and of its interfaces; each with the moment at which it opens.
        self.gates: dict[tuple[GateKind, SendPath | None], datetime | None] = {}
        self.lane: Any = None
        #: Of each batch: its list, where it starts in it, its size.
        self.ranges: dict[int, tuple[str, int, int]] = {}
        ledger.empty(engine)

    @property
    def now(self) -> datetime:
        """The database's moment."""
        return self.clock.now

    @property
    def lane_is_free(self) -> bool:
        """Whether nobody's lease lives."""
        return self.leased_until is None or self.leased_until <= self.now

    def idle(self) -> list[DriverModel]:
        """Return the drivers who believe that the lane is theirs, and wait for no reply."""
        return [one for one in self.drivers if one.lease is not None and one.flight is None]

    def ready(self) -> list[DriverModel]:
        """Return those of them who have read what to do."""
        return [driver for driver in self.idle() if driver.work is not None]

    def told(self) -> list[InFlight]:
        """Return the calls of which something was recorded."""
        return [flight for flight in self.flights if flight.told]

    def uncalled(self) -> list[InFlight]:
        """Return the claims of which nothing came yet."""
        return [f for f in self.flights if not (f.told or f.dead or f.reply)]

    def in_the_air(self) -> list[InFlight]:
        """Return the calls that may still reach WeChat."""
        return [flight for flight in self.flights if flight.in_the_air(self.now)]

    def untold(self) -> list[InFlight]:
        """Return the calls of which more is to be told than was."""
        return [f for f in self.flights if not f.dead and f.reply not in f.told]

    def standing(self, *states: BatchState) -> list[BatchModel]:
        """Return the batches in these states."""
        return [batch for batch in self.batches.values() if batch.was in states]

    def submit(self, *, planned: bool = True) -> None:
        """Add a broadcast, planned or not."""
        if planned:
            broadcast_id = ledger.broadcast(self.engine, size=SIZE, batches=BATCHES)
        else:
            broadcast_id = ledger.published(
                self.engine, ledger.body(size=SIZE), size=SIZE, batches=BATCHES
            )
        self.broadcasts[broadcast_id] = BroadcastModel(broadcast_id)
        self.observe()

    def observe(self) -> None:
        """Read where everything stands, learn of the halves of what was split."""
        with self.engine.connect() as connection:
            self.lane = connection.execute(select(Lane.__table__)).one()
            found = list(connection.execute(select(BroadcastRow.__table__)))
            rows = list(connection.execute(select(Batch.__table__).order_by(Batch.id)))
            gates = connection.execute(
                select(GateRow.__table__).where(GateRow.opened_at.is_(None))
            ).all()
        for row in found:
            broadcast = self.broadcasts[row.id]
            broadcast.phase, broadcast.result, broadcast.due_at = row.phase, row.result, row.due_at
        self._see_gates(gates)
        for row in rows:
            known = self.batches.get(row.id)
            if known is None:
                known = self.batches[row.id] = BatchModel(
                    id=row.id,
                    n=row.n,
                    broadcast_id=row.broadcast_id,
                    key=row.clientmsgid,
                    size=row.size,
                    cancelled=self.broadcasts[row.broadcast_id].cancelled,
                )
            assert known.key == row.clientmsgid, "a clientmsgid changed"
            assert row.attempts == len(known.calls)
            known.was, known.not_before, known.msg_id = row.state, row.not_before, row.msg_id
            self._see_event(known, row)
            known.calling = known.calling and row.state is B.CALLING
        self.ranges = {row.id: (row.list, row.start, row.size) for row in rows}

    def _see_event(self, batch: BatchModel, row: Any) -> None:
        """See that a batch stands where the event of its job says, whichever came first."""
        refused = self.events.get(row.msg_id)
        # What mass/get called failed was another job than a reply has named since.
        batch.reviewed = batch.reviewed and row.state is B.REFUSED
        batch.refused_jobs = frozenset(job for job, nobody in self.events.items() if nobody)
        if refused is None:
            return
        if row.state in WITH_WECHAT:
            assert (row.state, refused) == (B.FINISHED, False), "its event was not met"
            assert row.poll_at is None, "its end is known"
        by_review = row.reason in STOPPED_JOB
        batch.reviewed = row.state is B.REFUSED and refused and by_review

    def event_comes(self, msg_id: int, *, refused: bool) -> None:
        """Let WeChat tell of the end of a job, for the first time or again, be it otherwise."""
        said = refused
        # Of two words at one time that it was sent counts, whichever came first.
        refused = self.events[msg_id] = said and self.events.get(msg_id, True)
        named = [batch for batch in self._all() if msg_id in batch.told()]
        owners = [batch for batch in self._all() if batch.msg_id == msg_id]
        for call in named[0].calls if len(named) == 1 and not owners else []:
            call.confirmed |= call.msg_id == msg_id
        for batch in owners:
            if batch.was in WITH_WECHAT or batch.reviewed:
                batch.reviewed = refused
        event = finish_of(msg_id, refused=said, at=self.wechat.taken_at(msg_id))
        recorded_ends.record_finish_event(self.engine, ACCOUNT, event)
        self._learn_refused_jobs()

    def _learn_refused_jobs(self) -> None:
        """Note for every batch of which jobs WeChat said that nobody got them."""
        refused = frozenset(job for job, nobody in self.events.items() if nobody)
        for batch in self._all():
            batch.refused_jobs = refused

    def _see_gates(self, rows: Sequence[Any]) -> None:
        """See that no gate opened by itself, and learn of those that a reply closed."""
        own: dict[str, dict[GateKind, datetime | None]] = {one: {} for one in self.broadcasts}
        account: dict[tuple[GateKind, SendPath | None], datetime | None] = {}
        for row in rows:
            if row.broadcast_id:
                own[row.broadcast_id][row.kind] = row.until
            else:
                account[row.kind, row.path] = row.until
        closed_by_replies = {GateKind.STOP, GateKind.BREAKER}
        for broadcast in self.broadcasts.values():
            there = own[broadcast.id]
            # What a resume opens ends with its broadcast.
            ended = RESUME_OPENS if broadcast.phase is Phase.ENDED else frozenset()
            kept = {kind: until for kind, until in broadcast.gates.items() if kind not in ended}
            assert kept.items() <= there.items(), "a gate opened by itself"
            assert there.keys() - broadcast.gates.keys() <= {GateKind.BREAKER}
            broadcast.gates = there
        assert self.gates.items() <= account.items(), "a gate of the account opened by itself"
        assert {kind for kind, _ in account.keys() - self.gates.keys()} <= closed_by_replies
        self.gates = account

    def forbidden_by(self, broadcast: BroadcastModel) -> list[GateKind]:
        """Return the gates that forbid its calls, which all go to one interface, now."""
        mine = [(kind, None, until) for kind, until in broadcast.gates.items()]
        others = [(kind, path, until) for (kind, path), until in self.gates.items()]
        return [
            kind
            for kind, path, until in (*mine, *others)
            if path in {None, SendPath.MASS_SEND} and is_closed(kind, until, self.now)
        ]

    def may_be_planned(self) -> list[BroadcastModel]:
        """Return the broadcasts that wait for nothing but a worker to plan them."""
        return [
            one
            for one in self.broadcasts.values()
            if one.phase is Phase.PLANNING
            and not any(
                kind in {GateKind.CANCEL, GateKind.SCHEDULE} and is_closed(kind, until, self.now)
                for kind, until in one.gates.items()
            )
        ]

    def timed(self) -> list[datetime]:
        """Return when gates open by themselves."""
        every = [*self.gates.values()]
        for broadcast in self.broadcasts.values():
            every += broadcast.gates.values()
        return [until for until in every if until is not None]

    def stands_still(self, broadcast: BroadcastModel) -> bool:
        """Tell whether nothing of it is called before somebody opens a gate, if ever."""
        if broadcast.phase is not Phase.SENDING:
            return True
        return any(
            kind not in {GateKind.SCHEDULE, GateKind.QUOTA} for kind in self.forbidden_by(broadcast)
        )

    def launched(self, ids: Sequence[str]) -> None:
        """Take in that gates of time were opened at their time."""
        for one in ids:
            broadcast = self.broadcasts[one]
            until = broadcast.gates.pop(GateKind.SCHEDULE)
            assert broadcast.phase is Phase.PLANNING
            assert until is not None
            assert until <= self.now

    def next_calls(self) -> list[BatchModel]:
        """Return the batches that somebody who had the lane might call now.

        A doubtful batch that no gate forbids is repeated before any other starts.
        """
        open_ones = {
            one.id
            for one in self.broadcasts.values()
            if one.phase is Phase.SENDING and not self.forbidden_by(one)
        }
        waits = self.lane.not_before is not None and self.lane.not_before > self.now
        found = [batch for batch in self._all() if batch.broadcast_id in open_ones]
        doubts = [batch for batch in found if batch.was is B.UNKNOWN]
        first = min((batch.not_before or NOON for batch in doubts), default=None)
        candidates = [batch for batch in doubts if (batch.not_before or NOON) == first] or [
            batch for batch in found if batch.was is B.PLANNED
        ]
        return [
            batch
            for batch in candidates
            if not waits and (batch.not_before is None or batch.not_before <= self.now)
        ]

    def openids(self, batch: BatchModel) -> list[str]:
        """Return the followers of a batch."""
        name, start, size = self.ranges[batch.id]
        with read(self.engine) as connection:
            packed = recipients.packed(connection, batch.broadcast_id, name, start=start, size=size)
        names = openid.unpack(packed).decode()
        return [names[i : i + openid.LENGTH] for i in range(0, len(names), openid.LENGTH)]

    def record(self, flight: InFlight, fact: CallResult) -> None:
        """Store a fact, and see that it moves what it must and nothing else."""
        batch, call = flight.batch, flight.batch.calls[flight.claim.number - 1]
        told_in_time = batch.was is B.CALLING and call is batch.calls[-1]
        before = self._standing()
        news = call.learn(storable(fact))
        batch.calling = batch.calling and not (news and told_in_time)
        record_outcomes.record(self.engine, flight.claim.attempt_id, fact)
        flight.told.append(fact)
        after = self._standing()
        if not news:
            assert before == after, "what was told before, or is no news, moved something"
        if news and told_in_time and not batch.taken:
            self._see_stops(batch, fact.outcome)

    def _standing(self) -> list[Any]:
        with self.engine.connect() as connection:
            return [
                list(connection.execute(select(table.__table__)).all())
                for table in (Batch, Lane, BroadcastRow, GateRow)
            ]

    def _see_stops(self, batch: BatchModel, outcome: Outcome) -> None:
        """See that a refusal which concerns more than its batch stops what it concerns."""
        self.observe()
        broadcast = self.broadcasts[batch.broadcast_id]
        if outcome is Outcome.STOP_ACCOUNT:
            assert {(GateKind.STOP, None), (GateKind.STOP, SendPath.MASS_SEND)} & self.gates.keys()
        if outcome is Outcome.QUOTA_TODAY and batch.was is not B.IN_DOUBT:
            assert self.lane.not_before > self.now
        if outcome in {Outcome.STOP_BROADCAST, Outcome.QUOTA_MONTH}:
            assert broadcast.ended or {GateKind.BREAKER, GateKind.CANCEL} & broadcast.gates.keys()

    def check(self, *, honest: bool) -> None:
        """Hold the ledger against the model, and both against what WeChat did."""
        before = {batch.id: batch.was for batch in self.batches.values()}
        legal = {batch.id: batch.legal(self._said_of_others(batch)) for batch in self._all()}
        self.observe()
        for batch in self._all():
            if batch.id in legal:
                way = f"{before[batch.id]} -> {batch.was}, legal: {legal[batch.id]}: {batch}"
                assert batch.was in legal[batch.id], way
        assert sum(batch.was is B.CALLING for batch in self._all()) <= 1
        for broadcast in self.broadcasts.values():
            self._check_broadcast(broadcast)
        self._check_due()
        if honest:
            self._check_followers()

    def _all(self) -> list[BatchModel]:
        return list(self.batches.values())

    def _said_of_others(self, batch: BatchModel) -> set[int]:
        return {
            call.msg_id
            for other in self._all()
            if other is not batch
            for call in other.calls
            if call.msg_id is not None
        } | self.said_by_people(but=batch)

    def said_by_people(self, *, but: BatchModel | None = None) -> set[int]:
        """Return the msg_ids that people gave to batches."""
        return {b.said_msg_id for b in self._all() if b is not but and b.said_msg_id}

    def _check_broadcast(self, broadcast: BroadcastModel) -> None:
        batches = [b for b in self._all() if b.broadcast_id == broadcast.id]
        if not batches:
            wanted = (Phase.ENDED, S.CANCELLED) if broadcast.cancelled else (Phase.PLANNING, None)
            assert (broadcast.phase, broadcast.result) == wanted
            return
        leaves = [batch for batch in batches if batch.was is not B.SPLIT]
        assert sum(batch.size for batch in leaves) == SIZE - broadcast.out, "the sets do not add up"
        if all(batch.was in BATCH_AT_REST for batch in batches):
            counts: dict[BatchState, int] = {}
            for batch in batches:
                counts[batch.was] = counts.get(batch.was, 0) + 1
            assert broadcast.phase is Phase.ENDED
            assert broadcast.result is resting_state(counts)
        else:
            assert (broadcast.phase, broadcast.result) == (Phase.SENDING, None)

    def _check_due(self) -> None:
        """See that the sweep finds whatever might be called, planned or adopted now."""
        calling = {batch.broadcast_id for batch in self.standing(B.CALLING)}
        for one in calling:
            self._is_due(
                one, by=max(self.now, self.lane.leased_until or self.now) + lane_rows.GRACE
            )
        if not calling:
            for one in {batch.broadcast_id for batch in self.next_calls()}:
                self._is_due(one, by=self.now)
        if self.lane.not_before is None or self.lane.not_before <= self.now:
            for broadcast in self.may_be_planned():
                self._is_due(broadcast.id, by=self.now)

    def _is_due(self, broadcast_id: str, *, by: datetime) -> None:
        due_at = self.broadcasts[broadcast_id].due_at
        assert due_at is not None, "it would be left behind"
        assert due_at <= by, "the sweep would come too late"

    def _check_followers(self) -> None:
        """Nobody got it twice; who is told to have it has it; who is told not to, has not."""
        assert max(self.wechat.got.values(), default=0) <= 1, self.wechat.jobs
        for batch in self._all():
            if batch.reviewed:
                continue
            if batch.was in WITH_WECHAT:
                assert self.wechat.took(batch.key), batch
            if batch.was in {B.PLANNED, B.CANCELLED, B.REFUSED, B.SPLIT}:
                assert not self.wechat.took(batch.key), batch

    def forbids(self, driver: DriverModel, work: Work) -> list[str]:
        """Return everything that forbids the call of *work* now."""
        batch = self.batches[work.batch_id]
        broadcast = self.broadcasts[batch.broadcast_id]
        ends = batch.repeat_ends()
        held = driver.lease
        return [
            word
            for word, forbidden in {
                "fence": held is None or held.fence != self.fence,
                "lease": self.lane_is_free,
                "gates": bool(self.forbidden_by(broadcast)),
                "wait": self.lane.not_before is not None and self.lane.not_before > self.now,
                "phase": broadcast.phase is not Phase.SENDING,
                "moved": (batch.was, len(batch.calls), batch.not_before, batch.key)
                != (work.state, work.attempts, work.not_before, work.clientmsgid),
                "window": ends is not None and ends <= self.now,
            }.items()
            if forbidden
        ]
