r"""How large a chunk of recipients should be: a million OpenIDs in chunks of 1,000 and of 10,000.

Stores them as the producer does, reads a hundred batches, asks in which batches one follower is
and who is in two broadcasts, and weighs the table. On SQLite, PostgreSQL and MariaDB, in one run.
Usage: python -m benchmarks.chunks [--openids N] [--rounds N]

On 2 busy cores, a million OpenIDs, median of 5 rounds (``docs/decisions/0011``):

========== ======= ====== =========== ============ ======= =======
\           a chunk store  100 batches one follower in both disk
========== ======= ====== =========== ============ ======= =======
SQLite     1,000   0.34 s 16 ms       0.3 ms       228 ms  21.2 MB
PostgreSQL 1,000   0.62 s 146 ms      1.5 ms       366 ms  23.0 MB
MariaDB    1,000   0.88 s 292 ms      5.0 ms       772 ms  33.1 MB
SQLite     10,000  0.19 s 20 ms       0.8 ms       167 ms  21.2 MB
PostgreSQL 10,000  0.37 s 94 ms       2.0 ms       275 ms  22.0 MB
MariaDB    10,000  0.58 s 174 ms      2.7 ms       452 ms  21.5 MB
========== ======= ====== =========== ============ ======= =======
"""

from __future__ import annotations

import argparse
import statistics
import string
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sqlalchemy import Engine, select, text

from broadcast import openid
from broadcast.rules.plan.cut import ASKED, chunked
from broadcast.sorted_openids import are_in, unpacked
from models.engine import open_engine
from models.every_table import Base, ChunkRow
from models.ledger.lists import recipients, uploads
from models.ledger.rows.transaction import read
from models.ledger.submit import submits
from tests.kit import ledger
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

SIZES = (1_000, 10_000)
BATCH = 10_000
MB = 1_000_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--openids", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    names = random_openids(wanted.openids)
    whole = ledger.packed(names)
    with engines() as found:
        for size in SIZES:
            for engine in found:
                Base.metadata.drop_all(engine)
                Base.metadata.create_all(engine)
                took = measure(engine, whole, size, names=names, rounds=wanted.rounds)
                figures = ", ".join(f"{what} {value}" for what, value in took.items())
                print(f"{engine.dialect.name}, {size:,} a chunk: {figures}", flush=True)


def random_openids(count: int) -> list[str]:
    """Return OpenIDs that no database compresses better than WeChat's, sorted."""
    letters = np.frombuffer(string.ascii_letters.encode() + b"0123456789-_", np.uint8)
    drawn = np.random.default_rng(1).choice(letters, (count, openid.LENGTH))
    drawn[:, 0] = ord("o")
    return sorted(drawn[n].tobytes().decode("ascii") for n in range(count))


@contextmanager
def engines() -> Iterator[list[Engine]]:
    """Start the databases that this machine has."""
    with tempfile.TemporaryDirectory() as folder, PostgreSQL() as postgres, MariaDB() as mariadb:
        urls = (
            f"sqlite:///{Path(folder) / 'ledger.sqlite'}",
            postgres.fresh_database(),
            mariadb.fresh_database(),
        )
        found = [open_engine(url) for url in urls]
        yield found
        for engine in found:
            engine.dispose()


def measure(
    engine: Engine, whole: bytes, size: int, *, names: list[str], rounds: int
) -> dict[str, str]:
    """Return what each thing takes with chunks of *size*."""
    ids, stored = [], []
    for n in range(max(2, rounds)):
        began = time.perf_counter()
        ids.append(submits.begin(engine, ledger.body(key=f"{size}-{n}"), who="bench"))
        uploads.add_chunks(engine, ids[-1], chunked([whole], most=size))
        stored.append(time.perf_counter() - began)
    one = names[len(names) // 3]
    return {
        "store": f"{statistics.median(stored):.2f} s",
        "100 batches": _median(
            lambda: batches(engine, ids[0], openids=len(names), most=size), rounds
        ),
        "one follower": _median(lambda: where_is(engine, ids[0], one), rounds),
        "in both": _median(lambda: in_both(engine, ids[0], ids[1]), rounds),
        "disk": f"{weight(engine) / len(ids) / MB:.1f} MB",
    }


def _median(do: Callable[[], object], rounds: int) -> str:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        do()
        took.append(time.perf_counter() - began)
    return f"{1_000 * statistics.median(took):.1f} ms"


def batches(engine: Engine, broadcast_id: str, *, openids: int, most: int) -> None:
    """Read a hundred batches, each as a lane does, by the largest chunk that there can be."""
    vars(recipients)["CHUNK"] = most
    for start in list(range(0, openids, BATCH))[:100]:
        size = min(BATCH, openids - start)
        with read(engine) as connection:
            recipients.packed(connection, broadcast_id, ASKED, start=start, size=size)


def where_is(engine: Engine, broadcast_id: str, name: str) -> int:
    """Return the place of a follower in a list, which says in which batch it is.

    By its id: MariaDB reads the OpenIDs of each chunk that it passes, if they are asked for.
    """
    found = select(ChunkRow.id).where(
        ChunkRow.broadcast_id == broadcast_id,
        ChunkRow.list == ASKED,
        ChunkRow.first_openid <= name,
        ChunkRow.last_openid >= name,
    )
    query = select(ChunkRow.start, ChunkRow.openids)
    with read(engine) as connection:
        row = connection.execute(query.where(ChunkRow.id == found.scalar_subquery())).one()
    return int(row.start + np.searchsorted(unpacked(row.openids), name.encode()))


def in_both(engine: Engine, one: str, other: str) -> int:
    """Count who is in the lists of both broadcasts, chunk beside chunk."""
    query = select(ChunkRow.openids).where(ChunkRow.list == ASKED).order_by(ChunkRow.start)
    found = 0
    with read(engine) as first, read(engine) as second:
        rows = first.execute(query.where(ChunkRow.broadcast_id == one)).scalars()
        others = second.execute(query.where(ChunkRow.broadcast_id == other)).scalars()
        for mine, theirs in zip(rows, others, strict=True):
            found += int(are_in(unpacked(mine), unpacked(theirs)).sum())
    return found


def weight(engine: Engine) -> int:
    """Return the bytes of the table and its indices on disk."""
    table = ChunkRow.__tablename__
    asks = {
        "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        "postgresql": f"SELECT pg_total_relation_size('{table}')",
        "mysql": "SELECT data_length + index_length FROM information_schema.tables "
        f"WHERE table_schema = DATABASE() AND table_name = '{table}'",
    }
    with engine.connect() as connection:
        if engine.dialect.name == "mysql":
            connection.execute(text(f"ANALYZE TABLE {table}"))
        return int(connection.execute(text(asks[engine.dialect.name])).scalar_one())


if __name__ == "__main__":
    main()
