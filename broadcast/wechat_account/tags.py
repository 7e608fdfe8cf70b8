"""Followers with a tag at WeChat, as a sorted list: fetched page by page, kept packed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from broadcast.sorted_openids import in_order, sorted_page
from broadcast.wechat.api.users import Page, TagFollowers
from broadcast.wechat.call_errors import TransportError, TransportKind
from broadcast.wechat_account.account_client import AccountClient


def members(client: AccountClient, tag_id: int) -> Iterator[bytes]:
    """Yield the packed OpenIDs of those who have a tag now, sorted, each once.

    All pages are asked for before the first piece: 21 bytes a member are held. Raises what
    :meth:`AccountClient.ask` does; ``UnknownOutcomeError`` for pages that go round in a circle.
    """
    pages = [sorted_page(page.openids) for page in _pages(client, tag_id)]
    yield from in_order(lambda: pages)


def _pages(client: AccountClient, tag_id: int) -> Iterator[Page]:
    asked: set[str] = set()
    next_openid = ""
    while next_openid not in asked:
        asked.add(next_openid)
        page = client.ask(TagFollowers(tag_id=tag_id, next_openid=next_openid))
        if page.openids:
            yield page
        if not page.openids or not page.next_openid:
            return
        next_openid = page.next_openid
    raise TransportError.from_kind(
        TransportKind.GARBAGE,
        endpoint=TagFollowers.path,
        elapsed_ms=0,
        detail="the pages go round in a circle",
    )
