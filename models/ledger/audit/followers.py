"""Nobody twice: no OpenID stands in two batches, and the halves of a batch are that batch."""

from __future__ import annotations

from collections.abc import Iterator

from models.ledger.audit.findings import Finding, Found
from models.ledger.audit.snapshot import Case


def once(case: Case) -> Iterator[Finding]:
    """No follower of the broadcast stands in two batches that may be called."""
    for one in case.twice:
        yield case.finding(
            Found.TWICE, one.n, other=one.other, count=one.count, example=one.example
        )


def halves(case: Case) -> Iterator[Finding]:
    """The children of a split batch are exactly its OpenIDs; no other batch has children."""
    for one in case.uneven:
        yield case.finding(
            Found.HALVES, one.n, children=one.children, missing=one.missing, extra=one.extra
        )
