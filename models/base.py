"""The declarative base: every constraint has a name, so that every engine can drop it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from broadcast.names import EventKind
from broadcast.rules.accounts import AccountKind
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.dead_letters import LetterSource, LetterState
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.hand_calls import ByHand
from broadcast.rules.media import MediaFormat, MediaKind
from broadcast.rules.pushes import Action
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from broadcast.views.objects import WebhookState
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
