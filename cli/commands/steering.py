"""What pause, resume and cancel have in common."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Engine

from broadcast.reports import Report
from broadcast.states import BroadcastState
from broadcast.text import t
from cli import output, report, standing, ways, words
from cli.wiring.database import engine
from cli.wiring.person import in_one_line, who
from models.ledger.reading import in_flight
from models.ledger.reading.in_flight import InFlight

#: What is said instead where nothing goes on: no word on a broadcast lets its account call.
WHERE_THE_ACCOUNT_STANDS = {
    "resume.done": "resume.done_standing", "resume.already": "resume.already_standing",
}  # fmt: skip
#: What a word that changes nothing has found, where that is not the end of the broadcast.
WHERE_IT_STANDS = {
    ("pause.already", BroadcastState.PAUSED): "pause.already_paused",
    ("pause.already", BroadcastState.HELD): "pause.already_held",
}


class Control(Protocol):
    """A human's word on a broadcast."""

    def __call__(
        self, engine: Engine, broadcast_id: str, *, who: str, why: str | None = None
    ) -> bool:
        """Carry it out; return whether anything changed."""


def steer(control: Control, broadcast_id: str, *, why: str | None, done: str, already: str) -> None:
    """Carry out *control* and say what came of it; doing it twice is no error."""
    ledger = engine()
    changed = control(ledger, broadcast_id, who=who(), why=in_one_line(why))
    told, flown = in_flight.beside_report(ledger, broadcast_id)
    name = done if changed else WHERE_IT_STANDS.get((already, told.state), already)
    if told.lane.stands_still:
        name = WHERE_THE_ACCOUNT_STANDS.get(name, name)
    state = words.broadcast_state(told.state)
    output.say(t(name, id=broadcast_id, state=state, account=told.account))
    remains(ledger, told, flown)


def remains(ledger: Engine, told: Report, flown: list[InFlight]) -> None:
    """Say where everybody is, what is under way and cannot be stopped, and what goes on how."""
    output.say(report.recipients(told))
    for line in report.maybe_sent(told):
        output.say(line)
    # What a worker left behind is among what stands still.
    for line in ways.under_way([one for one in flown if one.driven], told.now):
        output.say(line)
    for line in standing.lines(told):
        output.say(line)
    for line in ways.lines(ledger, told):
        output.say(line)
