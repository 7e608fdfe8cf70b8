"""What is being stored is no broadcast yet, and whoever names it reads that."""

from __future__ import annotations

from broadcast.errors import UnknownIdError
from broadcast.message import Message
from broadcast.reports import Report
from broadcast.states import Phase
from models.ledger.upload_beat import GIVEN_UP_AFTER


def refuse(report: Report) -> None:
    """Raise UnknownIdError for a broadcast whose list is not stored yet."""
    told = told_of(report)
    if told is not None:
        raise UnknownIdError(told.id, **told.facts)


def told_of(report: Report) -> Message | None:
    """Tell whether an upload goes on or was given up; None for a broadcast that is stored."""
    if report.phase is not Phase.UPLOADING:
        return None
    if report.uploading_at is not None and report.uploading_at > report.now:
        return Message("error.broadcast.awaited", id=report.id)
    lives = report.uploading_at is not None and report.now - report.uploading_at < GIVEN_UP_AFTER
    return Message(f"error.broadcast.{'uploading' if lives else 'given_up'}", id=report.id)
