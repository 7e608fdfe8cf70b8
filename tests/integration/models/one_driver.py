"""Drives a lane until it rests, as a process that shares it with others: DATABASE_URL NAME."""

from __future__ import annotations

import sys

from models.engine import open_engine
from models.ledger.lane import claims, leases, next_work
from models.ledger.lane.next_work import Kind
from models.ledger.lane.record_outcomes import record
from tests.kit.ledger import said


def main(url: str, me: str) -> None:
    """Claim and record until nothing is left; say how many were claimed."""
    engine = open_engine(url)
    claimed = 0
    while True:
        held = leases.acquire(engine, "default", me)
        if held is None:
            continue
        work = next_work.next_work(engine, held.account)
        if work.kind is Kind.REST:
            leases.release(engine, held)
            break
        claim = claims.claim(engine, held, work)
        if claim is not None:
            claimed += 1
            record(engine, claim.attempt_id, said(0, msg_id=work.batch_id))
        leases.release(engine, held)
    print("claimed", claimed)


if __name__ == "__main__":
    main(*sys.argv[1:])
