"""Contents of the batches of a broadcast with kept files: new media_ids after each upload.

It changes until a call of the batch may have left, and never after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, exists, func, select

from broadcast.frozen import frozen
from broadcast.rules import content as contents
from broadcast.rules import media
from broadcast.rules.calls import waits as waits_module
from broadcast.rules.calls.attempts import NoAnswer, storable
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.media import KeptFile
from broadcast.rules.states import BatchState, Reason
from models.base import change_where, insert_row, is_so, row_of
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.engine import database_now, now
from models.ledger.gates import gate_changes
from models.ledger.gates.gate_changes import Closing
from models.ledger.lane.call_history import UNTOUCHED
from models.ledger.lane.next_work import Work
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import WORKER, first, read, reading, selected, writing
from models.media import FilePieceRow, KeptFileRow, MediaRow, RenewalRow


def begin(connection: Connection, broadcast_id: str, content: str, *, appid: str) -> None:
    """Write down what the batches of a broadcast with kept files say; of others nothing."""
    if not is_so(connection, exists().where(KeptFileRow.broadcast_id == broadcast_id)):
        return
    ids = select(KeptFileRow.media_id).filter_by(broadcast_id=broadcast_id)
    dies_at = _dies_at(connection, connection.scalars(ids).all(), appid=appid)
    _set_content(connection, broadcast_id, content, n=0, dies_at=dies_at)


@writing
def renew(connection: Connection, broadcast_id: str, ids: Mapping[str, str], *, appid: str) -> bool:
    """Put the media_ids of new uploads into the untouched batches.

    *ids*: which takes the place of which media_id of the broadcast's content. A batch of which
    a call may have left keeps what it says, so that its repeat has the very same body. So does one
    that has ended.
    Returns False, and changes nothing, where these die too soon as well.
    """
    if lane_rows.lock_unless_ended(connection, broadcast_id) is None:
        return True
    dies_at = _dies_at(connection, list(ids.values()), appid=appid)
    if waits_module.dies_too_soon(dies_at, now(connection)):
        return False
    submitted = row_of(connection, broadcast_id, BroadcastRow.content).content
    said = media.replaced(json.loads(submitted), ids)
    content = contents.of_object(said, limit=contents.MOST_BYTES).canonical
    newest = select(func.max(RenewalRow.n)).filter_by(broadcast_id=broadcast_id)
    n = connection.execute(newest).scalar_one() + 1
    _set_content(connection, broadcast_id, content, n=n, dies_at=dies_at)
    change_where(
        connection,
        Batch,
        Batch.broadcast_id == broadcast_id,
        Batch.state == BatchState.PLANNED,
        UNTOUCHED,
        renewal=n,
    )
    return True


def _dies_at(connection: Connection, ids: Sequence[str], *, appid: str) -> datetime:
    """Return when the first of these media_ids dies. Raises LookupError where none is known."""
    # WeChat may give an id that it gave before: it lives as long as its newest upload.
    lives = (
        select(func.max(MediaRow.expires_at))
        .where(MediaRow.appid == appid, MediaRow.media_id.in_(ids))
        .group_by(MediaRow.media_id)
    )
    known = [dies_at for dies_at in connection.scalars(lives) if dies_at is not None]
    if not known:
        raise LookupError("files are kept whose media_ids nobody uploaded")
    return min(known)


def _set_content(
    connection: Connection, broadcast_id: str, content: str, *, n: int, dies_at: datetime
) -> None:
    insert_row(
        connection,
        RenewalRow,
        broadcast_id=broadcast_id,
        n=n,
        content=content,
        dies_at=dies_at,
    )


@writing
def delay_renewal(connection: Connection, work: Work, why: NoAnswer, *, waits: Waits) -> None:
    """Delay a broadcast to its next upload, or put it on hold."""
    account = lane_rows.lock_unless_ended(connection, work.broadcast_id)
    if account is None:
        return
    mine = (RenewalRow.broadcast_id == work.broadcast_id, RenewalRow.n == work.renewal)
    tries = connection.execute(select(RenewalRow.tries).where(*mine)).scalar_one() + 1
    until = waits_module.again_at(why, tries=tries, now=now(connection), waits=waits)
    counted = 0 if until is None else tries
    change_where(connection, RenewalRow, *mine, tries=counted)
    fact = storable(why)
    gate = Closing(
        kind=GateKind.HOLD if until is None else GateKind.LOOK,
        who=WORKER,
        broadcast_id=work.broadcast_id,
        reason=Reason.MEDIA_NOT_RENEWED,
        until=until,
        errcode=fact.errcode,
        errmsg=fact.errmsg,
    )
    gate_changes.close(connection, account, gate)
    lane_rows.refresh_due(connection, account)


@frozen
class Life:
    """Until when the media live that a batch names, at the database's moment."""

    dies_at: datetime
    now: datetime


@reading
def life_of_files(connection: Connection, work: Work) -> Life | None:
    """Return it; None for a broadcast that keeps no files."""
    query = selected(Life, RenewalRow, now=database_now()).filter_by(
        broadcast_id=work.broadcast_id, n=work.renewal
    )
    return first(connection, query, Life)


@reading
def content_of_files(connection: Connection, broadcast_id: str, renewal: int) -> str:
    """Return the canonical content of a renewal. Raises LookupError where there is none."""
    query = select(RenewalRow.content).filter_by(broadcast_id=broadcast_id, n=renewal)
    said = connection.scalar(query)
    if said is None:
        raise LookupError(f"broadcast {broadcast_id} has no renewal {renewal}")
    return said


def kept_files(engine: Engine, broadcast_id: str) -> Iterator[KeptFile]:
    """Yield the files of a broadcast, one in memory at a time and no transaction open between.

    Raises LookupError for one that is not stored whole.
    """
    query = (
        selected(KeptFile, KeptFileRow)
        .add_columns(KeptFileRow.n, KeptFileRow.size, KeptFileRow.fingerprint)
        .where(KeptFileRow.broadcast_id == broadcast_id, KeptFileRow.dropped.is_(False))
        .order_by(KeptFileRow.n)
    )
    with read(engine) as connection:
        files = connection.execute(query).mappings().all()
    for file in files:
        facts = dict(file)
        size, fingerprint = facts.pop("size"), facts.pop("fingerprint")
        pieces = select(FilePieceRow.data).filter_by(broadcast_id=broadcast_id, n=facts.pop("n"))
        with read(engine) as connection:
            data = b"".join(connection.scalars(pieces.order_by(FilePieceRow.place)))
        whole = KeptFile(**facts, data=data)
        if (len(data), whole.fingerprint) != (size, fingerprint):
            raise LookupError(f"{whole.name}: {len(data)} of {size} bytes are as they were stored")
        yield whole
