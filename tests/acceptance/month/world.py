"""One installation whose time a test moves, and what it has still to do at a moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from broadcast import day
from broadcast.rules.campaigns.launches import LaunchState
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import SHOWN_AT_REST, NoticeState
from models.engine import now
from models.every_table import CampaignRow, LaunchRow, NoticeRow
from models.ledger.boxes import notices, unreported
from models.ledger.campaigns import campaign_rows, launch_rows, rehearsal_rows
from models.ledger.gates import restores
from models.ledger.rows.transaction import snapshot
from tests.kit import copies
from tests.kit.wait import until

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from broadcast.rules.reports import Report
    from tests.kit.clock import Clock
    from tests.kit.processes import RunningProcess
    from tests.kit.system import System

YEAR = 2026
#: What falls due at a moment is looked for right after it.
_JUST_AFTER = timedelta(seconds=1)


def beijing(written: str) -> datetime:
    """Return the moment that is written as `12-04 20:00`."""
    moment = datetime.strptime(f"{YEAR}-{written}", "%Y-%m-%d %H:%M")  # noqa: DTZ007 - Beijing's
    return moment.replace(tzinfo=day.SHANGHAI)


class World:
    """A worker and two beats, which end as machines do, and start again."""

    def __init__(self, system: System, clock: Clock, moment: datetime) -> None:
        self.system, self._clock = system, clock
        clock.follow(system)
        self.put(moment)
        self.worker = self._start()

    def _start(self) -> RunningProcess:
        worker = self.system.worker()
        self.system.beat()
        self.system.beat()
        return worker

    def put(self, moment: datetime) -> None:
        """Let it be a moment, here and at WeChat."""
        self.now = moment
        self._clock.put(self.system, moment + _JUST_AFTER)

    def without_worker(self, moment: datetime, *, for_: timedelta) -> None:
        """Let a moment come while the worker is dead."""
        self.worker.kill()
        self.system.processes.remove(self.worker)
        self.put(moment)
        self.put(moment + for_)
        self.worker = self.system.worker()

    def backed_up(self) -> str:
        """Return the backup that is made while everything is switched off."""
        self._stop()
        made = copies.copied(self.system.database_url, "backup")
        self.worker = self._start()
        return made

    def restore(self, backup: str, *, moment: datetime) -> None:
        """Put a backup in the place of the database, and switch everything on at a moment."""
        self._stop()
        copies.restored(backup, self.system.database_url)
        self.put(moment)
        self.worker = self._start()
        until(lambda: self.is_closed, 60, "the lanes to be closed")

    def _stop(self) -> None:
        self.system.kill_all()
        self.system.processes.clear()
        self.system.engine.dispose()

    @property
    def is_closed(self) -> bool:
        """A person is to say what became of the database."""
        return restores.are_lanes_closed(self.system.engine)

    def be_at_rest(self) -> None:
        """Wait until nothing is to be done without a person or another time."""
        try:
            self.system.until_stored(lambda: not [*self.under_way()], 60, "rest")
        except AssertionError:
            print(f"at {self.now} there is still: {[*self.under_way()]}")
            raise

    def under_way(self) -> Iterator[str]:
        """Yield what worker and beats have still to do at this time."""
        engine = self.system.engine
        if not self.is_closed:
            yield from self._due()
        for report in self.system.all_reports():
            if report.state not in SHOWN_AT_REST and not _is_closed(report):
                yield f"{report.id} is {report.state}"
        with snapshot(engine) as connection:
            yield from _unreported(connection)
        for waiting in notices.newest(engine, [NoticeState.WAITING], 9):
            # What was posted waits to be posted again, hours later.
            if not waiting.was_posted:
                yield f"notice {waiting.id} is not sent"

    def _due(self) -> Iterator[str]:
        engine = self.system.engine
        with snapshot(engine) as connection:
            for one in campaign_rows.some(connection, CampaignRow.next_due_at <= now(connection)):
                yield f"{one.name} is due"
            begun = select(LaunchRow.id).where(LaunchRow.state == LaunchState.BEGUN)
            for launch_id in connection.scalars(begun):
                yield f"launch {launch_id} is begun"
        accounts = [account.name for account in self.system.simulator.accounts]
        for run in rehearsal_rows.missing(engine, accounts=accounts):
            yield f"{run.campaign.name} is not rehearsed"

    def runs(self, name: str) -> dict[datetime, list[str]]:
        """Return how the runs of a campaign stand, by their due times."""
        campaign = campaign_rows.named(self.system.engine, name)
        found: dict[datetime, list[str]] = {}
        for one in launch_rows.history(self.system.engine, campaign.id, most=100_000):
            found.setdefault(one.due_at, []).append(one.state.value)
        return found


def _is_closed(report: Report) -> bool:
    return any(gate.kind is GateKind.RESTORED for gate in report.gates)


def _unreported(connection: Connection) -> Iterator[str]:
    for one in unreported._standing(connection):
        known = select(NoticeRow.id).where(NoticeRow.key == one["key"])
        if connection.scalar(known) is None:
            yield f"{one['key']} has no notice"
    for end in unreported._ended(connection):
        if not unreported._awaits_administrator(end):
            yield f"the end of {end.row.id} has no notice"
