"""Files of broadcasts that are kept for another upload, and what their batches say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine, select

from broadcast.frozen import frozen
from broadcast.media import KeptFile
from models.engine import database_now
from models.file import FilePieceRow, KeptFileRow, RenewalRow
from models.ledger.reading.next_work import Work
from models.ledger.rows import columns
from models.ledger.transaction import read

_FILE = columns(KeptFile, KeptFileRow, "data")


@frozen
class Life:
    """Until when the media live that a batch names, at the database's moment."""

    dies_at: datetime
    now: datetime


def life(engine: Engine, work: Work) -> Life | None:
    """Return it; None for a broadcast that keeps no files."""
    query = select(RenewalRow.dies_at, database_now().label("now")).where(
        RenewalRow.broadcast_id == work.broadcast_id, RenewalRow.n == work.renewal
    )
    with read(engine) as connection:
        row = connection.execute(query).first()
        return None if row is None else Life(dies_at=row.dies_at, now=row.now)


def content(engine: Engine, broadcast_id: str, renewal: int) -> str:
    """Return the canonical content of a renewal. Raises LookupError where there is none."""
    query = select(RenewalRow.content).where(
        RenewalRow.broadcast_id == broadcast_id, RenewalRow.n == renewal
    )
    with read(engine) as connection:
        said = connection.scalar(query)
    if said is None:
        raise LookupError(f"broadcast {broadcast_id} has no renewal {renewal}")
    return said


def kept(engine: Engine, broadcast_id: str) -> Iterator[KeptFile]:
    """Yield the files of a broadcast, one in memory at a time and no transaction open between.

    Raises LookupError for one that is not stored whole.
    """
    query = select(*_FILE, KeptFileRow.n, KeptFileRow.size, KeptFileRow.fingerprint).where(
        KeptFileRow.broadcast_id == broadcast_id, KeptFileRow.dropped.is_(False)
    )
    with read(engine) as connection:
        files = connection.execute(query.order_by(KeptFileRow.n)).mappings().all()
    for file in files:
        facts = dict(file)
        size, fingerprint = facts.pop("size"), facts.pop("fingerprint")
        pieces = select(FilePieceRow.data).where(
            FilePieceRow.broadcast_id == broadcast_id, FilePieceRow.n == facts.pop("n")
        )
        with read(engine) as connection:
            data = b"".join(connection.scalars(pieces.order_by(FilePieceRow.place)))
        whole = KeptFile(**facts, data=data)
        if (len(data), whole.fingerprint) != (size, fingerprint):
            raise LookupError(f"{whole.name}: {len(data)} of {size} bytes are as they were stored")
        yield whole
