"""Lists of files and of drafts come 20 at most."""

from __future__ import annotations

from simulator.core.body import Message
from simulator.core.errors import RefusalError

MAX_PAGE = 20


def page_of(message: Message) -> tuple[int, int]:
    """Return offset and count of a list, 1 to 20; else 40035."""
    offset, count = message.get("offset", 0), message.get("count", MAX_PAGE)
    whole = isinstance(offset, int) and isinstance(count, int)
    if not whole or offset < 0 or not 1 <= count <= MAX_PAGE:
        raise RefusalError(40035)
    return offset, count
