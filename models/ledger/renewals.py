"""What the batches of a broadcast with kept files say: other media_ids after each upload.

It changes until a call of the batch may have left, and never after it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, exists, func, insert, select, update

from broadcast import content as contents
from broadcast import media, renewal
from broadcast.call.result import NoAnswer, storable
from broadcast.call.waits import Waits
from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from broadcast.states import BatchState
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.file import KeptFileRow, RenewalRow
from models.ledger import due, gates, lanes
from models.ledger.gates import Closing
from models.ledger.reading.next_work import Work
from models.ledger.reading.untouched import UNTOUCHED
from models.ledger.transaction import WORKER, write
from models.media import MediaRow


def begin(connection: Connection, broadcast_id: str, content: str, *, appid: str) -> None:
    """Write down what the batches of a broadcast with kept files say; of others nothing."""
    if not connection.scalar(select(exists().where(KeptFileRow.broadcast_id == broadcast_id))):
        return
    ids = select(KeptFileRow.media_id).where(KeptFileRow.broadcast_id == broadcast_id)
    dies_at = _dies_at(connection, connection.scalars(ids).all(), appid=appid)
    _say(connection, broadcast_id, content, n=0, dies_at=dies_at)


def renew(engine: Engine, broadcast_id: str, ids: Mapping[str, str], *, appid: str) -> bool:
    """Let the untouched batches say the media_ids of new uploads.

    *ids*: which takes the place of which media_id of the broadcast's content. A batch of which
    a call may have left keeps what it says, so that its repeat has the very same body. So does one
    that has ended.
    Returns False, and changes nothing, where these die too soon as well.
    """

    def work(connection: Connection) -> bool:
        if lanes.hold_unless_ended(connection, broadcast_id) is None:
            return True
        dies_at = _dies_at(connection, list(ids.values()), appid=appid)
        if renewal.is_due(dies_at, now(connection)):
            return False
        submitted = select(BroadcastRow.content).where(BroadcastRow.id == broadcast_id)
        said = media.replaced(json.loads(connection.execute(submitted).scalar_one()), ids)
        content = contents.of_object(said, limit=contents.MOST_BYTES).canonical
        newest = select(func.max(RenewalRow.n)).where(RenewalRow.broadcast_id == broadcast_id)
        n = connection.execute(newest).scalar_one() + 1
        _say(connection, broadcast_id, content, n=n, dies_at=dies_at)
        connection.execute(
            update(Batch)
            .where(Batch.broadcast_id == broadcast_id, Batch.state == BatchState.PLANNED)
            .where(UNTOUCHED)
            .values(renewal=n)
        )
        return True

    return write(engine, work)


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


def _say(
    connection: Connection, broadcast_id: str, content: str, *, n: int, dies_at: datetime
) -> None:
    connection.execute(
        insert(RenewalRow).values(
            broadcast_id=broadcast_id, n=n, content=content, dies_at=dies_at, tries=0
        )
    )


def not_renewed(engine: Engine, work: Work, why: NoAnswer, *, waits: Waits) -> None:
    """Let a broadcast wait for its next upload, or hold it for a person."""

    def close(connection: Connection) -> None:
        account = lanes.hold_unless_ended(connection, work.broadcast_id)
        if account is None:
            return
        mine = (RenewalRow.broadcast_id == work.broadcast_id, RenewalRow.n == work.renewal)
        tries = connection.execute(select(RenewalRow.tries).where(*mine)).scalar_one() + 1
        until = renewal.again_at(why, tries=tries, now=now(connection), waits=waits)
        counted = 0 if until is None else tries
        connection.execute(update(RenewalRow).where(*mine).values(tries=counted))
        fact = storable(why)
        gate = Closing(
            kind=GateKind.HOLD if until is None else GateKind.LOOK, who=WORKER,
            broadcast_id=work.broadcast_id, reason=Reason.MEDIA_NOT_RENEWED, until=until,
            errcode=fact.errcode, errmsg=fact.errmsg,
        )  # fmt: skip
        gates.close(connection, account, gate)
        due.refresh(connection, account)

    write(engine, close)
