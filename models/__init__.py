"""The database: tables, engine and the ledger, whose verbs are the only writers."""

from __future__ import annotations

from models.account import AccountRow, Lane
from models.api_key import APIKeyRow
from models.attempt import AttemptRow
from models.base import Base
from models.batch import Batch
from models.broadcast import BroadcastRow, Reservation, Submission
from models.dead_letter import DeadLetterRow
from models.draft import DraftRow
from models.event import Event
from models.file import FilePieceRow, KeptFileRow, RenewalRow
from models.finish import Finish
from models.follower import (
    FollowerChange,
    FollowerChunk,
    FollowerPage,
    FollowerSync,
    ListChanges,
    Suppression,
)
from models.gate import GateRow
from models.hand_call import HandCallRow
from models.installation import Installation
from models.media import MediaRow
from models.outbox import OutboxRow
from models.push import PushRow
from models.queue import QueueRow
from models.recipients import ChunkRow, Skipped
from models.upload import UploadRow
from models.webhook import WebhookRow

__all__ = [
    "APIKeyRow",
    "AccountRow",
    "AttemptRow",
    "Base",
    "Batch",
    "BroadcastRow",
    "ChunkRow",
    "DeadLetterRow",
    "DraftRow",
    "Event",
    "FilePieceRow",
    "Finish",
    "FollowerChange",
    "FollowerChunk",
    "FollowerPage",
    "FollowerSync",
    "GateRow",
    "HandCallRow",
    "Installation",
    "KeptFileRow",
    "Lane",
    "ListChanges",
    "MediaRow",
    "OutboxRow",
    "PushRow",
    "QueueRow",
    "RenewalRow",
    "Reservation",
    "Skipped",
    "Submission",
    "Suppression",
    "UploadRow",
    "WebhookRow",
]
