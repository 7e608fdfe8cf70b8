"""What is said beside the progress: each thing once, and a new moment anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import create_engine

from broadcast import day
from broadcast.message import Message
from broadcast.rules.gates.blockers import Blocker
from broadcast.rules.gates.gate import Cause, GateKind
from broadcast.rules.states import BroadcastState, Reason
from broadcast.views.words import Moment
from entrypoints.cli.following import Until, _line, _rests, _Watch, waits_for_another_day
from tests.unit.views.reports import FREE, NOW, STOPPED, of_account, own, report

DOUBT = Blocker(
    cause=Cause.UNKNOWN_FIRST,
    command="broadcast watch 20261127-abcdef",
    until=NOW + timedelta(seconds=10),
    broadcasts=("20261127-abcdef",),
    batch=1,
)


class Heard:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[Message] = []

    def show(self, told: object) -> None:
        """Show no figures."""

    def tell(self, message: Message) -> None:
        """Keep a line."""
        self.lines.append(message)


def test_a_wait_is_said_once_and_again_when_it_ends_at_another_moment() -> None:
    heard = Heard()
    watch = _Watch(progress=heard, redis_problem=lambda: None)
    later = replace(DOUBT, until=NOW + timedelta(minutes=10))

    for one in (DOUBT, DOUBT, later, later):
        watch._say([one], report(BroadcastState.SENDING))

    assert [line.facts["at"] for line in heard.lines] == [
        Moment(NOW + timedelta(seconds=10), NOW),
        Moment(NOW + timedelta(minutes=10), NOW),
    ]


def test_the_wait_for_wechats_reports_is_said_and_again_with_each_report() -> None:
    heard, engine = Heard(), create_engine("sqlite://")
    watch = _Watch(progress=heard, redis_problem=lambda: None)
    batches = report(BroadcastState.COMPLETED).batches | {"accepted": 2}

    for due in (2, 2, 1):
        watch.say_what_waits(
            engine, report(BroadcastState.COMPLETED, batches=batches, results_due=due)
        )

    told = [(line.id, line.facts["done"], line.facts["total"]) for line in heard.lines]
    assert told == [("following.awaits_reports", 0, 2), ("following.awaits_reports", 1, 2)]


def test_before_it_is_cut_no_batches_are_counted() -> None:
    uncut = report(BroadcastState.PLANNING, batches=dict.fromkeys(("total", "waiting"), 0))

    assert _line(uncut).id == "following.line_uncut"
    assert _line(report(BroadcastState.SENDING)).facts["total"] == 2


def test_a_day_without_calls_on_one_interface_is_another_day_as_well() -> None:
    tomorrow = day.turn(NOW)
    gate = of_account(GateKind.QUOTA, reason=Reason.QUOTA_TODAY, until=tomorrow)
    waits = report(BroadcastState.SENDING, lane=replace(FREE, gates=(gate,)))
    heard = Heard()

    assert waits_for_another_day(waits)
    _Watch(progress=heard, redis_problem=lambda: None).say_what_waits(
        create_engine("sqlite://"), waits
    )
    assert [line.facts["reason"] for line in heard.lines] == [Reason.QUOTA_TODAY]
    assert not waits_for_another_day(replace(waits, gates=(own(GateKind.PAUSE), gate)))


@pytest.mark.parametrize(
    "state",
    [
        BroadcastState.COMPLETED,
        BroadcastState.PARTIAL,
        BroadcastState.FAILED,
        BroadcastState.CANCELLED,
        BroadcastState.HELD,
    ],
)
def test_finished_is_when_every_job_has_ended_in_whatever_state(state: BroadcastState) -> None:
    there = report(state, results_due=1)

    assert _rests(there, Until.ACCEPTED)
    assert not _rests(there, Until.FINISHED)
    assert _rests(replace(there, results_due=0), Until.FINISHED)


def test_results_that_nobody_asks_for_are_not_waited_for() -> None:
    refused = report(BroadcastState.PARTIAL, lane=STOPPED, results_due=1)

    assert _rests(refused, Until.FINISHED)
    assert not _rests(replace(refused, state=BroadcastState.COMPLETED), Until.FINISHED)
