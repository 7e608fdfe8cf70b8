"""What ``broadcast up`` finds in the database: it continues automatically, however old it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Engine

from broadcast.message import Message
from models.ledger.reading import in_flight, reports
from presentation import late
from presentation.words import FollowerCount, Moment

#: Most broadcasts that are named; the rest is counted.
MOST_NAMED = 20


def lines(engine: Engine, known: Collection[str]) -> Iterator[Message]:
    """Yield what workers of the *known* accounts go on with, oldest first, and what stops it.

    What a person or WeChat holds still is none of it. Raises DatabaseAwayError.
    """
    found = (reports.report(engine, one, whole=False) for one in in_flight.going_on(engine, known))
    told = [one for one in found if not one.lane.stands_still]
    if not told:
        return
    yield Message("up.backlog")
    for one in told[:MOST_NAMED]:
        held = late.will_be_held(reports.report(engine, one.id))
        yield Message(
            "up.backlog_late" if held else "up.backlog_line", id=one.id, account=one.account,
            followers=FollowerCount(one.recipients["waiting"]),
            since=Moment(one.created_at, one.now), late_by=one.late_by,
        )  # fmt: skip
    if len(told) > MOST_NAMED:
        yield Message("up.backlog_more", n=len(told) - MOST_NAMED)
