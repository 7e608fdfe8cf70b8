"""The database: tables, engine and the ledger, whose verbs are the only writers."""

from __future__ import annotations

from models.account import AccountRow, Lane, QuotaDay
from models.attempt import AttemptRow
from models.base import Base
from models.batch import Batch, Pack
from models.broadcast import BroadcastRow
from models.event import Event
from models.skipped import Skipped

__all__ = [
    "AccountRow",
    "AttemptRow",
    "Base",
    "Batch",
    "BroadcastRow",
    "Event",
    "Lane",
    "Pack",
    "QuotaDay",
    "Skipped",
]
