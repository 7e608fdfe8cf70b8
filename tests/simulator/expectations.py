"""What a reply must be, with the section of the fact sheet that says so."""

from __future__ import annotations

import re
from typing import Any

from tests.simulator.wire import RID


def refused(
    reply: dict[str, Any], errcode: int, words: str, *, section: str, suffix: str = RID
) -> dict[str, Any]:
    """Assert a refusal: its errcode, and its words with a rid behind them (section 0.1)."""
    where = f"section {section} wants {errcode} {words!r}, got {reply}"
    assert reply.get("errcode") == errcode, where
    assert re.fullmatch(re.escape(words) + suffix, reply["errmsg"]), where
    return reply


def submitted(reply: dict[str, Any], *, section: str = "2.2") -> int:
    """Assert an accepted mass send and return its msg_id."""
    where = f"section {section} wants an accepted job, got {reply}"
    assert reply.get("errcode") == 0, where
    assert reply["errmsg"] == "send job submission success", where
    assert isinstance(reply["msg_id"], int), where
    return int(reply["msg_id"])
