"""What people did to a broadcast and to its account: who, when, why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from broadcast.enums import is_recognised
from broadcast.message import Message
from broadcast.reports import Did, OperatorAction, OperatorActions
from presentation.words import Moment, Speaker


def lines(done: OperatorActions, now: datetime) -> Iterator[Message]:
    """Yield who did what, when and why, oldest first; nothing where nobody did anything."""
    if not done.actions:
        return
    yield Message("operator_action.title")
    if done.earlier:
        yield Message("operator_action.earlier", n=done.earlier)
    for one in done.actions:
        yield Message(
            "operator_action.line", at=Moment(one.at, now), what=_what(one),
            who=Speaker(one.who, one.why),
        )  # fmt: skip


def _what(one: OperatorAction) -> Message:
    if not is_recognised(one.did):
        return Message("operator_action.newer", action=one.did)
    if one.did is not Did.RESOLVE:
        return Message(f"operator_action.{one.did}", account=one.account, n=one.batches)
    if one.msg_id is None:
        return Message("operator_action.resolve_not_sent", n=one.batch)
    return Message("operator_action.resolve", n=one.batch, msg_id=one.msg_id)
