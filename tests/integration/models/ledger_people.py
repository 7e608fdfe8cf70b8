"""What people, WeChat and newer releases do to a lane, beside its drivers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from sqlalchemy import Engine

from broadcast.enums import recognised
from broadcast.errors import InputError
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope, SendPath
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.calls.waits import DEFAULT_TUNING
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.ledger.gates import gate_changes
from models.ledger.lane import obstacles
from models.ledger.plan import plans, take_out
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import write
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from tests.integration.models.ledger_models import BroadcastModel
from tests.integration.models.ledger_world import ACCOUNT, LedgerWorld
from tests.integration.models.still_clock import StillClock
from tests.integration.models.stories import close
from tests.kit import ledger

B, S = BatchState, BroadcastState
T = TypeVar("T")
WHO = "tests"
#: A person's words; what goes on is said more often than what ends.
WORDS = [
    "submit",
    "publish",
    "plan",
    "plan",
    "pause",
    "resume",
    "resume",
    "retry",
    "retry",
    "cancel",
    "cancel",
    "halt",
    "ask_out",
    "ask_out",
    "unhalt",
    "unhalt",
    "newer_release_opens",
    "wechat_is_away",
]
#: Gates that close by themselves or by a newer release: kind, and path of the account (False: the
#: broadcast's own).
STRANGE = recognised(GateKind, "quiet_hours")
CLOSING: list[tuple[GateKind, SendPath | Literal[False] | None]] = [
    (GateKind.HOLD, False),
    (GateKind.BREAKER, False),
    (GateKind.SCHEDULE, False),
    (STRANGE, False),
    (GateKind.STOP, None),
    (GateKind.STOP, SendPath.MASS_SEND),
    (GateKind.STOP, SendPath.SENDALL),
    (GateKind.QUOTA, SendPath.MASS_SEND),
    (GateKind.QUOTA, SendPath.SENDALL),
    (STRANGE, None),
]
TIMED = {GateKind.SCHEDULE, GateKind.QUOTA}
RESUMED = {GateKind.PAUSE, GateKind.BREAKER, GateKind.HOLD}
PASSING = [1, 3, 7, 61, 600, 3_000, 3_600, 43_200, 80_000, 90_000]
UNHALTED = {GateKind.HALT, GateKind.BREAKER, GateKind.STOP, GateKind.QUOTA}
MOST_BROADCASTS = 3
#: Of a batch of more, one can be taken out and nobody is left alone.
SMALL = 2

#: Which of several; taken modulo their number, so that shrinking finds the first.
picks = st.integers(0, 99)


class PeopleMachine(RuleBasedStateMachine):
    """An account's broadcasts, and people who submit, pause, retry, cancel and halt."""

    def __init__(self, engine: Engine, clock: StillClock) -> None:
        """Begin anew."""
        super().__init__()
        self.world = LedgerWorld(engine, clock)
        self.engine = engine

    def submit(self, _: BroadcastModel) -> None:
        if len(self.world.broadcasts) < MOST_BROADCASTS:
            self.world.submit()

    def publish(self, _: BroadcastModel) -> None:
        if len(self.world.broadcasts) < MOST_BROADCASTS:
            self.world.submit(planned=False)

    @rule(pick=picks, word=st.sampled_from(WORDS))
    def person_says(self, pick: int, word: str) -> None:
        getattr(self, word)(one_of(list(self.world.broadcasts.values()), pick))

    def pause(self, broadcast: BroadcastModel) -> None:
        still = broadcast.ended or broadcast.cancelled or GateKind.PAUSE in broadcast.gates
        assert operator.pause(self.engine, broadcast.id, who=WHO) != still
        if not still:
            broadcast.gates[GateKind.PAUSE] = None

    def resume(self, broadcast: BroadcastModel) -> None:
        if broadcast.ended or broadcast.cancelled:
            with pytest.raises(InputError):
                operator.resume(self.engine, broadcast.id, who=WHO)
            return
        mine = broadcast.gates.keys() & RESUMED
        assert operator.resume(self.engine, broadcast.id, who=WHO) == bool(mine)
        for kind in mine:
            del broadcast.gates[kind]

    def plan(self, _: BroadcastModel | None = None) -> None:
        for broadcast in self.world.broadcasts.values():
            may = broadcast in self.world.may_be_planned()
            assert (plans.to_plan(self.engine, broadcast.id) is not None) == may
            if may:
                ledger.planned(self.engine, broadcast.id)

    def retry(self, broadcast: BroadcastModel) -> None:
        if broadcast.cancelled:
            with pytest.raises(InputError):
                retries.retry(self.engine, broadcast.id, who=WHO)
            return
        done = retries.retry(self.engine, broadcast.id, who=WHO)
        if done.goes is retries.Goes.ON:
            assert GateKind.PAUSE not in broadcast.gates, "only a resume lifts a person's pause"
            for kind in broadcast.gates.keys() & RESUMED:
                del broadcast.gates[kind]
        for batch in self.world.batches.values():
            mine = batch.broadcast_id == broadcast.id
            assert not (mine and batch.taken and batch.n in _again(done)), batch

    def cancel(self, broadcast: BroadcastModel) -> None:
        done = broadcast.ended and broadcast.result is not S.HELD
        news = not broadcast.cancelled and not done
        assert operator.cancel(self.engine, broadcast.id, who=WHO) == news
        if news:
            broadcast.gates[GateKind.CANCEL] = None
            for batch in self.world.batches.values():
                batch.cancelled |= batch.broadcast_id == broadcast.id

    def ask_out(self, broadcast: BroadcastModel) -> None:
        """Let one of each batch ask out: whom no call may have reached is taken out of it."""
        self.world.observe()
        for batch in list(self.world.batches.values()):
            if batch.broadcast_id != broadcast.id or batch.was is B.SPLIT or batch.size <= SMALL:
                continue
            person = ledger.packed(self.world.openids(batch)[:1])
            taken = take_out.shrink(self.engine, broadcast.id, person, reason="suppressed")
            assert taken == batch.may_change, batch
            if taken:
                [row] = [r for r in ledger.batches(self.engine, broadcast.id) if r.id == batch.id]
                assert row.clientmsgid != batch.key, "other people, and the same key"
                batch.key, batch.size, broadcast.out = row.clientmsgid, row.size, broadcast.out + 1

    def halt(self, _: BroadcastModel | None = None) -> None:
        news = [] if (GateKind.HALT, None) in self.world.gates else [ACCOUNT]
        assert operator.halt(self.engine, ACCOUNT, who=WHO) == news
        self.world.gates[GateKind.HALT, None] = None

    def unhalt(self, _: BroadcastModel | None = None) -> None:
        world = self.world
        mine = {
            key
            for key, until in world.gates.items()
            if key[0] in UNHALTED and (until is None or until > world.now)
        }
        waits = self._waits_for_another_day()
        assert operator.unhalt(self.engine, None, who=WHO) == ([ACCOUNT] if mine or waits else [])
        for key in mine:
            del self.world.gates[key]

    def _waits_for_another_day(self) -> bool:
        views, moment = broadcast_reports.lanes(self.engine)
        lane = views.get(ACCOUNT)
        if lane is None or lane.not_before is None or lane.wait_reason is not Reason.QUOTA_TODAY:
            return False
        return lane.not_before > moment

    def wechat_is_away(self, broadcast: BroadcastModel) -> None:
        """Let the lane wait for a token or a quota, whatever is under way."""
        outcome = Outcome.WAIT if len(broadcast.gates) % 2 else Outcome.QUOTA_TODAY
        away = NoAnswer(outcome=outcome, scope=Scope.ACCOUNT)
        assert obstacles.apply_no_answer(
            self.engine, ledger.account(), away, waits=DEFAULT_TUNING.waits
        )

    @rule(pick=picks, what=st.sampled_from(CLOSING), seconds=st.sampled_from(PASSING))
    def gate_closes(
        self, pick: int, what: tuple[GateKind, SendPath | Literal[False] | None], seconds: int
    ) -> None:
        """Close a gate that the worker, WeChat or a newer release closes."""
        world, (kind, path) = self.world, what
        broadcast = one_of(list(world.broadcasts.values()), pick)
        until = world.now + timedelta(seconds=seconds) if kind in TIMED else None
        own = broadcast.id if path is False else None
        close(self.engine, kind, broadcast_id=own, path=path or None, until=until)
        if path is False:
            broadcast.gates[kind] = later(broadcast.gates.get(kind), until)
        else:
            world.gates[kind, path] = later(world.gates.get((kind, path)), until)

    def newer_release_opens(self, _: BroadcastModel | None = None) -> None:
        """Open what only a newer release closes and opens."""
        with self.engine.connect() as connection:
            theirs = [
                gate
                for one in ("", *self.world.broadcasts)
                for gate in closed_gates.gates_of(connection, ACCOUNT, one)
                if gate.kind == STRANGE
            ]
        write(self.engine, lambda c: gate_changes.open_(c, ACCOUNT, theirs, who="a newer release"))
        self.world.gates.pop((STRANGE, None), None)
        for broadcast in self.world.broadcasts.values():
            broadcast.gates.pop(STRANGE, None)


def one_of(several: Sequence[T], pick: int) -> T:
    """Return one of several."""
    return several[pick % len(several)]


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two moments at which a gate opens."""
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _again(done: retries.Retried) -> set[int]:
    return {n for group in done.groups_of(RetryVerdict.AGAIN) for n in group.numbers}
