"""The plan's subtraction: who is left out of the list that was asked for, before it is cut.

Each run stores lists of its own in short transactions that nobody sees; one commit under the lane's
lock then names the run, with all figures. So a planner that was killed begins again, and of two at
once one counts. From a list of which nobody is left out nothing is stored: it is referenced.
"""

from __future__ import annotations

import itertools
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from sqlalchemy import Connection, Engine, insert, or_, select

from broadcast import openid
from broadcast.rules.accounts import Account
from broadcast.rules.calls.clientmsgid import clientmsgid_of
from broadcast.rules.plan.cut import ASKED, CHUNK, KEPT, LEFT, SHRUNK, SMALLEST, Chunk, name_of
from broadcast.rules.plan.leaving import highest_of, parts, scores
from broadcast.rules.plan.selection import REASONS, Removal, Sample
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from broadcast.sorted_openids import IDs, Stream, packed, unpacked
from models.base import change, change_where, delete_some, delete_where, insert_row, value_of
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.engine import database_now, now, skips_locked
from models.ledger.followers import followers
from models.ledger.lane import transitions
from models.ledger.lists import recipients
from models.ledger.lists.uploads import CHUNKS_AT_ONCE, chunk_row
from models.ledger.plan.plans import ToPlan
from models.ledger.rows import erased_people, lane_rows
from models.ledger.rows.transaction import read, reading, write, writing
from models.recipients import ChunkRow


def subtract(
    engine: Engine,
    broadcast: ToPlan,
    account: Account,
    *,
    removals: Sequence[Removal],
    source: Iterable[IDs] | None = None,
    sample: Sample | None = None,
    erased: int | None = None,
) -> bool:
    """Remove people from the list of a broadcast; return whether it is to be cut.

    *source*: the list, sorted, of an audience that was given by no list. *sample*: how many of
    those who are left get it. *erased*: how many were erased before *removals* were looked for.

    False where it is planned no more, where more were erased by now, so that it is to be planned
    anew, and where it ended here: without anybody who is left it is
    stored as *cancelled*, shown as failed, and everybody skipped; a single person, to whom
    mass/send sends nothing, is cancelled with the reason ``too_few``. What was subtracted
    once is not subtracted again.
    """
    if not (removals or sample or source is not None) or _is_done(engine, broadcast.id):
        return True
    run = secrets.token_hex(4)
    store = _Store(engine, broadcast, run)
    name = LEFT if sample is None else KEPT
    for what, ids in _parts(engine, broadcast.id, removals=removals, source=source):
        store.add(name if what == LEFT else what, ids)
    stored = store.close()
    if sample is not None:
        _draw(store, sample, of=name_of(KEPT, run) if stored else ASKED)
    if not store.close() and source is None:
        return True
    done = write(
        engine,
        lambda connection: _publish_lists(
            connection, broadcast, account, store=store, erased=erased
        ),
    )
    clear_unused_lists(engine, broadcast.id)
    return done


@reading
def _is_done(connection: Connection, broadcast_id: str) -> bool:
    return value_of(connection, broadcast_id, BroadcastRow.subtraction) is not None


def _parts(
    engine: Engine,
    broadcast_id: str,
    *,
    removals: Sequence[Removal],
    source: Iterable[IDs] | None,
) -> Iterator[tuple[str, IDs]]:
    """Yield who is left and who is removed by reason, in order.

    Nothing where nobody is removed from a list that is stored: it is left as it is.
    """
    begun = source is not None
    pieces = listed(engine, broadcast_id, ASKED) if source is None else source
    for passed, found in enumerate(parts(pieces, removals)):
        if len(found) > 1 and not begun:
            begun = True
            for before in itertools.islice(listed(engine, broadcast_id, ASKED), passed):
                yield LEFT, before
        if begun:
            yield from found


def listed(engine: Engine, broadcast_id: str, name: str) -> Iterator[IDs]:
    """Yield the chunks of a list of a broadcast, each read in a transaction of its own."""
    start = -1
    query = select(ChunkRow.start, ChunkRow.openids).filter_by(broadcast_id=broadcast_id, list=name)
    while True:
        with read(engine) as connection:
            more = query.where(ChunkRow.start > start).order_by(ChunkRow.start).limit(1)
            row = connection.execute(more).first()
        if row is None:
            return
        start = row.start
        yield unpacked(row.openids)


def followed(
    engine: Engine, account: str, *, tagged: Iterable[bytes] | None = None
) -> Iterator[IDs]:
    """Yield who follows an account by our copy of WeChat's list; of those the *tagged* alone."""
    only = None if tagged is None else Stream(tagged)
    for piece in followers.current(engine, account):
        ids = unpacked(piece)
        yield ids if only is None else ids[only.hits(ids)]


def _draw(store: _Store, sample: Sample, *, of: str) -> None:
    """Store who is in the sample as those who are left, and the others by their reason.

    Two looks at a stored list: the first finds the score up to which people are in.
    """
    there = [scores(ids, sample.seed) for ids in store.listed(of)]
    size = sample.size_among(sum(map(len, there)))
    if size == sum(map(len, there)):
        if of != ASKED:
            for ids in store.listed(of):
                store.add(LEFT, ids)
        return
    highest = highest_of(there, size) if size else None
    for ids, each in zip(store.listed(of), there, strict=True):
        chosen = np.zeros(len(ids), bool) if highest is None else each <= highest
        store.add("sampled_out", ids[~chosen])
        store.add(LEFT, ids[chosen])


class _Store:
    """Stores the lists of one run in chunks."""

    def __init__(self, engine: Engine, broadcast: ToPlan, run: str) -> None:
        self.run = run
        self.sizes: Counter[str] = Counter()
        self.samples: defaultdict[str, list[str]] = defaultdict(list)
        self._engine, self._id = engine, broadcast.id
        self._held: defaultdict[str, bytearray] = defaultdict(bytearray)
        self._full: list[tuple[str, Chunk]] = []

    def listed(self, name: str) -> Iterator[IDs]:
        """Yield the chunks of a list of the broadcast."""
        return listed(self._engine, self._id, name)

    def add(self, what: str, ids: IDs) -> None:
        """Add the next OpenIDs of a list."""
        held, most = self._held[what], CHUNK * openid.PACKED_LENGTH
        held += packed(ids)
        if what not in {LEFT, KEPT}:
            room = recipients.SHOWN - len(self.samples[what])
            self.samples[what] += [one.decode("ascii") for one in ids[:room].tolist()]
        while len(held) >= most:
            self._add_row(what, bytes(held[:most]))
            del held[:most]

    def close(self) -> Counter[str]:
        """Store the rest; return how many each list holds."""
        for what, held in self._held.items():
            if held:
                self._add_row(what, bytes(held))
                held.clear()
        self._write()
        return self.sizes

    def _add_row(self, what: str, some: bytes) -> None:
        chunk = Chunk(start=self.sizes[what], packed=some)
        self.sizes[what] += chunk.size
        self._full.append((what, chunk))
        if len(self._full) >= CHUNKS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        rows = [chunk_row(self._id, name_of(what, self.run), one) for what, one in self._full]
        self._full = []
        if rows:
            write(self._engine, lambda connection: _insert(connection, self._id, rows))


def _insert(connection: Connection, broadcast_id: str, rows: list[dict[str, object]]) -> None:
    mark_run(connection, broadcast_id)
    connection.execute(insert(ChunkRow), rows)


def _publish_lists(
    connection: Connection,
    broadcast: ToPlan,
    account: Account,
    *,
    store: _Store,
    erased: int | None,
) -> bool:
    """Publish the lists of a run, unless another run was first, or somebody was erased."""
    lane_rows.lock(connection, broadcast.account)
    mine = (BroadcastRow.id == broadcast.id, BroadcastRow.phase == Phase.PLANNING)
    stands = connection.execute(select(BroadcastRow.subtraction).where(*mine)).first()
    if stands is None or stands.subtraction is not None:
        return stands is not None
    if erased is not None and erased != erased_people.count_in(connection, broadcast.account):
        return False
    change_where(connection, BroadcastRow, *mine, subtraction=store.run)
    moved = {what: size for what, size in store.sizes.items() if what not in {LEFT, KEPT}}
    left = store.sizes[LEFT]
    _count_them_all(connection, broadcast, whole=left + sum(moved.values()))
    recipients.move_figures(connection, broadcast.id, moved)
    for reason, size in moved.items():
        sample = store.samples[reason]
        recipients.count_skipped(connection, broadcast.id, reason, more=size, sample=sample)
    # A planner of before, which found nobody to leave out, may have cut what was asked.
    delete_where(connection, Batch, Batch.broadcast_id == broadcast.id)
    if left >= SMALLEST:
        return True
    if left:
        _cancel_the_only_one(connection, broadcast, account, run=store.run)
    transitions.end(connection, broadcast.id, BroadcastState.CANCELLED)
    return False


def _count_them_all(connection: Connection, broadcast: ToPlan, *, whole: int) -> None:
    """Count the people of whom nobody knew before the plan how many there are, or get it."""
    if broadcast.planned is None:
        unread = BroadcastRow.malformed + BroadcastRow.duplicate
        change(connection, BroadcastRow, broadcast.id, read=unread + whole, planned=whole)


def _cancel_the_only_one(
    connection: Connection, broadcast: ToPlan, account: Account, *, run: str
) -> None:
    name = name_of(LEFT, run)
    alone = recipients.packed(connection, broadcast.id, name, start=0, size=1)
    insert_row(
        connection,
        Batch,
        broadcast_id=broadcast.id,
        account=broadcast.account,
        path=broadcast.path,
        n=1,
        list=name,
        size=1,
        state=BatchState.CANCELLED,
        reason=Reason.TOO_FEW,
        clientmsgid=clientmsgid_of(
            appid=account.appid, key=broadcast.key, content=broadcast.content, packed=alone
        ),
    )
    change(connection, BroadcastRow, broadcast.id, moved_at=now(connection))


#: No run that is under way can count any more.
_IS_DECIDED = BroadcastRow.subtraction.is_not(None) | (BroadcastRow.phase != Phase.PLANNING)


def mark_run(connection: Connection, broadcast_id: str) -> None:
    """Note that a run stores lists, in the transaction that stores some."""
    change(connection, BroadcastRow, broadcast_id, run_stored_at=database_now())


def clear_unused_lists_of_one(engine: Engine) -> int:
    """Remove the lists that do not count of one broadcast that has some; return how many had."""
    with read(engine) as connection:
        some = BroadcastRow.run_stored_at <= now(connection)
        found = connection.scalar(select(BroadcastRow.id).where(some, _IS_DECIDED).limit(1))
    if found is None:
        return 0
    clear_unused_lists(engine, found)
    return 1


def clear_unused_lists(engine: Engine, broadcast_id: str) -> None:
    """Remove the lists of runs that do not count, a portion at a time.

    Where somebody holds the broadcast, the next sweep does it.
    """
    while _clear_some(engine, broadcast_id):
        pass


@writing
def _clear_some(connection: Connection, broadcast_id: str) -> bool:
    """Remove a portion; return whether there may be more. A run that is under way waits for it."""
    decided = select(BroadcastRow.subtraction).where(BroadcastRow.id == broadcast_id, _IS_DECIDED)
    row = connection.execute(decided.with_for_update(skip_locked=skips_locked(connection))).first()
    if row is None:
        return False
    ofs = [ChunkRow.list.like(f"{what}.%") for what in (LEFT, *REASONS)]
    counts = [ChunkRow.list.like(f"%.{run}") for run in (row.subtraction, SHRUNK)]
    unused = (or_(*ofs) & ~or_(*counts)) | ChunkRow.list.like(f"{KEPT}.%")
    theirs = ChunkRow.broadcast_id == broadcast_id
    if delete_some(connection, ChunkRow.id, theirs, unused, most=CHUNKS_AT_ONCE):
        return True
    change(connection, BroadcastRow, broadcast_id, run_stored_at=None)
    return False
