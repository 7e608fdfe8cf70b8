"""The declarative base: every constraint has a name, so that every engine can drop it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from broadcast.accounts import AccountKind
from broadcast.by_hand import ByHand
from broadcast.call.outcomes import Outcome
from broadcast.call.path import SendPath
from broadcast.dead_letters import LetterSource, LetterState
from broadcast.events import EventKind
from broadcast.gates.gate import GateScope
from broadcast.gates.kinds import GateKind
from broadcast.media import MediaFormat, MediaKind
from broadcast.pushes.keywords import Action
from broadcast.reasons import Reason
from broadcast.states import BatchState, BroadcastState, Phase
from broadcast.webhooks.event import WebhookState
from models.types import EnumText, Moment

_ENUMS: dict[type[StrEnum], EnumText[Any]] = {
    enum: EnumText(enum)
    for enum in (
        AccountKind, Action, BatchState, BroadcastState, ByHand, EventKind, GateKind, GateScope,
        LetterSource, LetterState, MediaFormat, MediaKind, Outcome, Phase, Reason, SendPath,
        WebhookState,
    )
}  # fmt: skip


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Moment,
        **_ENUMS,
    }
