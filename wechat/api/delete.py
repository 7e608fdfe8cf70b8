"""message/mass/delete: take the page of a mass send away.

The card stays in the followers' chats; the page behind it no longer opens, for this send and for
every other send of the same material. Only articles and videos have a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from wechat.errors import InvalidRequestError
from wechat.reply import INT64_MAX
from wechat.request import Body, Deed, json_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MassDelete(Deed):
    """Delete what a mass send published (POST message/mass/delete); a repeat is harmless.

    Either *msg_id*, with *article_idx* for one article (from 1) or None for all of them, or the
    *url* of one article. Raises ``APIError``: 40059 for a msg_id that the account does not have,
    40060, 40065 for a job that has not ended, 40008 for another kind of message, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/message/mass/delete"

    msg_id: int | None = None
    article_idx: int | None = None
    url: str | None = None

    def body(self) -> Body:
        """Return which message, and which of its articles."""
        if (self.msg_id is None) is (self.url is None):
            raise InvalidRequestError(field="msg_id", problem="give either msg_id or url")
        asked: dict[str, Any] = {"url": self.url}
        if self.msg_id is not None:
            asked = {"msg_id": _positive("msg_id", self.msg_id)}
        if self.article_idx is not None:
            if self.msg_id is None:
                raise InvalidRequestError(field="article_idx", problem="goes with msg_id only")
            asked["article_idx"] = _positive("article_idx", self.article_idx)
        return Body(data=json_bytes(asked, name="url"))


def _positive(field: str, number: int) -> int:
    if isinstance(number, bool) or not 0 < number <= INT64_MAX:
        raise InvalidRequestError(field=field, problem="must be a positive 64-bit number")
    return number
