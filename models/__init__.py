"""The database: tables, engine and the ledger, whose verbs are the only writers."""

from __future__ import annotations

from models.account import AccountRow, Lane, QuotaDay
from models.attempt import AttemptRow
from models.base import Base
from models.batch import Batch
from models.broadcast import BroadcastRow, Reservation, Submission
from models.event import Event
from models.gate import GateRow
from models.installation import Installation
from models.recipients import ChunkRow, Skipped

__all__ = [
    "AccountRow",
    "AttemptRow",
    "Base",
    "Batch",
    "BroadcastRow",
    "ChunkRow",
    "Event",
    "GateRow",
    "Installation",
    "Lane",
    "QuotaDay",
    "Reservation",
    "Skipped",
    "Submission",
]
