"""What people did to a broadcast and to its account: who, when, why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from broadcast.enums import is_recognised
from broadcast.message import Message
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.reports import Did, OperatorAction, Report
from broadcast.views.words import Moment, Speaker


def lines(report: Report) -> Iterator[Message]:
    """Yield who did what, when and why, oldest first, beside what stands above it already.

    Nothing where nobody did anything else.
    """
    done = report.operator_actions
    if done is None:
        return
    in_force = list(_in_force(done.actions, report))
    others = [one for one in done.actions if one not in in_force]
    if not others:
        return
    yield Message("operator_action.title")
    if done.earlier:
        yield Message("operator_action.earlier", n=done.earlier)
    for one in others:
        yield Message(
            "operator_action.line", at=Moment(one.at, report.now), what=_what(one),
            who=Speaker(one.who, one.why),
        )  # fmt: skip


#: What an action closes; while that is closed, a line of its own names who did it and why.
_CLOSES = {Did.PAUSE: GateKind.PAUSE, Did.CANCEL: GateKind.CANCEL, Did.HALT: GateKind.HALT}


def _in_force(actions: Sequence[OperatorAction], report: Report) -> Iterator[OperatorAction]:
    """Yield the last action of each kind that closed a gate, where that is closed now."""
    closed = {gate.kind for gate in report.gates}
    for did, kind in _CLOSES.items():
        each = [one for one in actions if one.did is did]
        if each and kind in closed:
            yield each[-1]


def _what(one: OperatorAction) -> Message:
    if not is_recognised(one.did):
        return Message("operator_action.newer", action=one.did)
    if one.did is Did.RECALL:
        return _recalled(one)
    if one.did is not Did.RESOLVE:
        return Message(f"operator_action.{one.did}", account=one.account, n=one.batches)
    if not one.sent:
        return Message("operator_action.resolve_not_sent", n=one.batch)
    if one.msg_id is None:
        return Message("operator_action.resolve_sent", n=one.batch)
    return Message("operator_action.resolve", n=one.batch, msg_id=one.msg_id)


def _recalled(one: OperatorAction) -> Message:
    article = "_article" if one.article else ""
    if one.maybe:
        return Message(f"operator_action.recall_maybe{article}", n=one.article)
    through = "_through" if one.through else ""
    return Message(f"operator_action.recall{article}{through}", n=one.article, id=one.through)
