"""What is being stored is no broadcast yet, and whoever names it reads that."""

from __future__ import annotations

from sqlalchemy import Engine

from broadcast.errors import UnknownIdError
from broadcast.message import Message
from broadcast.reports import Report
from broadcast.states import Phase


def refuse(engine: Engine, report: Report) -> None:
    """Raise UnknownIdError for a broadcast whose list is not stored yet."""
    told = told_of(engine, report)
    if told is not None:
        raise UnknownIdError(told.id, **told.facts)


def told_of(engine: Engine, report: Report) -> Message | None:
    """Tell whether an upload goes on or was given up; None for a broadcast that is stored."""
    if report.phase is not Phase.UPLOADING:
        return None
    from models.ledger import awaited_lists  # noqa: PLC0415 - the verbs, for an upload alone
    from models.ledger.upload_beat import GIVEN_UP_AFTER  # noqa: PLC0415

    beat = report.uploading_at
    if beat is None or report.now - beat >= GIVEN_UP_AFTER:
        return Message("error.broadcast.given_up", id=report.id)
    is_awaited = awaited_lists.of(engine, report.id) is not None
    return Message(f"error.broadcast.{'awaited' if is_awaited else 'uploading'}", id=report.id)
