"""The draft of a broadcast, read at its submit, so that edits after it are seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from broadcast import content as contents
from broadcast.content import Content
from broadcast.drafts.mark import Marks
from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.shown import one_line
from producer.order import LONGEST_TITLE


@frozen
class Read:
    """A content, and what its draft says where WeChat said so."""

    content: Content
    draft: Marks | None = None

    @property
    def title(self) -> str | None:
        """What a broadcast of it is called, unless somebody called it otherwise."""
        # WeChat's own titles may be longer than ours.
        return one_line(self.draft[0].title)[:LONGEST_TITLE] or None if self.draft else None


def read(content: Content, look: Callable[[str], Marks | None]) -> Read:
    """Return *content* with what its draft says now; of other contents nothing is asked.

    *look* returns what the draft of a media_id says, None where WeChat has none, and raises what
    keeps it from an answer. Raises InputError, which is none of WeChat's.
    """
    media_id = contents.draft_of(content.canonical)
    if media_id is None:
        return Read(content=content)
    try:
        marks = look(media_id)
    except InputError:
        raise
    except OutOfReachError as error:
        return _noticed(content, Message("notice.draft.unread", problem=error))
    except BroadcastError as error:
        return _noticed(content, Message("notice.draft.refused", problem=error))
    if marks is None:
        return _noticed(content, Message("notice.draft.none"))
    return Read(content=content, draft=marks)


def _noticed(content: Content, notice: Message) -> Read:
    return Read(content=replace(content, notices=(*content.notices, notice)))
