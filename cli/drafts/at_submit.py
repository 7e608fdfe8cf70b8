"""The draft of a broadcast at its submit: found by its title, and read, so that edits are seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from broadcast import content as contents
from broadcast.accounts import Account
from broadcast.content import Content
from broadcast.drafts.mark import Marks
from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.message import Message
from cli.terminal import one_line
from producer.order import LONGEST_TITLE

if TYPE_CHECKING:
    from cli.wiring.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A content, and what its draft says where WeChat said so."""

    content: Content
    draft: Marks | None = None

    @property
    def title(self) -> str | None:
        """What a broadcast of it is called, unless a person called it otherwise."""
        # WeChat's own titles may be longer than ours.
        return one_line(self.draft[0].title)[:LONGEST_TITLE] or None if self.draft else None


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


def read(run: Run, account: Account, content: Content) -> Submitted:
    """Return *content* with what its draft says now; of other contents nothing is asked."""
    media_id = contents.draft_of(content.canonical)
    if media_id is None:
        return Submitted(content=content)
    from cli.drafts.looking import look  # noqa: PLC0415 - as above

    try:
        marks = look(run.wechat, account, media_id)
    except InputError:
        raise
    except OutOfReachError as error:
        return _noticed(content, Message("notice.draft.unread", problem=error))
    except BroadcastError as error:
        return _noticed(content, Message("notice.draft.refused", problem=error))
    if marks is None:
        return _noticed(content, Message("notice.draft.none"))
    return Submitted(content=content, draft=marks)


def _noticed(content: Content, notice: Message) -> Submitted:
    return Submitted(content=replace(content, notices=(*content.notices, notice)))
