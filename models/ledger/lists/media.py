"""Writing down what was uploaded to WeChat, and what WeChat has no more."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select

from broadcast.frozen import frozen
from broadcast.rules import media
from broadcast.rules.accounts import Account
from broadcast.rules.media import NO_SUCH_MEDIA, Media, MediaKind, dies_at, used
from broadcast.rules.states import BatchState
from models.base import change_where
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow, Submission
from models.engine import now
from models.ledger.rows.transaction import every_row, reading, selected, writing
from models.media import LONGEST_NAME, MediaRow, RenewalRow


@writing
def remember(
    connection: Connection,
    account: Account,
    *,
    kind: MediaKind,
    permanent: bool,
    fingerprint: str,
    name: str,
    size: int,
    media_id: str | None,
    url: str | None = None,
) -> Media:
    """Store an upload that WeChat took just now, and return it."""
    moment = now(connection)
    made = Media(
        appid=account.appid,
        account=account.name,
        kind=kind,
        permanent=permanent,
        fingerprint=fingerprint,
        name=name[-LONGEST_NAME:],
        size=size,
        media_id=media_id,
        url=url,
        uploaded_at=moment,
        expires_at=dies_at(kind, moment, permanent=permanent),
    )
    connection.execute(insert(MediaRow), {name: getattr(made, name) for name in _COLUMNS})
    return made


@writing
def mark_lost(connection: Connection, account: Account, ids: Collection[str]) -> None:
    """Write down that WeChat has none of these media_ids (40007): their files are uploaded anew."""
    moment = now(connection)
    change_where(
        connection,
        MediaRow,
        MediaRow.appid == account.appid,
        MediaRow.media_id.in_(ids),
        or_(MediaRow.expires_at.is_(None), MediaRow.expires_at > moment),
        expires_at=moment,
    )


_COLUMNS = tuple(Media.__dataclass_fields__)


_MEDIA = selected(Media, MediaRow)


@frozen
class Uploads:
    """Uploads, newest first, and the database's moment of the look."""

    media: Sequence[Media]
    now: datetime


@reading
def of_file(
    connection: Connection, account: Account, *, fingerprint: str, kind: MediaKind, permanent: bool
) -> Uploads:
    """Return the account's uploads of a file for one use, dead ones as well."""
    query = _MEDIA.filter_by(
        appid=account.appid, fingerprint=fingerprint, kind=kind, permanent=permanent
    )
    return _newest(connection, query)


@reading
def is_denied(connection: Connection, account: Account, upload: Media) -> bool:
    """Return whether WeChat did not have an upload when a batch was called with it."""
    renewed = and_(RenewalRow.broadcast_id == Batch.broadcast_id, RenewalRow.n == Batch.renewal)
    query = (
        select(func.coalesce(RenewalRow.content, BroadcastRow.content))
        .select_from(BroadcastRow)
        .join(Batch, Batch.broadcast_id == BroadcastRow.id)
        .outerjoin(RenewalRow, renewed)
        .where(
            Batch.state == BatchState.REFUSED,
            Batch.account == account.name,
            Batch.errcode == NO_SUCH_MEDIA,
            # No earlier one can have named it, and there may be years of them.
            Batch.first_called_at >= upload.uploaded_at,
        )
        .distinct()
    )
    refused = [json.loads(text) for text in connection.scalars(query)]
    return any(upload.media_id == media_id for said in refused for media_id, _ in used(said))


@reading
def of_ids(connection: Connection, ids: Collection[str]) -> Uploads:
    """Return what is known of these media_ids, of every account."""
    return _newest(connection, _MEDIA.where(MediaRow.media_id.in_(ids)))


@reading
def names(connection: Connection, ids: Collection[str]) -> Mapping[str, str]:
    """Return what the files of these media_ids are called; those that are known."""
    return _names(connection, ids)


def files(connection: Connection, contents: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """Return what the media of contents are called, by the contents' own keys.

    Names of files, and media_ids where there are others with a name; nothing without any name.
    """
    ids = {key: _used(text) for key, text in contents.items()}
    known = _names(connection, {one for each in ids.values() for one in each})
    return {
        key: [known.get(one, one) for one in each]
        for key, each in ids.items()
        if not known.keys().isdisjoint(each)
    }


def _used(content: str) -> Sequence[str]:
    """Return the media_ids of a stored content; none where it cannot be read, which holds it."""
    try:
        return [one for one, _ in used(json.loads(content))]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def identity(connection: Connection, content: str) -> str:
    """Return a digest of what a canonical content is: a file that is uploaded anew is the same."""
    said = json.loads(content)
    ids = [media_id for media_id, _ in used(said)]
    query = select(MediaRow.media_id, MediaRow.fingerprint).where(MediaRow.media_id.in_(ids))
    known = connection.execute(query.order_by(MediaRow.id)) if ids else ()
    return media.identity(said, {row.media_id: row.fingerprint for row in known})


def _names(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    if not ids:
        return {}
    query = select(MediaRow.media_id, MediaRow.name).where(MediaRow.media_id.in_(ids))
    return {media_id: name for media_id, name in connection.execute(query) if media_id}


@reading
def listed(connection: Connection, account: Account | None, *, most: int, dead: bool) -> Uploads:
    """Return the newest uploads of an account, or of all; those that died only where asked for."""
    query = _MEDIA.limit(most)
    if account is not None:
        query = query.filter_by(appid=account.appid)
    if not dead:
        alive = MediaRow.expires_at > now(connection)
        query = query.where(or_(MediaRow.expires_at.is_(None), alive))
    return _newest(connection, query)


@reading
def used_under_key(connection: Connection, account: Account, key: str) -> Collection[str]:
    """Return the media_ids of the broadcast that has this key, if there is one.

    The same file under the same key is the same content, though its id has died since.
    """
    query = (
        select(BroadcastRow.content)
        .join(Submission, Submission.broadcast_id == BroadcastRow.id)
        .where(Submission.account == account.name, Submission.key == key)
    )
    content = connection.scalar(query)
    return () if content is None else {media_id for media_id, _ in used(json.loads(content))}


def _newest(connection: Connection, query: Any) -> Uploads:
    ordered = query.order_by(MediaRow.id.desc())
    return Uploads(media=every_row(connection, ordered, Media), now=now(connection))
