"""How a job of WeChat's fares, as mass/get has it."""

from __future__ import annotations

from typing import Final

from broadcast.message import Message

#: WeChat's own words for it, of which it may add one any day.
KNOWN: Final = frozenset({"SEND_SUCCESS", "SENDING", "SEND_FAIL", "DELETE"})


def job_status(status: str) -> Message:
    """Return what WeChat's *status* of a job means."""
    name = status.lower() if status in KNOWN else "other"
    return Message(f"job_status.{name}", status=status)
