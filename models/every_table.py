"""Every table, for what needs all of them: migrations, tests."""

# ruff: noqa: F401 - who needs all tables imports them from here
from __future__ import annotations

from models.accounts import AccountRow, HandCallRow, Lane
from models.base import Base
from models.batch_tables import AttemptRow, Batch, GateRow
from models.box_tables import DeadLetterRow, Finish, OutboxRow, PushRow, QueueRow, WebhookRow
from models.broadcast_tables import BroadcastRow, DraftRow, Reservation, Submission, UploadRow
from models.campaign_tables import CampaignRow, LaunchRow, RehearsalRow
from models.event import Event
from models.followers import FollowerChange, FollowerChunk, FollowerPage, FollowerSync
from models.installation import APIKeyRow, Installation, RestoreRow
from models.media import FilePieceRow, KeptFileRow, MediaRow, RenewalRow
from models.notice_tables import NoticeReceiverRow, NoticeRow
from models.recipients import ChunkRow, Skipped
from models.suppressions import ListChanges, Suppression
