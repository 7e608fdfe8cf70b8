"""The account's draft box at WeChat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from broadcast.rules.accounts import Account
from broadcast.wechat.api.drafts import MOST_OF_A_PAGE, Draft, DraftBatchGet

if TYPE_CHECKING:
    from producer.wiring.wechat import WeChat

#: Drafts that are looked through for a title: a hundred of the thousand calls of a day.
MOST_READ: Final = 100 * MOST_OF_A_PAGE


def listed_drafts(wechat: WeChat, account: Account) -> Iterator[Draft]:
    """Yield the drafts, newest first, a call a page. Raises WeChatAwayError and alike.

    What moves while the pages are read is yielded once.
    """
    known: set[str] = set()
    for offset in itertools.count(0, MOST_OF_A_PAGE):
        page = wechat.ask(account, DraftBatchGet(offset=offset))
        for draft in page.drafts:
            if draft.media_id not in known:
                known.add(draft.media_id)
                yield draft
        if not page.drafts or offset + MOST_OF_A_PAGE >= page.total:
            return


def titled(
    wechat: WeChat, account: Account, wanted: str
) -> tuple[Sequence[Draft], Sequence[Draft]]:
    """Return the drafts, and those that have an article of this title.

    Raises WeChatAwayError and alike.
    """
    box = list(itertools.islice(listed_drafts(wechat, account), MOST_READ))
    return box, [draft for draft in box if any(one.title == wanted for one in draft.articles)]
