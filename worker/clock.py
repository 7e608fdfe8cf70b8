"""The clock of this machine, held against the database's, by which everything is decided."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from broadcast.errors import OutOfReachError
from broadcast.message import Message
from models.engine import now
from models.ledger.transaction import read

log = logging.getLogger(__name__)

#: What is reported; less does no harm, and a busy machine answers late.
FELT = timedelta(minutes=1)


def compare(engine: Engine) -> None:
    """Log one line if this machine's clock is off by more than ``FELT``."""
    if engine.dialect.name == "sqlite":
        # A file has no clock but ours.
        return
    try:
        with read(engine) as connection:
            ahead = datetime.now(UTC) - now(connection)
    except OutOfReachError as error:
        log.warning("this machine's clock was not compared with the database's: %s", error)
        return
    if abs(ahead) > FELT:
        way = Message("worker.clock.ahead" if ahead > timedelta(0) else "worker.clock.behind")
        seconds = round(abs(ahead).total_seconds())
        log.warning("%s", Message("worker.clock", seconds=seconds, way=way))
