from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from simulator.core.clock import Clock
from simulator.core.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600


def in_a_loop(story: Callable[[Clock, Scheduler], None]) -> None:
    async def tell() -> None:
        clock = Clock()
        scheduler = Scheduler(clock)
        story(clock, scheduler)
        scheduler.stop()

    asyncio.run(tell())


def test_what_became_due_runs_in_order_when_the_clock_is_shifted() -> None:
    ran: list[str] = []

    def note(name: str, _moment: float) -> None:
        ran.append(name)

    def story(clock: Clock, scheduler: Scheduler) -> None:
        now = clock.now()
        for name, hours in (("c", 3), ("a", 1), ("b", 2), ("also b", 2), ("d", 5)):
            scheduler.at(now + hours * HOUR, partial(note, name))
        scheduler.run_due()
        assert ran == []
        clock.shift_s += 4 * HOUR
        scheduler.run_due()
        assert ran == ["a", "b", "also b", "c"]
        assert len(scheduler) == 1

    in_a_loop(story)


def test_a_job_learns_when_it_was_due_and_may_order_another() -> None:
    """What is due by then too runs in the same jump of the clock."""
    ran: list[float] = []

    def story(clock: Clock, scheduler: Scheduler) -> None:
        def again(moment: float) -> None:
            ran.append(moment)
            scheduler.at(moment + HOUR, again)

        begin = clock.now() + HOUR
        scheduler.at(begin, again)
        clock.shift_s += 3.5 * HOUR
        scheduler.run_due()
        assert ran == [begin, begin + HOUR, begin + 2 * HOUR]

    in_a_loop(story)


def test_a_clock_that_is_set_back_runs_nothing() -> None:
    ran: list[float] = []

    def story(clock: Clock, scheduler: Scheduler) -> None:
        scheduler.at(clock.now() + HOUR, ran.append)
        clock.shift_s -= HOUR
        scheduler.run_due()
        clock.shift_s += 1.5 * HOUR
        scheduler.run_due()
        assert ran == []

    in_a_loop(story)


def test_what_is_due_by_the_real_clock_runs_by_itself() -> None:
    async def tell() -> None:
        clock, ran = Clock(shift_s=HOUR), asyncio.Event()
        scheduler = Scheduler(clock)
        scheduler.at(clock.now() + 2 * HOUR, lambda _moment: pytest.fail("not due"))
        scheduler.at(clock.now() + 0.05, lambda _moment: ran.set())
        await asyncio.wait_for(ran.wait(), 5)
        scheduler.stop()

    asyncio.run(tell())


def test_after_a_stop_nothing_runs() -> None:
    async def tell() -> None:
        clock, ran = Clock(), list[float]()
        scheduler = Scheduler(clock)
        scheduler.at(clock.now(), ran.append)
        scheduler.stop()
        scheduler.at(clock.now(), ran.append)
        scheduler.run_due()
        await asyncio.sleep(0)
        assert (ran, len(scheduler)) == ([], 0)

    asyncio.run(tell())


def test_a_job_that_fails_does_not_keep_the_others_from_running() -> None:
    """Its error is reported where it ran, and the rest runs all the same."""

    def fail(_moment: float) -> None:
        raise LookupError

    async def tell() -> None:
        clock, ran, reported = Clock(), asyncio.Event(), list[object]()
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: reported.append(context["exception"])
        )
        scheduler = Scheduler(clock)
        scheduler.at(clock.now() + 0.01, fail)
        scheduler.at(clock.now() + 0.02, lambda _moment: ran.set())
        await asyncio.wait_for(ran.wait(), 5)
        scheduler.stop()
        assert [type(error) for error in reported] == [LookupError]

    asyncio.run(tell())
