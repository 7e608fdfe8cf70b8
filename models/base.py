"""The declarative base: every constraint has a name, so that every engine can drop it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from broadcast.accounts import AccountKind
from broadcast.call.attempts import Reason
from broadcast.call.outcomes import Outcome
from broadcast.events import EventKind
from broadcast.states import BatchState, BroadcastState
from models.types import EnumText, Moment


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
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a class attribute
        datetime: Moment,
        AccountKind: EnumText(AccountKind),
        BatchState: EnumText(BatchState),
        BroadcastState: EnumText(BroadcastState),
        EventKind: EnumText(EventKind),
        Outcome: EnumText(Outcome),
        Reason: EnumText(Reason),
    }
