"""What the followers of a new list got already and will get, before it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from broadcast import rest
from broadcast.message import Message
from broadcast.overlap import Known
from broadcast.plan import submission
from broadcast.plan.chunk import Chunk
from broadcast.plan.selection import Excluded


def known(engine: Engine, body: submission.Body, chunks: Iterable[Chunk]) -> Known:
    """Return what an operator is shown; *chunks* are the list of *body*."""
    from models.ledger.reading import overlaps  # noqa: PLC0415 - numpy, which not all need

    known = overlaps.known(engine, body, chunks)
    return replace(known, uncounted=overlaps.uncounted(engine, body, by_list=True))


def known_of_nobody(engine: Engine, body: submission.Body) -> Known:
    """Return what an operator is shown where only WeChat knows who gets it."""
    from models.ledger.reading import overlaps  # noqa: PLC0415 - numpy, which not all need

    there = overlaps.uncounted(engine, body, by_list=False)
    # Whoever gets those is left out of this one.
    excluded = {one.value for one in body.selection.exclude if one.kind is Excluded.BROADCAST}
    return Known(
        today=0, today_ids=[], earlier=[], to_come=[],
        uncounted=[one for one in there if one.id not in excluded],
    )  # fmt: skip


def notice_of_nobody(engine: Engine, body: submission.Body) -> Iterator[Message]:
    """Notice a broadcast that may go to the same people, where only WeChat knows them.

    The newest with the same content, or else the newest.
    """
    there = known_of_nobody(engine, body).uncounted
    for one in sorted(there, key=lambda each: not each.same_content)[:1]:
        name = "uncounted_same" if one.same_content else "uncounted"
        yield Message(f"notice.submit.{name}", id=one.id)


def earlier(engine: Engine, body: submission.Body, *, moment: datetime) -> Sequence[Any]:
    """Look for earlier broadcasts that went out in part; :func:`notices` counts who got them."""
    from models.ledger.reading import overlaps  # noqa: PLC0415 - numpy, which not all need

    return overlaps.earlier(engine, body, moment=moment)


def notices(
    engine: Engine,
    body: submission.Body,
    there: Sequence[Any],
    *,
    chunks: Iterable[Chunk],
    planned: int | None,
) -> Iterator[Message]:
    """Notice earlier broadcasts that a part of this list got, or may have: it would get both.

    *there*: what :func:`earlier` found.
    """
    from models.ledger.reading import overlaps  # noqa: PLC0415 - numpy, which not all need

    for one in overlaps.counted(engine, body, there, chunks=chunks):
        # Of another list the rest is none of this one's followers.
        commands = rest.listing(one.id, one.rest) if one.same_list else []
        name = "notice.submit.overlap" if commands else "notice.submit.overlap_no_rest"
        yield Message(
            name if one.same_list else "notice.submit.overlap_other_list",
            count=one.followers, planned=planned, id=one.id, at=one.started_at,
            commands=" && ".join(commands), file=rest.FILE,
        )  # fmt: skip
