"""Broadcasts in the ledger and drivers of their lanes, for tests below the worker."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Table, bindparam, delete, func, insert, select, update

from broadcast import openid
from broadcast.errors import PlanError, RepeatedSendError
from broadcast.rules import accounts
from broadcast.rules.accounts import Account
from broadcast.rules.calls.attempts import CallResult, NoAnswer
from broadcast.rules.calls.decide import Decision
from broadcast.rules.calls.outcomes import Endpoint, Outcome, Scope, of_send
from broadcast.rules.calls.waits import DEFAULT_TUNING, Tuning, Waits
from broadcast.rules.drafts import Marks
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan import proof, submission
from broadcast.rules.plan.audience import OpenIDs
from broadcast.rules.plan.cut import CHUNK, Chunk, chunked
from broadcast.rules.reports import Report
from broadcast.rules.states import BatchState, Reason
from models.base import Moment
from models.batch_tables import GateRow
from models.engine import now
from models.every_table import Base, Batch, BroadcastRow
from models.installation import Installation
from models.ledger.lane import claims, leases, next_work, obstacles, record_outcomes
from models.ledger.lane.claims import Claim
from models.ledger.lane.leases import Lease
from models.ledger.lane.next_work import Kind, Work
from models.ledger.lists import uploads
from models.ledger.outcomes import recorded_ends
from models.ledger.plan import plans
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import present, read, write
from models.ledger.submit import submits

PLENTY = proof.Quota(daily_limit=1_000, used=0, remain=1_000)
_KEYS = itertools.count(1)
_TABLES = Base.metadata.sorted_tables


def account(name: str = "default") -> Account:
    """Return an account of which nobody but the ledger will hear."""
    return accounts.make(name, appid=f"wx{name}0123456789"[:18], appsecret="0123456789abcdef")


def openids(count: int) -> list[str]:
    """Return *count* OpenIDs, sorted; half of them differ from another one in their case alone."""
    return sorted(f"o{'aA'[n % 2]}{n // 2:026d}" for n in range(count))


def packed(names: Iterable[str]) -> bytes:
    """Return OpenIDs as they are stored."""
    return openid.pack("".join(names).encode())


def digest(names: Iterable[str]) -> str:
    """Return what tells a list of OpenIDs from another."""
    return hashlib.sha256("".join(names).encode()).hexdigest()


def body(
    *,
    size: int = 20,
    key: str | None = None,
    owner: Account | None = None,
    text: str = "您好 🎉",
    at: datetime | None = None,
) -> submission.Body:
    """Return what a broadcast to the first *size* OpenIDs says; the key is new if not given."""
    content = json.dumps({"msgtype": "text", "text": {"content": text}}, ensure_ascii=False)
    return submission.Body(
        account=owner or account(),
        key=key or f"key-{next(_KEYS)}",
        content=content,
        content_digest=hashlib.sha256(content.encode()).hexdigest(),
        msgtype="text",
        audience=OpenIDs(digest=digest(openids(size))),
        scheduled_at=at,
    )


def of_draft(said: submission.Body, marks: Marks | None) -> submission.Body:
    """Return *said* as the broadcast of a draft that says *marks* at its submit."""
    content = json.dumps({"msgtype": "mpnews", "mpnews": {"media_id": "D1"}})
    return replace(
        said,
        content=content,
        msgtype="mpnews",
        draft=marks,
        content_digest=hashlib.sha256(content.encode()).hexdigest(),
    )


def figures(
    *, size: int, batches: int, **skipped: tuple[int, list[tuple[int, str]]]
) -> submission.Figures:
    """Return what was read: *size* good OpenIDs and what was skipped."""
    counts = {reason: count for reason, (count, _) in skipped.items()}
    return submission.Figures(
        read=size + sum(counts.values()),
        malformed=counts.get("malformed", 0),
        duplicate=counts.get("duplicate", 0),
        planned=size,
        calls=batches,
        samples=skipped,
    )


def prune(engine: Engine, broadcast_id: str) -> None:
    """Remove a broadcast, as a retention does: its key alone is left."""
    kept = {"bc_submissions", "bc_uploads"}
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if "broadcast_id" in table.c and table.name not in kept:
                connection.execute(table.delete().where(table.c.broadcast_id == broadcast_id))
        connection.execute(delete(BroadcastRow).where(BroadcastRow.id == broadcast_id))


def upload(engine: Engine, said: submission.Body, *, size: int = 20) -> str:
    """Store a broadcast that nobody calls yet; return its id."""
    broadcast_id = submits.begin(engine, said, who="tests")
    uploads.add_chunks(engine, broadcast_id, chunks(openids(size)))
    return broadcast_id


def chunks(names: Sequence[str], most: int | None = None) -> Iterator[Chunk]:
    """Return a list in chunks of a few OpenIDs, so that batches begin and end inside of them."""
    return chunked([packed(names)], most=most or max(8, min(CHUNK, len(names) // 20)))


def terms(
    *,
    size: int = 20,
    batches: int = 2,
    spread: bool = False,
    again: bool = True,
    who: str = "tests",
) -> submission.Terms:
    """Return terms under which *size* OpenIDs take so many calls."""
    return submission.Terms(
        who=who,
        again=again,
        spread_days=spread,
        batch_size=max(2, -(-size // batches)),
        late_by=timedelta(days=365),
    )


def published(
    engine: Engine,
    said: submission.Body,
    *,
    size: int = 20,
    batches: int = 2,
    quota: proof.Quota | None = PLENTY,
    spread: bool = False,
    again: bool = True,
) -> str:
    """Submit a broadcast, as the producer does; return its id. It waits for its plan."""
    broadcast_id = upload(engine, said, size=size)
    submits.publish(
        engine,
        broadcast_id,
        said,
        figures=figures(size=size, batches=batches),
        terms=terms(size=size, batches=batches, spread=spread, again=again),
        quota=quota,
    )
    return broadcast_id


def publish_together(
    engine: Engine,
    ids: list[str],
    texts: list[submission.Body],
    *,
    quota: proof.Quota | None,
    calls: int = 2,
) -> list[str]:
    """Publish uploads at the same instant; return which were published and which refused."""
    together = threading.Barrier(len(ids))

    def race(n: int) -> str:
        together.wait()
        try:
            submits.publish(
                engine,
                ids[n],
                texts[n],
                figures=figures(size=20, batches=calls),
                terms=terms(batches=calls, again=False),
                quota=quota,
            )
        except (PlanError, RepeatedSendError, submission.PublishedMeanwhileError):
            return "refused"
        return "published"

    with ThreadPoolExecutor(len(ids)) as threads:
        return list(threads.map(race, range(len(ids))))


def planned(
    engine: Engine,
    broadcast_id: str,
    *,
    owner: Account | None = None,
    quota: proof.Quota | None = PLENTY,
) -> proof.Proof | None:
    """Cut a published broadcast and open it for calls, as the worker does."""
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None, "it does not wait for its plan"
    cuts = plans.cuts_of(engine, row)
    assert plans.add_batches(engine, row, owner or account(), cuts=cuts)
    return plans.open_for_calls(engine, row, owner or account(), cuts=cuts, quota=quota)


def broadcast(
    engine: Engine,
    *,
    size: int = 20,
    batches: int = 2,
    key: str | None = None,
    owner: Account | None = None,
    quota: proof.Quota | None = PLENTY,
) -> str:
    """Submit and plan a broadcast; its batches wait for a driver. Return its id."""
    said = body(size=size, key=key, owner=owner)
    broadcast_id = published(engine, said, size=size, batches=batches, quota=quota)
    planned(engine, broadcast_id, owner=owner, quota=quota)
    return broadcast_id


class Driver:
    """Drives an account's lane by hand: claim, then say what WeChat is to have answered."""

    def __init__(
        self,
        engine: Engine,
        name: str = "default",
        *,
        owner: str = "tests",
        tuning: Tuning = DEFAULT_TUNING,
    ) -> None:
        self.engine = engine
        self.tuning = tuning
        self.lease: Lease = self._acquired(name, owner)

    def _acquired(self, name: str, owner: str) -> Lease:
        held = leases.acquire(self.engine, name, owner, breaker=self.tuning.breaker)
        assert held is not None, "somebody else holds the lane"
        return held

    def next(self) -> Work:
        """Return what the lane does next."""
        return next_work.next_work(self.engine, self.lease.account)

    def claim(self) -> Claim:
        """Claim the next call; it must be allowed."""
        work = self.next()
        assert work.kind is Kind.CALL, work
        claim = claims.claim(self.engine, self.lease, work, tuning=self.tuning)
        if claim is None:
            # No heartbeat keeps this lease: on a busy machine it may have run out.
            self.lease = self._acquired(self.lease.account, self.lease.owner)
            claim = claims.claim(self.engine, self.lease, self.next(), tuning=self.tuning)
        assert claim is not None, "the claim was refused"
        return claim

    def record(self, claim: Claim, fact: CallResult) -> Decision:
        """Store what the call of *claim* ended as."""
        return record_outcomes.record(self.engine, claim.attempt_id, fact, tuning=self.tuning)

    def call(self, fact: CallResult) -> Decision:
        """Claim the next call and store what it ended as."""
        return self.record(self.claim(), fact)


class EveryClaimCounts:
    """A counter of claims that never lost one."""

    def count(self, account: str, number: int, claim: str) -> bool:
        return bool(account and number and claim)


def said(errcode: int, *, msg_id: int | None = None, errmsg: str = "words of WeChat") -> CallResult:
    """Return WeChat's JSON reply as a fact."""
    return CallResult(
        outcome=of_send(Endpoint.MASS_SEND, errcode, msg_id=msg_id),
        errcode=errcode,
        errmsg=errmsg,
        msg_id=msg_id,
        http_status=200,
    )


def ended(engine: Engine) -> str:
    """Store a broadcast of two batches, which WeChat accepted and finished; return its id."""
    broadcast_id = broadcast(engine)
    driver = Driver(engine)
    for msg_id in (1, 2):
        driver.call(said(0, msg_id=msg_id))
    for row in batches(engine, broadcast_id):
        recorded_ends.record_status(engine, row, "SEND_SUCCESS", waits=Waits())
    return broadcast_id


#: The reply was lost on its way.
LOST = CallResult(outcome=Outcome.UNKNOWN, transport="read_timeout")


def stop(engine: Engine, owner: Account, *, errcode: int = 48003, errmsg: str = "no") -> None:
    """Stop an account, as an answer of WeChat's to the token does."""
    refused = NoAnswer(
        outcome=Outcome.STOP_ACCOUNT, scope=Scope.ACCOUNT, errcode=errcode, errmsg=errmsg
    )
    assert not obstacles.apply_no_answer(engine, owner, refused, waits=Waits())


def wait(engine: Engine, name: str = "default", *, until: datetime, reason: Reason) -> None:
    """Let a lane wait."""
    with engine.begin() as connection:
        lane_rows.lock(connection, name)
        lane_rows.wait(connection, name, until=until, reason=reason)
        lane_rows.refresh_due(connection, name)


def pass_time(engine: Engine, elapsed: timedelta) -> None:
    """Let time pass for the ledger: every moment in it moves into the past."""
    with engine.begin() as connection:
        for table in _filled(connection):
            moments = [column for column in table.columns if isinstance(column.type, Moment)]
            keys = list(table.primary_key.columns)
            older = [
                {f"_{key.name}": row[key.name] for key in keys}
                | {each.name: (at := row[each.name]) and at - elapsed for each in moments}
                for row in connection.execute(select(*keys, *moments)).mappings()
            ]
            if moments and older:
                mine = [key == bindparam(f"_{key.name}") for key in keys]
                values: dict[str, Any] = {c.name: bindparam(c.name) for c in moments}
                connection.execute(update(table).where(*mine).values(values), older)


def end_cooling_off(engine: Engine) -> None:
    """Let the undo window of every broadcast be over, as if its time had passed."""
    with read(engine) as connection:
        kept_back = GateRow.kind == GateKind.COOLING_OFF, GateRow.until > now(connection)
        accounts_ = set(connection.scalars(select(GateRow.account).where(*kept_back)))

    def work(connection: Connection, account: str) -> None:
        lane_rows.lock(connection, account)
        over = update(GateRow).where(GateRow.account == account, *kept_back)
        connection.execute(over.values(until=GateRow.closed_at))
        lane_rows.refresh_due(connection, account)

    for account in accounts_:
        write(engine, partial(work, account=account))


def batches(engine: Engine, broadcast_id: str) -> list[Any]:
    """Return the rows of a broadcast's batches in order."""
    with engine.connect() as connection:
        query = select(Batch.__table__).where(Batch.broadcast_id == broadcast_id)
        return list(connection.execute(query.order_by(Batch.n)).all())


def batch(engine: Engine, broadcast_id: str, n: int = 1) -> Any:
    """Return the row of one batch."""
    return batches(engine, broadcast_id)[n - 1]


def states(engine: Engine, broadcast_id: str) -> dict[BatchState, int]:
    """Count a broadcast's batches by state."""
    with engine.connect() as connection:
        query = select(Batch.state, func.count()).where(Batch.broadcast_id == broadcast_id)
        rows = connection.execute(query.group_by(Batch.state))
        return {state: count for state, count in rows}  # noqa: C416 - rows are not pairs to mypy


def counted(report: Report) -> dict[str, int]:
    """Return how many OpenIDs are in each set: of a list of ours every figure is known."""
    assert None not in report.recipients.values(), "the list is WeChat's"
    return {name: count or 0 for name, count in report.recipients.items()}


def install(engine: Engine) -> None:
    """Insert the row that a migration makes."""
    row = {
        "number": 1,
        "id": "one",
        "created_at": present(engine),
        "oldest_compatible": 1,
        "notes": 0,
    }
    with engine.begin() as connection:
        connection.execute(insert(Installation).values(row))


def empty(engine: Engine) -> None:
    """Take everything out of the tables."""
    with engine.begin() as connection:
        # A parent and its children are of one table.
        connection.execute(update(Batch).values(parent_id=None))
        for table in reversed(_filled(connection)):
            connection.execute(table.delete())


def _filled(connection: Connection) -> list[Table]:
    """Return the tables that have rows, few of many in a test; children behind their parents."""
    asked = ", ".join(f"EXISTS (SELECT 1 FROM {table.name})" for table in _TABLES)
    found = connection.exec_driver_sql(f"SELECT {asked}").one()
    return [table for table, has_rows in zip(_TABLES, found, strict=True) if has_rows]
