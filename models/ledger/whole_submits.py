"""Submits that one transaction stores whole: until it commits there is nothing that anybody sees.

For a list of one chunk. Longer ones would hold the lane's row for too long, and go in portions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, insert

from broadcast import plan
from broadcast.crashpoints import Point, passing
from broadcast.frozen import frozen
from broadcast.plan.chunk import ASKED, Chunk
from broadcast.plan.submission import Body, Figures, Published, PublishedMeanwhileError, Terms
from broadcast.reports import Report
from models.engine import now
from models.ledger import flips, known_accounts, lanes, submits, uploads
from models.ledger.rows import HeldLane
from models.ledger.transaction import write_new
from models.recipients import ChunkRow


class Reporter(Protocol):
    """Makes a report in the transaction that stores its broadcast."""

    def __call__(
        self,
        connection: Connection,
        values: Mapping[str, Any],
        *,
        published: Published,
        lane: HeldLane,
    ) -> Report:
        """Return the report of a broadcast from the values that were just inserted."""


@frozen
class Whole:
    """A broadcast that was stored."""

    id: str
    published: Published
    #: As it was stored, without what people did; None: it was not asked for.
    report: Report | None


def store(
    engine: Engine,
    body: Body,
    chunks: Iterable[Chunk],
    *,
    figures: Figures,
    terms: Terms,
    quota: plan.Quota | None,
    reporter: Reporter | None = None,
) -> Whole:
    """Store and publish a broadcast. Raises what begin and publish of :mod:`.submits` raise."""
    listed = list(chunks)

    def work(connection: Connection) -> Whole:
        known_accounts.meet(connection, body.account)
        lane = lanes.hold(connection, body.account.name)
        there = submits.same(connection, body)
        if there is not None:
            raise PublishedMeanwhileError(there)
        moment = now(connection)
        broadcast_id = submits.new_id(moment)
        flip = flips.judged(
            connection, broadcast_id, body, figures=figures, terms=terms, quota=quota, lane=lane,
            moment=moment,
        )  # fmt: skip
        mine = {
            "id": broadcast_id, "created_by": terms.who, "created_at": moment, "version": 1,
        }  # fmt: skip
        row = submits.insert_broadcast(connection, body, {**mine, **flip.values()})
        if listed:
            rows = [uploads.chunk_row(broadcast_id, ASKED, chunk) for chunk in listed]
            connection.execute(_CHUNKS, rows)
        published = flip.finish(connection)
        report = None
        if reporter is not None:
            report = reporter(connection, row, published=published, lane=lane)
        passing(Point.SUBMIT_PUBLISHING)
        return Whole(id=broadcast_id, published=published, report=report)

    # Another id is drawn where one is taken.
    stored = write_new(engine, work)
    passing(Point.SUBMIT_PUBLISHED)
    return stored


_CHUNKS = insert(ChunkRow)
