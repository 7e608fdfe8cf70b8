"""What ``broadcast up`` finds in the database: it goes on by itself, however old it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Engine

from broadcast.text import t
from cli import words
from models.ledger.reading import reports

#: Most broadcasts that are named; the rest is counted.
MOST_NAMED = 20


def lines(engine: Engine, known: Collection[str]) -> Iterator[str]:
    """Yield what workers of the *known* accounts go on with, oldest first, and what stops it.

    What a person or WeChat holds still is none of it. Raises DatabaseAwayError.
    """
    found = (reports.report(engine, one, whole=False) for one in reports.going_on(engine, known))
    told = [one for one in found if not one.lane.stands_still]
    if not told:
        return
    yield t("up.backlog")
    for one in told[:MOST_NAMED]:
        yield t(
            "up.backlog_line", id=one.id, account=one.account,
            followers=f"{one.recipients['waiting']:,}", since=words.moment(one.created_at, one.now),
        )  # fmt: skip
    if len(told) > MOST_NAMED:
        yield t("up.backlog_more", n=len(told) - MOST_NAMED)
