"""How many statements and transactions a lane takes for a batch, and which.

Drives a lane on SQLite with a WeChat that accepts everything, in this process, and counts what the
engine was asked. Usage: python -m benchmarks.statements [--batches N] [--show]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Engine, event

from broadcast.rules.calls.waits import Tuning
from models.engine import open_engine
from models.every_table import Base
from tests.integration.worker.test_slices import Ready, WeChat
from tests.kit import ledger
from worker.delivery import lane
from worker.delivery.heartbeat import Heartbeat
from worker.delivery.lane import LaneContext


@dataclass
class Counted:
    """What an engine was asked."""

    statements: list[str] = field(default_factory=list)
    transactions: int = 0

    def watch(self, engine: Engine) -> None:
        """Count from now on."""
        event.listen(engine, "before_cursor_execute", self._statement)
        event.listen(engine, "begin", self._begin)

    def _statement(self, *arguments: Any) -> None:  # noqa: ANN401 - the event's own
        self.statements.append(" ".join(str(arguments[2]).split()))

    def _begin(self, _connection: object) -> None:
        self.transactions += 1


def drive(batches: int) -> Counted:
    """Drive a lane through so many batches to its end."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'ledger.sqlite'}")
        Base.metadata.create_all(engine)
        ledger.broadcast(engine, size=10 * batches, batches=batches)
        counted = Counted()
        counted.watch(engine)
        lane.drive(
            LaneContext(
                engine=engine,
                account=ledger.account(),
                gateway=WeChat(),
                pace=Ready(),
                counter=ledger.EveryClaimCounts(),
                heartbeat=Heartbeat(engine),
                tuning=Tuning(),
                owner="bench",
                stopping=Event(),
            )
        )
        engine.dispose()
    return counted


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=52)
    parser.add_argument("--show", action="store_true")
    wanted = parser.parse_args()
    few, many = drive(2), drive(wanted.batches)
    more = wanted.batches - 2
    print(f"2 batches: {len(few.statements)} statements in {few.transactions} transactions")
    statements = (len(many.statements) - len(few.statements)) / more
    transactions = (many.transactions - few.transactions) / more
    print(f"each further batch: {statements:.1f} statements in {transactions:.1f} transactions")
    if wanted.show:
        for text, count in Counter(many.statements).most_common(40):
            print(f"{count / wanted.batches:6.2f}  {text[:180]}")


if __name__ == "__main__":
    main()
