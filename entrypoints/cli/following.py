"""Following a broadcast until it rests: cheap looks at the database, words when something changes.

Nothing here steers: a follower that is interrupted, or loses the database for a while, leaves the
broadcast running.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from time import monotonic
from typing import Final, Protocol, TypeAlias

from sqlalchemy import Engine

from broadcast import day
from broadcast.errors import BroadcastError, DatabaseAwayError, OutOfReachError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.gates import blockers
from broadcast.rules.gates.blockers import Blocker
from broadcast.rules.gates.gate import Cause, GateKind, GateScope
from broadcast.rules.reports import Report
from broadcast.rules.states import SHOWN_AT_REST, BroadcastState, Reason
from broadcast.views.blocker_lines import line as in_words
from broadcast.views.words import Moment
from entrypoints.cli.terminal import Terminal
from models.ledger.views import broadcast_reports

SHORTEST_PAUSE_S = 0.02
#: While it moves; and when nothing has moved for a while.
LONGEST_PAUSE_S = 0.2
IDLE_PAUSE_S = 1.0
#: A part that is away this long is given up on.
AWAY_PATIENCE_S = 60
#: Without progress this long, the parts on the way are looked at.
STALLED_S = 5

#: Returns what is wrong with Redis or the broker, if anything is.
RedisProblem: TypeAlias = Callable[[], BroadcastError | None]
#: Of an account's wait: a worker found a part away.
_AT_ONCE: Final = frozenset({Cause.OVERDUE, Cause.COOLING_OFF})
_AWAY: Final = frozenset({Reason.REDIS_AWAY, Reason.WECHAT_NOT_READY})


class Until(StrEnum):
    """The state that is waited for."""

    ACCEPTED = "accepted"  #: WeChat took every batch
    FINISHED = "finished"  #: and reported every job's end


class Progress(Protocol):
    """Display of a broadcast's progress."""

    def show(self, report: Report) -> None:
        """Show the figures of *report*."""

    def tell(self, message: Message) -> None:
        """Show a message beside the reports."""


@frozen
class Followed:
    """The last report of a broadcast that was followed."""

    report: Report
    #: It is not at rest, but waits for another day.
    another_day: bool

    @property
    def good(self) -> bool:
        """True if every batch was accepted."""
        return self.report.state is BroadcastState.COMPLETED


def follow(
    engine: Engine,
    broadcast_id: str,
    *,
    until: Until,
    progress: Progress,
    redis_problem: RedisProblem,
) -> Followed:
    """Follow a broadcast until it rests, or waits for another day.

    Raises UnknownIdError, and OutOfReachError after a minute without a part.
    """
    watch = _Watch(progress=progress, redis_problem=redis_problem)
    pauses = Pauses()
    while True:
        report = watch.read_report(engine, broadcast_id)
        if report is not None:
            progress.show(report)
            if _rests(report, until) or waits_for_another_day(report):
                # Once more, with its batches.
                whole = broadcast_reports.report(engine, report.id)
                return Followed(report=whole, another_day=not _rests(report, until))
            watch.say_what_waits(engine, report)
        time.sleep(pauses.after(report, now_s=monotonic()))


def waits_for_another_day(report: Report) -> bool:
    """Return whether nothing happens before the account's day has turned."""
    if report.state is BroadcastState.SCHEDULED and report.scheduled_at is not None:
        return day.start(report.scheduled_at) > day.start(report.now)
    wait = blockers.account_wait(report)
    if wait is None or wait.reason not in _OTHER_DAY or wait.until is None:
        return False
    return day.start(wait.until) > day.start(report.now)


#: What only another day ends.
_OTHER_DAY = frozenset({Reason.QUOTA_TODAY, Reason.SPREAD_OVER_DAYS})


def _rests(report: Report, until: Until) -> bool:
    if report.state not in SHOWN_AT_REST:
        return False
    if until is Until.ACCEPTED or report.results_due == 0:
        # A batch that WeChat gave no msg_id, or was asked about for 48 h, is never reported.
        return True
    # Of an account that WeChat refuses no result is asked for before a person acts.
    return report.state is not BroadcastState.COMPLETED and _is_refused(report)


def _is_refused(report: Report) -> bool:
    gates = report.lane.gates
    return any(one.kind is GateKind.STOP and one.scope is GateScope.ACCOUNT for one in gates)


class Pauses:
    """Lengths of the pauses between looks: short where the end is near, long where it rests."""

    #: Of the time that is left by the pace so far; of the time in which nothing moved.
    SHARE = 4

    def __init__(self) -> None:
        self._settled = -1
        self._began_s = self._moved_s = monotonic()

    def after(self, report: Report | None, *, now_s: float) -> float:
        """Return the seconds to pause after a look that showed *report*."""
        if report is None:
            return LONGEST_PAUSE_S
        total = report.batches["total"]
        settled = total - report.batches["waiting"]
        if settled != self._settled:
            self._settled, self._moved_s = settled, now_s
        if now_s - self._moved_s > LONGEST_PAUSE_S * self.SHARE:
            return min((now_s - self._moved_s) / self.SHARE, IDLE_PAUSE_S)
        if not settled:
            return SHORTEST_PAUSE_S
        left_s = (now_s - self._began_s) / settled * (total - settled)
        return min(max(left_s / self.SHARE, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)


class _Watch:
    """Notices what stands in the way, and says each thing once."""

    def __init__(
        self, *, progress: Progress, redis_problem: Callable[[], BroadcastError | None]
    ) -> None:
        self._progress = progress
        self._redis_problem = redis_problem
        self._said: set[str] = set()
        self._away_since: float | None = None
        #: Since when a part is away without which no batch moves, and the batches then.
        self._stuck_since: float | None = None
        self._batches: Mapping[str, int] = {}
        self._moved_at = self._looked_at = monotonic()
        self._figures: tuple[object, ...] = ()

    def read_report(self, engine: Engine, broadcast_id: str) -> Report | None:
        """Return the report, or None while the database is away."""
        try:
            report = broadcast_reports.report(engine, broadcast_id, whole=False)
        except DatabaseAwayError as error:
            since = self._away_since = self._away_since or monotonic()
            if monotonic() - since > AWAY_PATIENCE_S:
                raise
            self._once("database", Message("following.database_away", text=error))
            return None
        if self._away_since is not None:
            self._away_since = None
            self._progress.tell(Message("following.database_back"))
            self._said.discard("database")
        return report

    def say_what_waits(self, engine: Engine, report: Report) -> None:
        """Say why nothing happens, once a cause."""
        figures = (report.state, report.calls, *report.batches.values())
        now = monotonic()
        if figures != self._figures:
            self._figures, self._moved_at = figures, now
        if report.batches != self._batches:
            self._batches, self._stuck_since = report.batches, None
        wait = blockers.account_wait(report)
        if wait is not None:
            # What comes after the wait has its own time to move.
            self._moved_at = now
            self._once(f"account {wait.reason}", in_words(wait, report))
            away = OutOfReachError("following.away", reason=wait.reason)
            self._bear(away if wait.reason in _AWAY else None)
            return
        if report.state is BroadcastState.SCHEDULED and report.scheduled_at is not None:
            at = Moment(report.scheduled_at, report.now)
            self._once("scheduled", Message("following.scheduled", at=at))
            return
        if report.state in SHOWN_AT_REST and report.results_due:
            total = report.batches["accepted"]
            done = max(0, total - report.results_due)
            self._once(
                f"reports {done}", Message("following.awaits_reports", done=done, total=total)
            )
            return
        # Not by the look around: what keeps it from being launched may be in the way of that too.
        self._say([one for one in blockers.in_force(report) if one.cause in _AT_ONCE], report)
        if now - self._moved_at > STALLED_S and now - self._looked_at > STALLED_S:
            self._looked_at = now
            self._notice_obstacles(engine, report)

    def _bear(self, problem: BroadcastError | None) -> None:
        """Raise *problem* where a part has been away for so long."""
        now = monotonic()
        self._stuck_since = None if problem is None else self._stuck_since or now
        if problem is not None and now - (self._stuck_since or now) > AWAY_PATIENCE_S:
            raise problem

    def _notice_obstacles(self, engine: Engine, report: Report) -> None:
        problem = self._redis_problem()
        self._bear(problem)
        if problem is not None:
            self._once("redis", Message("following.redis_away", text=problem))
            return
        # The next look notices it, and counts how long it is away.
        with suppress(DatabaseAwayError):
            whole = broadcast_reports.report(engine, report.id)
            self._say(blockers.in_force(whole), whole)

    def _say(self, each: Iterable[Blocker], report: Report) -> None:
        for one in each:
            # A moment that has passed is said anew: the next one lies farther off each time.
            what = f"{one.cause} {one.batch} {one.until} {','.join(one.broadcasts)}"
            self._once(what, in_words(one, report))

    def _once(self, what: str, message: Message) -> None:
        if what not in self._said:
            self._said.add(what)
            self._progress.tell(message)


class Lines:
    """Progress as plain lines on standard error: for pipes and logs."""

    #: Seconds between two lines, so that a log of a long broadcast stays readable.
    EVERY_S = 1.0

    def __init__(self, terminal: Terminal) -> None:
        """Start with nothing shown."""
        self._terminal = terminal
        self._shown: Message | None = None
        self._shown_at = float("-inf")

    def show(self, report: Report) -> None:
        """Print a line when the figures moved, at most one a second."""
        line = _line(report)
        now = monotonic()
        if line != self._shown and now - self._shown_at >= self.EVERY_S:
            self._shown, self._shown_at = line, now
            self._terminal.note(line)

    def tell(self, message: Message) -> None:
        """Print a line."""
        self._terminal.note(message)


def _line(report: Report) -> Message:
    return figures(report, "following.line") or Message("following.line_state", state=report.state)


def figures(report: Report, name: str) -> Message | None:
    """Return how far a report is, in the texts of *name*; None: there are no figures yet."""
    total, planned = report.batches["total"], report.audience["planned"]
    kind = f"{name}_calls"
    if planned is not None:
        kind = name if total else f"{name}_uncut"
    elif not total:
        # The list is WeChat's, is resolved by the plan alone, or is still being stored.
        return None
    return Message(
        kind,
        state=report.state,
        accepted=report.recipients["accepted"],
        planned=planned,
        done=total - report.batches["waiting"],
        total=total,
    )
