"""Keys: the clientmsgid of a batch is made of what is sent and to whom; here it is made again."""

from __future__ import annotations

from collections.abc import Iterator

from models.ledger.audit.findings import Finding, Found
from models.ledger.audit.snapshot import Case


def check(case: Case) -> Iterator[Finding]:
    """No clientmsgid was changed, and none was used for another batch."""
    made = {pack.id: pack.key for pack in case.packs}
    for batch in case.batches:
        key = made.get(batch.pack_id, "-")
        if batch.clientmsgid != key:
            yield case.finding(Found.KEY_CHANGED, batch, key=batch.clientmsgid, made=key)
        for call in batch.calls:
            if call.clientmsgid not in {batch.clientmsgid, key}:
                yield case.finding(
                    Found.KEY_OF_CALL, batch, number=call.number, key=call.clientmsgid,
                    made=batch.clientmsgid,
                )  # fmt: skip
