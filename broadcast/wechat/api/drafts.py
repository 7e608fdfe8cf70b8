"""draft/add, get and batchget: the account's drafts (WeChat page "草稿箱").

An article is what WeChat stores of it. Its temporary link and the link of its cover change without
anybody's doing and are never part of what two articles are compared by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from broadcast.wechat.call_errors import InvalidRequestError
from broadcast.wechat.endpoint import (
    Body,
    Payload,
    RawReply,
    Request,
    json_body,
    success,
)
from broadcast.wechat.frozen_values import frozen

#: Drafts of one page of draft/batchget at most.
MOST_OF_A_PAGE: Final = 20
#: draft/get: the account has no draft of this media_id (any more).
NO_SUCH_DRAFT: Final = 40007
# Eight articles of up to 1 MB, with their escapes.
_LARGEST_DRAFT_BYTES: Final = 20_000_000
#: What is stored of an article, named as WeChat names it.
_TEXTS: Final = ("title", "author", "digest", "content", "content_source_url", "thumb_media_id")
_FLAGS: Final = ("need_open_comment", "only_fans_can_comment")


@frozen
class Article:
    """One article of a draft."""

    title: str
    author: str = ""
    digest: str = ""
    #: HTML.
    content: str = field(default="", repr=False)
    content_source_url: str = ""
    #: Of a permanent material.
    thumb_media_id: str = ""
    need_open_comment: int = 0
    only_fans_can_comment: int = 0
    #: ``news``, or ``newspic`` for a message of images.
    article_type: str = "news"
    #: The media_ids of a ``newspic``.
    images: Sequence[str] = ()
    #: Of a stored article: a temporary link to it, and the link of its cover.
    url: str = ""
    thumb_url: str = ""

    def written(self) -> Mapping[str, Any]:
        """Return it as draft/add takes it."""
        return {name: getattr(self, name) for name in ("article_type", *_TEXTS, *_FLAGS)}


@frozen
class Draft:
    """A draft as a list shows it; of its articles the content is left out."""

    media_id: str
    #: Aware UTC; None where WeChat names no time.
    updated_at: datetime | None
    articles: Sequence[Article]


@frozen
class Drafts:
    """One page of an account's drafts, newest first."""

    total: int
    drafts: Sequence[Draft]


@frozen
class DraftAdd(Request[str]):
    """Store a new draft (POST draft/add); the answer is its media_id. Each call makes another.

    Raises ``APIError``: 40007 for a cover that is no permanent material, 45003 and alike for what
    is too long, 48001 without the permission, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/draft/add"

    articles: Sequence[Article]

    def body(self) -> Body:
        """Return the articles."""
        if not self.articles:
            raise InvalidRequestError(field="articles", problem="is empty")
        written = {"articles": [dict(one.written()) for one in self.articles]}
        return json_body(written, name="articles")

    def read(self, raw: RawReply) -> str:
        """Return the media_id."""
        media_id = success(raw).text("media_id")
        if not media_id:
            raise raw.garbage("no media_id")
        return media_id


@frozen
class DraftGet(Request[Sequence[Article]]):
    """Ask what a draft says (POST draft/get).

    Raises ``APIError``: 40007 where there is no such draft (any more), token errors.
    """

    path: ClassVar[str] = "/cgi-bin/draft/get"
    largest_reply_bytes: ClassVar[int] = _LARGEST_DRAFT_BYTES

    media_id: str

    def body(self) -> Body:
        """Return the media_id."""
        return json_body({"media_id": self.media_id}, name="media_id")

    def read(self, raw: RawReply) -> Sequence[Article]:
        """Return the articles."""
        articles = _articles(success(raw))
        if not articles:
            raise raw.garbage("no news_item")
        return articles


@frozen
class DraftBatchGet(Request[Drafts]):
    """Ask for a page of the account's drafts without their contents (POST draft/batchget)."""

    path: ClassVar[str] = "/cgi-bin/draft/batchget"
    # Twenty drafts of eight articles.
    largest_reply_bytes: ClassVar[int] = _LARGEST_DRAFT_BYTES

    offset: int = 0
    count: int = MOST_OF_A_PAGE

    def body(self) -> Body:
        """Return the place of the page."""
        if not 1 <= self.count <= MOST_OF_A_PAGE:
            raise InvalidRequestError(field="count", problem=f"must be 1 to {MOST_OF_A_PAGE}")
        if self.offset < 0:
            raise InvalidRequestError(field="offset", problem="must be 0 or more")
        place = {"offset": self.offset, "count": self.count, "no_content": 1}
        return json_body(place, name="offset")

    def read(self, raw: RawReply) -> Drafts:
        """Return the page."""
        reply = success(raw)
        total, items = reply.integer("total_count"), reply.objects("item")
        if total is None or items is None:
            raise raw.garbage("no total_count or no item")
        drafts = tuple(draft for draft in map(_draft, items) if draft is not None)
        if len(drafts) != len(items):
            raise raw.garbage("a draft without media_id")
        return Drafts(total=total, drafts=drafts)


def _draft(item: Payload) -> Draft | None:
    media_id, content = item.text("media_id"), item.object("content")
    if not media_id or content is None:
        return None
    at = item.integer("update_time")
    return Draft(
        media_id=media_id,
        updated_at=None if at is None else _moment(at),
        articles=_articles(content),
    )


def _moment(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _articles(holder: Payload) -> Sequence[Article]:
    return tuple(_article(item) for item in holder.objects("news_item") or ())


def _article(item: Payload) -> Article:
    info = item.object("image_info")
    images = info.objects("image_list") if info is not None else None
    members: dict[str, Any] = {
        name: item.text(name) or "" for name in (*_TEXTS, "url", "thumb_url")
    }
    members |= {name: item.integer(name) or 0 for name in _FLAGS}
    return Article(
        article_type=item.text("article_type") or "news",
        images=tuple(one.text("image_media_id") or "" for one in images or ()),
        **members,
    )
