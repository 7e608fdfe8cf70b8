"""The draft box of an account: page by page, and one draft by its title."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from broadcast.accounts import Account
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.shown import one_line
from presentation.words import Moment, Shortened
from wechat.api.draft import MOST_OF_A_PAGE, Draft, DraftBatchGet

if TYPE_CHECKING:
    from cli.wiring.wechat import WeChat

#: Drafts that are looked through for a title: a hundred of the thousand calls of a day.
MOST_READ: Final = 100 * MOST_OF_A_PAGE
#: Titles that an error names where none is the one that was asked for.
MOST_NAMED: Final = 5


def drafts(wechat: WeChat, account: Account) -> Iterator[Draft]:
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


def find(wechat: WeChat, account: Account, title: str) -> Draft:
    """Return the only draft that has an article of this title.

    Raises InputError, which lists what there is, where none or several have it.
    """
    wanted = title.strip()
    box = list(itertools.islice(drafts(wechat, account), MOST_READ))
    found = [draft for draft in box if any(one.title == wanted for one in draft.articles)]
    shown = one_line(wanted)
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            "error.draft.several", title=shown, n=len(found), each=Shortened(list(_named(found)))
        )
    if not box:
        raise InputError("error.draft.empty_box", title=shown, account=account.name)
    raise InputError("error.draft.none", title=shown, titles=_nearest(wanted, box))


def name_of(draft: Draft) -> str:
    """Return what a draft is called: the title of its first article."""
    return one_line(draft.articles[0].title) if draft.articles else ""


def edited(draft: Draft, now: datetime) -> Message | Moment:
    """Return when a draft was edited last."""
    if draft.updated_at is None:
        return Message("draft.at_unknown")
    return Moment(draft.updated_at, now)


def _named(found: Sequence[Draft]) -> Iterator[Message]:
    now = datetime.now(UTC)
    for draft in found:
        yield Message("draft.named", media_id=draft.media_id, at=edited(draft, now))


def _nearest(wanted: str, box: Sequence[Draft]) -> list[str]:
    """Return the titles that are nearest, or else the newest."""
    titles = [one_line(one.title) for draft in box for one in draft.articles]
    near = difflib.get_close_matches(wanted, titles, n=MOST_NAMED, cutoff=0.5)
    return list(dict.fromkeys([*near, *titles]))[:MOST_NAMED]
