"""What pause, resume and cancel have in common."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Engine

from broadcast.text import t
from cli import output, report, words
from cli.wiring.database import engine
from cli.wiring.person import who
from models.ledger import reports


class Control(Protocol):
    """A human's word on a broadcast."""

    def __call__(self, engine: Engine, broadcast_id: str, *, who: str) -> bool:
        """Carry it out; return whether anything changed."""


def steer(control: Control, broadcast_id: str, *, done: str, already: str) -> None:
    """Carry out *control* and say what came of it; doing it twice is no error."""
    ledger = engine()
    changed = control(ledger, broadcast_id, who=who())
    told = reports.report(ledger, broadcast_id, batch_list=False)
    state = words.broadcast_state(told.state)
    output.say(t(done if changed else already, id=broadcast_id, state=state))
    output.say(report.recipients(told))
    if changed:
        for line in report.standing(told):
            output.say(line)
