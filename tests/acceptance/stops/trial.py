"""The course of a trial: a lane under way, the word, what is left, and what goes on after it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from broadcast import names
from broadcast.rules.states import BatchState, BroadcastState
from models.ledger.steer import operator
from tests.acceptance.stops.books import Books
from tests.acceptance.stops.draw import Word
from tests.acceptance.stops.ground import SIZE
from tests.acceptance.stops.measured import BAR_S, Measured
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.stops.draw import Drawn
    from tests.acceptance.stops.ground import Ground

#: Enough for the lane to be busy still when a command of a slow machine arrives.
BATCHES = 80
BEHIND = 3
PATIENCE_S = 60
#: A command that came when everything had been sent is given anew, so often.
TRIES = 5
TAKEN = {BatchState.ACCEPTED, BatchState.FINISHED}
#: What is told of a broadcast after the word, in which set its rest is, and how that stands.
AFTERWARDS = {
    Word.PAUSE: ("paused", "waiting", BatchState.PLANNED),
    Word.CANCEL: ("cancelled", "cancelled", BatchState.CANCELLED),
    Word.HALT: ("held", "waiting", BatchState.PLANNED),
    Word.HALT_ALL: ("held", "waiting", BatchState.PLANNED),
}


def stop_means_stop(ground: Ground, drawn: Drawn) -> Measured:
    """Stop a lane under way, see who got what, and let everything go on that may."""
    for _ in range(TRIES):
        ground.keep_busy()
        ground.simulator.set_switches(latency_ms=drawn.latency_ms)
        measured = _Trial(ground, drawn).run()
        if measured is not None:
            return measured
        print(f"stop: {drawn.word} came when nothing was left to be stopped; once more")
    raise AssertionError(f"{drawn}: nothing was left to be stopped, {TRIES} times")


class _Trial:
    """One trial under way."""

    def __init__(self, ground: Ground, drawn: Drawn) -> None:
        self._ground, self._drawn = ground, drawn
        self._system, self._stopped = ground.system, ground.stopped
        self._books = Books(ground.system, since=ground.last_number())
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
        report = self._books.status(self._target)
        self._until_past_the_bar(measured)
        measured = self._judge(measured, report)
        self._go_on()
        return measured

    def _stop(self) -> Measured | None:
        """Give the word at the drawn moment; the last start is not known yet."""
        word = self._drawn.word
        due = time.monotonic() + self._drawn.after_s
        until(lambda: time.monotonic() >= due, 1, "the drawn moment")

        asked = time.time()
        done = self._system.broadcast(*self._typed(word))
        returned = time.time()

        if AFTERWARDS[word][2] not in self._states(self._target):
            return None
        return Measured(
            word=word,
            asked=asked,
            returned=returned,
            spoken=self._spoken_at(word).timestamp(),
            last_start=0,
            under_way="In progress" in done.stdout,
        )

    def _typed(self, word: Word) -> tuple[str, ...]:
        if word is Word.HALT_ALL:
            return ("halt", "--all")
        if word is Word.HALT:
            return ("halt", "--account", self._stopped.name)
        return (word.value, self._target)

    def _spoken_at(self, word: Word) -> datetime:
        if word.halts:
            return self._books.halted_at(self._stopped.name)
        return self._books.spoken_at(self._target)

    def _until_at_rest(self, measured: Measured) -> None:
        """Wait for the end of the call in flight, if there is one."""
        stopped = [self._target, *(self._ground.beside if measured.word is Word.HALT_ALL else ())]
        for broadcast_id in stopped:
            until(
                lambda one=broadcast_id: BatchState.CALLING not in self._states(one),  # type: ignore[misc]
                PATIENCE_S,
                "the end of the call in flight",
            )
        if not measured.word.halts:
            # The lane itself drives on, with what waits behind.
            self._system.until_state(self._behind, "completed", timeout_s=PATIENCE_S)

    def _until_past_the_bar(self, measured: Measured) -> None:
        """Wait until the lane beside shows that the time of the bar has gone by.

        After `halt --all` it is stopped as well; then a sweep shows that the workers are there.
        """
        bar = measured.returned + BAR_S
        if measured.word is Word.HALT_ALL:
            until(lambda: time.time() > bar, 2 * BAR_S, "the time of the bar")
            self._ground.see_a_sweep()
            return
        busy = self._ground.busy.appid
        # The command may have taken long.
        self._ground.keep_busy()
        until(
            lambda: any(call["start"] > bar for call in self._books.calls(busy)),
            PATIENCE_S,
            "a call of the lane beside, past the bar",
        )

    def _judge(self, measured: Measured, report: dict[str, Any]) -> Measured:
        """Hold WeChat's ledger against the database's sets, and the last start against the bar."""
        calls = self._calls()
        keys = self._books.keys(self._target)
        of_target = [call for call in calls if call["clientmsgid"] in keys]
        watched = calls if measured.word.halts else of_target
        if measured.word is Word.HALT_ALL:
            watched = [*watched, *self._books.calls(self._ground.busy.appid)]
        measured = replace(measured, last_start=max(call["start"] for call in watched))
        assert measured.after_return_s <= BAR_S, f"{self._drawn}: {measured}"
        state, rest, left = AFTERWARDS[measured.word]
        batches = self._books.batches(self._target)
        got = [each for at, each in batches if at in TAKEN]
        not_got = [each for at, each in batches if at is left]
        assert len(got) + len(not_got) == BATCHES, Counter(at for at, _ in batches)
        self._delivered({1: got, 0: not_got})
        if measured.word is Word.CANCEL:
            self._ground.never += [one for each in not_got for one in each]
        if measured.word.halts:
            self._delivered({0: [each for _, each in self._books.batches(self._behind)]})
        if measured.word is Word.HALT_ALL:
            self._judge_the_lane_beside()
        assert report["state"] == state, report["state"]
        assert {name: n for name, n in report["recipients"].items() if n} == {
            "accepted": SIZE * len(got),
            rest: SIZE * len(not_got),
        }
        self._books.audit(self._target)
        assert len(of_target) == len(got), f"{len(of_target)} calls for {len(got)} batches"
        return measured

    def _judge_the_lane_beside(self) -> None:
        batches = [one for each in self._ground.beside for one in self._books.batches(each)]
        got = [each for at, each in batches if at in TAKEN]
        not_got = [each for at, each in batches if at not in TAKEN]
        assert not_got, "the lane beside had nothing left that could be stopped"
        self._books.delivered(self._ground.busy.appid, {1: got, 0: not_got})

    def _go_on(self) -> None:
        """Lift the stop: what waited reaches everybody, once."""
        self._system.simulator.set_switches(latency_ms=0)
        whole = [self._target, self._behind]
        state = self._system.report(self._target).state
        if self._drawn.word.halts:
            account = None if self._drawn.word is Word.HALT_ALL else self._stopped.name
            operator.unhalt(self._system.engine, account, who="tests")
        elif state is BroadcastState.PAUSED:
            operator.resume(self._system.engine, self._target, who="tests")
        elif state is BroadcastState.CANCELLED:
            whole.remove(self._target)
        self._ground.wake(names.SWEEP)
        for broadcast_id in whole:
            self._system.until_state(broadcast_id, "completed", timeout_s=PATIENCE_S)
            self._delivered({1: [each for _, each in self._books.batches(broadcast_id)]})

    def _calls(self) -> list[dict[str, Any]]:
        return self._books.calls(self._stopped.appid)

    def _states(self, broadcast_id: str) -> set[BatchState]:
        return {state for state, _ in self._books.batches(broadcast_id)}

    def _delivered(self, expected: dict[int, list[list[str]]]) -> None:
        self._books.delivered(self._stopped.appid, expected)
