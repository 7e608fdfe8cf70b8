"""Where the trials are made: a lane that is stopped again and again, and a busy one beside it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from celery import Celery
from sqlalchemy import func, select

from broadcast import names
from broadcast.rules import accounts
from broadcast.rules.states import BatchState
from models.batch_tables import AttemptRow, Batch
from models.ledger.rows.transaction import read
from models.ledger.steer import operator
from tests.kit.direct import submit
from tests.kit.wait import until

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tests.kit.simulator import SimulatedAccount
    from tests.kit.system import System

SIZE = 2
BUSY = 600
SWEEP_WITHIN_S = 60


class Ground:
    """An installation with a lane that is stopped again and again, and a busy one beside it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.simulator = system.simulator
        self.stopped, self.busy = self.simulator.accounts[:2]
        self._app = Celery("tests", broker=system.valkey.url, set_as_current=False)
        self._app.conf.update(task_default_queue=names.QUEUE)
        self._next = Counter[str]()
        self._keys = 0
        #: The broadcasts of the busy lane.
        self.beside: list[str] = []
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
        for broadcast_id in self.beside:
            operator.cancel(self.system.engine, broadcast_id, who="tests")
        if kind is None:
            self._judge_everything()

    def wake(self, task: str, *args: str) -> None:
        """Wake for the workers now; the sweep would, within three seconds."""
        self._app.send_task(task, args=args)

    def submit(self, account: SimulatedAccount, batches: int) -> str:
        """Store a broadcast to followers whom no other one reaches; wake for its plan."""
        start, count = self._next[account.appid], batches * SIZE
        self._next[account.appid] += count
        self._keys += 1
        broadcast_id = submit(
            self.system.engine,
            accounts.make(
                account.name,
                appid=account.appid,
                appsecret=account.secret,
                api_base=self.simulator.url,
            ),
            self.simulator.openids(count, start=start, appid=account.appid),
            key=f"stop-{self._keys}",
            batch_size=SIZE,
        )
        self.wake(names.PLAN, broadcast_id)
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
            self.beside.append(self.submit(self.busy, BUSY))

    def see_a_sweep(self) -> None:
        """Wake for a sweep and wait for its end: it wakes for every lane that may go on."""
        woken = self._app.send_task(names.SWEEP)
        ended = f"Task {names.SWEEP}[{woken.id}] succeeded"
        until(
            lambda: any(ended in process.output for process in self.system.processes),
            SWEEP_WITHIN_S,
            "the end of a sweep",
        )

    def last_number(self) -> int:
        """How many calls have arrived at WeChat up to now."""
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
