"""The draft of a broadcast at its submit: found by its title, and read, so that edits are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadcast.accounts import Account
from broadcast.content import Content
from broadcast.drafts.mark import Marks
from broadcast.errors import OutOfReachError
from producer import draft_check
from producer.draft_check import Read

if TYPE_CHECKING:
    from cli.wiring.run import Run


def media_id_of(run: Run, account: Account, title: str, *, key: str | None) -> str:
    """Return the media_id of the draft of this title.

    *key*: under which it may be submitted already; sending a draft takes it out of the draft box,
    and a repeated command must find what it stored. Raises InputError, WeChatAwayError and alike.
    """
    from cli.drafts import box  # noqa: PLC0415 - most broadcasts send no draft

    stored = None if key is None else _stored(run, account, title, key=key)
    if stored is not None:
        return stored
    try:
        return box.find(run.wechat, account, title).media_id
    except OutOfReachError as error:
        problem = OutOfReachError("error.draft.not_found_out", title=title, problem=error)
    raise problem


def _stored(run: Run, account: Account, title: str, *, key: str) -> str | None:
    from models.ledger.reading import drafts  # noqa: PLC0415 - as above

    known = drafts.under_key(run.engine, account.name, key)
    if known is None or not known.approved:
        return None
    named = any(one.title == title.strip() for one in known.approved)
    return known.media_id if named else None


def read(run: Run, account: Account, content: Content) -> Read:
    """Return *content* with what its draft says now; of other contents nothing is asked."""

    def look(media_id: str) -> Marks | None:
        from cli.drafts import looking  # noqa: PLC0415 - as above

        return looking.look(run.wechat, account, media_id)

    return draft_check.read(content, look)
