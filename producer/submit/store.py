"""Submitting: an audience and a content become a broadcast, or nothing at all.

What was prepared is written in chunks that nobody sees, and published at once. A worker is
woken after the commit: a broker that is away costs time, never a broadcast.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import field
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine

from broadcast.crashpoints import Point, failpoint
from broadcast.errors import (
    BrokerAwayError,
    DatabaseAwayError,
    MediaError,
    UnknownIdError,
)
from broadcast.frozen import frozen
from broadcast.logs import log_facts
from broadcast.message import Message
from broadcast.rules.plan import proof as proof_module
from broadcast.rules.plan import submission
from broadcast.rules.plan.cut import CHUNK
from broadcast.rules.plan.selection import excluded_list
from broadcast.rules.reports import Report
from broadcast.rules.states import BroadcastState, Phase
from models.ledger.lists import uploads
from models.ledger.submit import awaited_lists, submits
from models.ledger.views import broadcast_reports
from producer.media.file import kept, unresolved
from producer.submit.prepare import Prepared

log = logging.getLogger(__name__)


class Waker(Protocol):
    """Calls a worker."""

    def wake_planner(self, broadcast_id: str) -> None:
        """Ask a worker to plan a broadcast. Raises BrokerAwayError."""


@frozen
class Submitted:
    """A broadcast that is stored."""

    id: str
    #: False where the same key and body had been submitted before.
    created: bool
    #: It waits for its time.
    scheduled: bool
    #: The database's moment of that.
    now: datetime
    proof: proof_module.Proof | None
    notices: tuple[Message, ...]
    #: Until when its first call is kept back for its sender; None: it is not.
    cooling_off_until: datetime | None = None
    #: As it was stored, without what people did; None: it was not read.
    report: Report | None = field(default=None, repr=False)


def check_fits(prepared: Prepared) -> None:
    """Raise PlanError, with the shortest fix, when the account's day has no room for the plan."""
    if prepared.proof is not None:
        proof_module.check_fits(prepared.proof)


def store(prepared: Prepared, *, engine: Engine, waker: Waker, reported: bool = False) -> Submitted:
    """Store and publish what was prepared, then wake.

    *reported*: give its report, too, where it need not be read for that. A list that was awaited
    still is where it is refused. Raises what refuses it (PlanError, RepeatedSendError …), and then
    nothing is stored. After a DatabaseAwayError it may be stored all the same: the same key brings
    it to light.
    """
    if prepared.existing is not None:
        return _submitted_before(prepared, prepared.existing, engine=engine, waker=waker)
    check_fits(prepared)
    for left in unresolved(prepared.body.content):
        raise MediaError("error.media.not_uploaded", media_id=left)
    report = None
    try:
        reserved = prepared.body.reserved
        if reserved is None and _is_short(prepared):
            whole = submits.store(
                engine,
                prepared.body,
                prepared.wanted.chunks(),
                figures=prepared.figures,
                terms=prepared.terms,
                quota=prepared.quota,
                reporter=broadcast_reports.of_new if reported else None,
            )
            broadcast_id, published, report = whole.id, whole.published, whole.report
        elif reserved is None:
            broadcast_id, published = _publish(prepared, engine=engine)
        else:
            broadcast_id, published = reserved, _publish_awaited(prepared, reserved, engine=engine)
    except submission.PublishedMeanwhileError as existing:
        return _submitted_before(prepared, existing.id, engine=engine, waker=waker)
    with log_facts.about(broadcast=broadcast_id, account=prepared.body.account.name):
        log.info("broadcast %s: stored", broadcast_id)
    notices = tuple[Message, ...]()
    if not published.scheduled:
        # What waits for its time is launched by beat.
        notices = _wake(waker, broadcast_id)
    return Submitted(
        id=broadcast_id,
        created=True,
        scheduled=published.scheduled,
        now=published.now,
        proof=published.proof,
        notices=(*prepared.notices, *notices),
        report=report,
        cooling_off_until=published.cooling_off_until,
    )


def _is_short(prepared: Prepared) -> bool:
    """Return whether one transaction takes all of it without holding others up."""
    listed = prepared.wanted.listed
    few = listed is None or listed.planned <= CHUNK
    return few and not prepared.excluded and not prepared.keeps_files


def _publish(prepared: Prepared, *, engine: Engine) -> tuple[str, submission.Published]:
    """Upload and publish; return the id and as what it was stored."""
    broadcast_id = submits.begin(
        engine, prepared.body, who=prepared.terms.who, title=prepared.terms.title
    )
    failpoint(Point.SUBMIT_BEGUN)
    with _all_or_nothing(engine, broadcast_id):
        uploads.add_chunks(engine, broadcast_id, prepared.wanted.chunks())
        for n, one in enumerate(prepared.excluded, start=1):
            uploads.add_chunks(engine, broadcast_id, one.chunks(), name=excluded_list(n))
        if prepared.keeps_files:
            uploads.keep_file(engine, broadcast_id, kept(prepared.content))
        failpoint(Point.SUBMIT_STORED)
        published = submits.publish(
            engine,
            broadcast_id,
            prepared.body,
            figures=prepared.figures,
            terms=prepared.terms,
            quota=prepared.quota,
        )
    return broadcast_id, published


def _publish_awaited(
    prepared: Prepared, broadcast_id: str, *, engine: Engine
) -> submission.Published:
    """Store and publish a list under the id that was reserved for it."""
    fence = awaited_lists.begin(engine, broadcast_id, prepared.body)
    failpoint(Point.SUBMIT_BEGUN)
    try:
        uploads.add_chunks(engine, broadcast_id, prepared.wanted.chunks(), fence=fence)
        failpoint(Point.SUBMIT_STORED)
        return submits.publish(
            engine,
            broadcast_id,
            prepared.body,
            figures=prepared.figures,
            terms=prepared.terms,
            quota=prepared.quota,
            fence=fence,
        )
    except BaseException:
        # With the database away the next try takes over once this one has been silent for long.
        with contextlib.suppress(DatabaseAwayError):
            awaited_lists.stop(engine, broadcast_id, fence)
        raise


@contextlib.contextmanager
def _all_or_nothing(engine: Engine, broadcast_id: str) -> Iterator[None]:
    """Forget the upload when anything stops it, Ctrl-C too; what was published stays."""
    try:
        yield
    except BaseException:
        # With the database away the sweep forgets it: an upload without a beat is dead.
        with contextlib.suppress(DatabaseAwayError):
            uploads.abandon(engine, broadcast_id)
        raise


def _submitted_before(
    prepared: Prepared, broadcast_id: str, *, engine: Engine, waker: Waker
) -> Submitted:
    """Return the stored broadcast; wake again if it still waits for its plan.

    Of one that was removed since, the key alone is left.
    """
    try:
        report = broadcast_reports.report(engine, broadcast_id, whole=False)
    except UnknownIdError:
        return Submitted(
            id=broadcast_id,
            created=False,
            scheduled=False,
            now=prepared.now,
            proof=None,
            notices=prepared.notices,
        )
    notices = tuple[Message, ...]()
    scheduled = report.state is BroadcastState.SCHEDULED
    if report.phase is Phase.PLANNING and not scheduled:
        notices = _wake(waker, broadcast_id)
    return Submitted(
        id=broadcast_id,
        created=False,
        scheduled=scheduled,
        now=report.now,
        proof=None,
        notices=(*prepared.notices, *notices),
    )


def _wake(waker: Waker, broadcast_id: str) -> tuple[Message, ...]:
    """Wake a planner; return the notice where it cannot be: then the sweep does when it is due."""
    try:
        waker.wake_planner(broadcast_id)
        failpoint(Point.SUBMIT_WOKEN)
    except BrokerAwayError as error:
        reason = error.facts.get("reason", "")
        return (Message("notice.submit.not_woken", reason=reason),)
    return ()
