"""Trials of "stop means stop": the real command against a lane under way, held to the clock.

One installation serves many trials, one after the other. In each, a broadcast of small batches is
being sent and another one waits behind it in the same lane, while a lane beside it never rests:
its calls show that the workers drive on, and they are the clock that a stopped lane does not have.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from celery import Celery
from sqlalchemy import func, select

from broadcast import accounts, names, openid
from broadcast.states import BatchState, BroadcastState
from broadcast.waits import Waits
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch, Pack
from models.event import Event
from models.ledger import audit, controls
from models.ledger.transaction import read
from tests.kit.direct import submit
from tests.kit.openids import split
from tests.kit.wait import until

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tests.kit.simulator import SimulatedAccount
    from tests.kit.system import System

#: From the command's return to the start of the last call: at most this.
BAR_S = 1.0
WORDS = ("pause", "cancel", "halt")
SIZE = 2
#: Enough for the lane to be busy still when a command of a slow machine arrives.
BATCHES = 80
BEHIND = 3
BUSY = 600
PATIENCE_S = 60
#: A command that came when everything had been sent is given anew, so often.
TRIES = 5
TAKEN = {BatchState.ACCEPTED, BatchState.FINISHED}
#: What is told of a broadcast after the word, in which set its rest is, and how that stands.
AFTERWARDS = {
    "pause": ("paused", "waiting", BatchState.PLANNED),
    "cancel": ("partial", "cancelled", BatchState.CANCELLED),
    "halt": ("held", "waiting", BatchState.PLANNED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What chance decides of a trial: the word comes so long after so many calls."""

    word: str
    latency_ms: float
    calls: int
    after_s: float


def draw(seed: int, count: int) -> list[Drawn]:
    """Return *count* trials, as many of each word as can be; the same seed draws the same."""
    chance = random.Random(seed)
    words = [WORDS[n % len(WORDS)] for n in range(count)]
    chance.shuffle(words)
    return [
        Drawn(
            word=word, latency_ms=round(chance.uniform(20, 50), 1), calls=chance.randint(1, 6),
            after_s=round(chance.uniform(0, 0.1), 3),
        )
        for word in words
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trial in Unix seconds; below zero, the last call began before that moment."""

    word: str
    asked: float
    #: When the ledger says that the word was spoken, by the database's clock.
    spoken: float
    returned: float
    last_start: float
    #: The command named a call that it did not reach any more.
    under_way: bool

    @property
    def after_return_s(self) -> float:
        """From the command's return to the start of the last call."""
        return self.last_start - self.returned

    @property
    def after_word_s(self) -> float:
        """The same from the word's line in the ledger, which is written before the return."""
        return self.last_start - self.spoken

    @property
    def took_s(self) -> float:
        """How long the command ran."""
        return self.returned - self.asked


def told(trials: Sequence[Measured]) -> Iterable[str]:
    """Yield the distribution of some trials, a line a word and one for all."""
    for word in (*WORDS, "all"):
        of_word = [one for one in trials if word in {one.word, "all"}]
        if not of_word:
            continue
        figures = [
            f"{name}: {statistics.median(values):+.2f} s, at most {max(values):+.2f} s"
            for name, values in (
                ("after the return", [one.after_return_s for one in of_word]),
                ("after the word", [one.after_word_s for one in of_word]),
                ("the command ran", [one.took_s for one in of_word]),
            )
        ]
        flown = sum(one.under_way for one in of_word)
        yield f"stop: {word}: {len(of_word)} trials; {'; '.join(figures)}; {flown} under way"


class Ground:
    """An installation with a lane that is stopped again and again, and one that never is."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.simulator = system.simulator
        self.stopped, self.busy = self.simulator.accounts[:2]
        self._app = Celery("tests", broker=system.valkey.url, set_as_current=False)
        self._app.conf.update(task_default_queue=names.QUEUE)
        self._next = Counter[str]()
        self._keys = 0
        self._beside: list[str] = []
        #: Who was cancelled, and must never get anything.
        self.never: list[str] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Call off the lane beside, and look at the whole once more."""
        self._app.close()
        for broadcast_id in self._beside:
            controls.cancel(self.system.engine, broadcast_id, who="tests")
        if kind is None:
            self._judge_everything()

    def trial(self, drawn: Drawn) -> Measured:
        """Stop a lane under way, see who got what, and let everything go on that may."""
        for _ in range(TRIES):
            self.keep_busy()
            self.simulator.set_switches(latency_ms=drawn.latency_ms)
            measured = _Trial(self, drawn, since=self._last_number()).run()
            if measured is not None:
                return measured
            print(f"stop: {drawn.word} came when nothing was left to be stopped; once more")
        raise AssertionError(f"{drawn}: nothing was left to be stopped, {TRIES} times")

    def ring(self, task: str, *args: str) -> None:
        """Ring for the workers now; the sweep would, within three seconds."""
        self._app.send_task(task, args=args)

    def submit(self, account: SimulatedAccount, batches: int) -> str:
        """Store a broadcast to followers whom no other one reaches; ring for its plan."""
        start, count = self._next[account.appid], batches * SIZE
        self._next[account.appid] += count
        self._keys += 1
        broadcast_id = submit(
            self.system.engine,
            accounts.make(
                account.name, appid=account.appid, appsecret=account.secret,
                api_base=self.simulator.url,
            ),
            self.simulator.openids(count, start=start, appid=account.appid),
            key=f"stop-{self._keys}", batch_size=SIZE,
        )  # fmt: skip
        self.ring(names.PLAN, broadcast_id)
        return broadcast_id

    def keep_busy(self) -> None:
        """See that the lane beside has enough to send for a while."""
        with read(self.system.engine) as connection:
            left = connection.scalar(
                select(func.count())
                .select_from(Batch)
                .where(Batch.account == self.busy.name, Batch.state == BatchState.PLANNED)
            )
        if (left or 0) < BUSY / 2:
            self._beside.append(self.submit(self.busy, BUSY))

    def _last_number(self) -> int:
        return int(self.simulator.state()["calls"])

    def _judge_everything(self) -> None:
        for account in (self.stopped, self.busy):
            assert self.simulator.max_in_flight(account.appid) == 1
            assert self.simulator.ledger(account.appid)["doubled"] == 0
        late = self.simulator.delivered(self.never, appid=self.stopped.appid)
        assert not any(late.values()), f"sent long after the cancel: {late}"
        with read(self.system.engine) as connection:
            owners = set(connection.scalars(select(AttemptRow.owner).distinct()))
        assert len(owners) > 1, f"one worker alone drove the lanes: {owners}"


class _Trial:
    """One trial under way."""

    def __init__(self, ground: Ground, drawn: Drawn, *, since: int) -> None:
        self._ground, self._drawn, self._since = ground, drawn, since
        self._system, self._simulator = ground.system, ground.simulator
        self._engine = ground.system.engine
        self._target = ground.submit(ground.stopped, BATCHES)
        wanted = drawn.calls
        until(lambda: len(self._calls()) >= wanted, PATIENCE_S, f"{wanted} calls")
        # Now, or it might be planned first and be the first to be called.
        self._behind = ground.submit(ground.stopped, BEHIND)

    def run(self) -> Measured | None:
        """Return what was measured; None where the command came too late to stop anything."""
        measured = self._stop()
        if measured is None:
            self._go_on()
            return None
        self._until_at_rest(measured)
        report = self._status()
        self._until_past_the_bar(measured)
        measured = self._judge(measured, report)
        self._go_on()
        return measured

    def _stop(self) -> Measured | None:
        """Give the word at the drawn moment; the last start is not known yet."""
        word = self._drawn.word
        due = time.monotonic() + self._drawn.after_s
        until(lambda: time.monotonic() >= due, 1, "the drawn moment")

        whom = ("--account", self._ground.stopped.name) if word == "halt" else (self._target,)
        asked = time.time()
        done = self._system.broadcast(word, *whom)
        returned = time.time()

        if not any(state is AFTERWARDS[word][2] for state, _ in self._batches(self._target)):
            return None
        return Measured(
            word=word, asked=asked, returned=returned, spoken=self._spoken().timestamp(),
            last_start=0, under_way="Under way" in done.stdout,
        )  # fmt: skip

    def _spoken(self) -> datetime:
        with read(self._engine) as connection:
            if self._drawn.word == "halt":
                lane = Lane.account == self._ground.stopped.name
                moment = connection.scalar(select(Lane.halted_at).where(lane))
            else:
                moment = connection.scalar(
                    select(func.max(Event.at))
                    .where(Event.broadcast_id == self._target, Event.who.startswith("cli:"))
                )  # fmt: skip
        assert moment is not None
        return moment

    def _until_at_rest(self, measured: Measured) -> None:
        """Wait for the end of the call in flight, if there is one."""
        until(
            lambda: BatchState.CALLING not in {state for state, _ in self._batches(self._target)},
            PATIENCE_S, "the end of the call in flight",
        )  # fmt: skip
        if measured.word != "halt":
            # The lane itself drives on, with what waits behind.
            self._system.until_state(self._behind, "completed", timeout_s=PATIENCE_S)

    def _until_past_the_bar(self, measured: Measured) -> None:
        """Wait until the lane beside shows that the time of the bar has gone by."""
        bar = measured.returned + BAR_S
        busy = self._ground.busy.appid
        # The command may have taken long.
        self._ground.keep_busy()
        until(
            lambda: any(call["start"] > bar for call in self._calls(appid=busy)),
            PATIENCE_S, "a call of the lane beside, past the bar",
        )  # fmt: skip

    def _judge(self, measured: Measured, report: dict[str, Any]) -> Measured:
        """Hold WeChat's ledger against the database's sets, and the last start against the bar."""
        calls = self._calls()
        keys = self._keys(self._target)
        of_target = [call for call in calls if call["clientmsgid"] in keys]
        watched = calls if measured.word == "halt" else of_target
        measured = replace(measured, last_start=max(call["start"] for call in watched))
        assert measured.after_return_s <= BAR_S, f"{self._drawn}: {measured}"
        state, rest, left = AFTERWARDS[measured.word]
        batches = self._batches(self._target)
        got = [each for at, each in batches if at in TAKEN]
        not_got = [each for at, each in batches if at is left]
        assert len(got) + len(not_got) == BATCHES, Counter(at for at, _ in batches)
        self._delivered({1: got, 0: not_got})
        if measured.word == "cancel":
            self._ground.never += [one for each in not_got for one in each]
        if measured.word == "halt":
            self._delivered({0: [each for _, each in self._batches(self._behind)]})
        assert report["state"] == state, report["state"]
        assert {name: n for name, n in report["recipients"].items() if n} == {
            "accepted": SIZE * len(got), rest: SIZE * len(not_got),
        }  # fmt: skip
        self._audit()
        assert len(of_target) == len(got), f"{len(of_target)} calls for {len(got)} batches"
        return measured

    def _go_on(self) -> None:
        """Lift the stop: what waited reaches everybody, once."""
        self._simulator.set_switches(latency_ms=0)
        whole = [self._target, self._behind]
        state = self._system.report(self._target).state
        if self._drawn.word == "halt":
            controls.unhalt(self._engine, self._ground.stopped.name, who="tests")
        elif state is BroadcastState.PAUSED:
            controls.resume(self._engine, self._target, who="tests")
        elif state is BroadcastState.PARTIAL:
            whole.remove(self._target)
        self._ground.ring(names.SWEEP)
        for broadcast_id in whole:
            self._system.until_state(broadcast_id, "completed", timeout_s=PATIENCE_S)
            self._delivered({1: [each for _, each in self._batches(broadcast_id)]})

    def _calls(self, *, appid: str | None = None) -> list[dict[str, Any]]:
        """The mass calls of an account since the trial began."""
        of = appid or self._ground.stopped.appid
        return self._simulator.mass_calls(appid=of, since=self._since)

    def _batches(self, broadcast_id: str) -> list[tuple[BatchState, list[str]]]:
        query = (
            select(Batch.state, Pack.openids)
            .join(Pack, Pack.id == Batch.pack_id)
            .where(Batch.broadcast_id == broadcast_id)
        )
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        return [(row.state, list(split(openid.unpack(row.openids)))) for row in rows]

    def _keys(self, broadcast_id: str) -> set[str]:
        with read(self._engine) as connection:
            query = select(Batch.clientmsgid).where(Batch.broadcast_id == broadcast_id)
            return set(connection.scalars(query))

    def _delivered(self, expected: dict[int, list[list[str]]]) -> None:
        times = {one: n for n, batches in expected.items() for each in batches for one in each}
        really = self._simulator.delivered(times, appid=self._ground.stopped.appid)
        wrong = {one: n for one, n in really.items() if n != times[one]}
        assert not wrong, f"{self._drawn}: WeChat delivered otherwise than the ledger says: {wrong}"

    def _status(self) -> dict[str, Any]:
        done = self._system.broadcast("status", self._target, "--json")
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def _audit(self) -> None:
        found = audit.audit(self._engine, self._target, waits=Waits(1))
        assert not found.counts, found.findings
