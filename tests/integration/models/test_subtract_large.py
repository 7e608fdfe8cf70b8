"""Ten million who are left out for one reason are listed and counted on every database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from broadcast import openid
from broadcast.rules.plan.cut import CHUNK, Chunk
from broadcast.rules.plan.selection import Removal
from models.ledger.lists import recipients, uploads
from models.ledger.plan import plans, subtract
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.kit import ledger
from tests.kit.openids import split

MILLIONS = 10_000_000
#: In no list of those who are left out.
STAY = 2


def packed(first: int, last: int) -> bytes:
    return openid.pack(b"".join(b"oTEST%023d" % n for n in range(first, last)))


def chunks() -> Iterator[Chunk]:
    for start in range(0, MILLIONS, CHUNK):
        yield Chunk(start=start, packed=packed(start, start + CHUNK))


def left_out() -> Iterator[bytes]:
    for start in range(STAY, MILLIONS, CHUNK):
        yield packed(start, min(start + CHUNK, MILLIONS))


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_ten_million_of_one_reason_are_listed_and_counted(engine: Engine) -> None:
    body = ledger.body()
    figures = ledger.figures(size=MILLIONS, batches=MILLIONS // 10_000)
    broadcast_id = submits.begin(engine, body, who="tests")
    uploads.add_chunks(engine, broadcast_id, chunks())
    submits.publish(engine, broadcast_id, body, figures=figures, terms=ledger.terms(), quota=None)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None

    assert subtract.subtract(
        engine, row, ledger.account(), removals=[Removal(reason="suppressed", pieces=left_out())]
    )

    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.audience["suppressed"], told.audience["planned"]) == (MILLIONS - STAY, STAY)
    [skipped] = recipients.skipped(engine, broadcast_id)
    assert (skipped.reason, skipped.count) == ("suppressed", MILLIONS - STAY)
    ledger.planned(engine, broadcast_id)
    [portion] = recipients.portions(engine, broadcast_id, "waiting")
    assert list(split(portion.openids)) == [f"oTEST{n:023d}" for n in range(STAY)]
