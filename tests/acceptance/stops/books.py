"""What both ledgers say of a trial: WeChat's, of what it received, and the database's sets."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.reports import SETS
from broadcast.rules.states import BatchState
from models.batch_tables import Batch, GateRow
from models.event import Event
from models.ledger.audit import audit_run
from models.ledger.lists import recipients
from models.ledger.rows.transaction import read
from tests.kit.openids import split

if TYPE_CHECKING:
    from tests.kit.system import System


class Books:
    """Both ledgers, since the call of WeChat's with this number."""

    def __init__(self, system: System, *, since: int) -> None:
        self._system, self._since = system, since
        self._engine, self._simulator = system.engine, system.simulator

    def calls(self, appid: str) -> list[dict[str, Any]]:
        """The mass calls of an account since the trial began."""
        return self._simulator.mass_calls(appid=appid, since=self._since)

    def delivered(self, appid: str, expected: dict[int, list[list[str]]]) -> None:
        """See that WeChat delivered so many times to the followers of each of these batches."""
        times = {one: n for n, batches in expected.items() for each in batches for one in each}
        really = self._simulator.delivered(times, appid=appid)
        wrong = {one: n for one, n in really.items() if n != times[one]}
        assert not wrong, f"WeChat delivered otherwise than the ledger says: {wrong}"

    def batches(self, broadcast_id: str) -> list[tuple[BatchState, list[str]]]:
        """The state and the OpenIDs of each batch."""
        return [
            (portion.state, list(split(portion.openids)))
            for name in SETS
            for portion in recipients.portions(self._engine, broadcast_id, name)
            if portion.state
        ]

    def keys(self, broadcast_id: str) -> set[str]:
        """The clientmsgids of a broadcast."""
        with read(self._engine) as connection:
            query = select(Batch.clientmsgid).where(Batch.broadcast_id == broadcast_id)
            return set(connection.scalars(query))

    def halted_at(self, account: str) -> datetime:
        """When the account was halted, by the database's clock."""
        return self._moment(
            select(func.max(GateRow.closed_at)).where(
                GateRow.account == account, GateRow.kind == GateKind.HALT
            )
        )

    def spoken_at(self, broadcast_id: str) -> datetime:
        """When a person spoke of this broadcast last, by the database's clock."""
        of_it = (Event.broadcast_id == broadcast_id, Event.who.startswith("cli:"))
        return self._moment(select(func.max(Event.at)).where(*of_it))

    def _moment(self, query: Any) -> datetime:
        with read(self._engine) as connection:
            moment: datetime | None = connection.scalar(query)
        assert moment is not None
        return moment

    def status(self, broadcast_id: str) -> dict[str, Any]:
        """The object of `broadcast status ID --json`."""
        done = self._system.broadcast("status", broadcast_id, "--json")
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def audit(self, broadcast_id: str) -> None:
        """Audit one broadcast; nothing may be found."""
        found = audit_run.audit(self._engine, broadcast_id, waits=Waits(1))
        assert not found.counts, found.findings
