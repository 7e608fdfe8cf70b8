"""What a person or a program orders: a content, its key and its terms, as they were checked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from broadcast.accounts import Account
from broadcast.content import Content
from broadcast.drafts.mark import Marks
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.plan import submission
from broadcast.plan.options import Options
from broadcast.plan.selection import EVERYBODY, Selection
from producer import audience as audiences

LONGEST_KEY = 128
LONGEST_TITLE = 64
#: The highest priority that a person gives a broadcast; the lowest is its negative, 0 is usual.
HIGHEST_PRIORITY = 100


@frozen
class Order:
    """What a person or a program asks for, beside the audience."""

    account: Account
    content: Content
    key: str
    terms: submission.Terms
    scheduled_at: datetime | None = None
    #: What the draft of its content says, where it was read.
    draft: Marks | None = None
    selection: Selection = EVERYBODY
    #: As of :class:`broadcast.plan.submission.Body`.
    options: Options | None = None
    reserved: str | None = None
    #: The lists of the exclusions that are files, in the order of the exclusions.
    excluded: Sequence[audiences.Audience] = ()


def new_key() -> str:
    """Return a key for somebody who gave none."""
    return f"auto-{secrets.token_hex(8)}"


def checked_key(key: str) -> str:
    """Return *key*. Raises InputError where it is empty, too long or unprintable."""
    if not key.strip():
        raise InputError("error.key.empty")
    if len(key) > LONGEST_KEY:
        raise InputError("error.key.too_long", length=len(key), most=LONGEST_KEY)
    if not key.isprintable():
        raise InputError("error.key.unprintable")
    return key


def checked_title(title: str) -> str:
    """Return *title*. Raises InputError where it is empty, too long or unprintable."""
    if not title.strip():
        raise InputError("error.title.empty")
    if len(title) > LONGEST_TITLE:
        raise InputError("error.title.too_long", length=len(title), most=LONGEST_TITLE)
    if not title.isprintable():
        raise InputError("error.title.unprintable")
    return title
