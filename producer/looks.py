"""What WeChat is asked before a program's request is stored: its tags, and what its draft says.

``broadcast send`` asks the same, and shows a person more of it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from broadcast.accounts import Account
from broadcast.drafts.mark import Marks
from producer import draft_check, tag_check
from producer.prepare import Prepared


class Looks(Protocol):
    """Asks WeChat what an account has."""

    def tags(self, account: Account) -> Sequence[tag_check.ListedTag] | None:
        """Return every tag, or None where WeChat gives no answer."""

    def draft(self, account: Account, media_id: str) -> Marks | None:
        """Return what a draft says; None: there is none.

        Raises OutOfReachError where WeChat is away, and another BroadcastError where it would not.
        """


def look(prepared: Prepared, looks: Looks) -> Prepared:
    """Return *prepared* with what WeChat says of its tags and its draft.

    Raises InputError for a tag that does not exist, and for one that nobody has where it would go
    out at once. Of what is stored already nothing is asked, nor where WeChat did not say its quota.
    """
    if prepared.existing is not None or prepared.quota is None:
        return prepared
    return _with_draft(_with_tags(prepared, looks), looks)


def _with_tags(prepared: Prepared, looks: Looks) -> Prepared:
    body = prepared.body
    there = looks.tags(body.account) if tag_check.named(body) else None
    if there is None:
        # The plan asks for the people, and waits for them.
        return prepared
    tag_check.listed(body, there)
    told = tag_check.empty(body, there, refuse=body.scheduled_at is None)
    return replace(prepared, notices=(*prepared.notices, *told))


def _with_draft(prepared: Prepared, looks: Looks) -> Prepared:
    """Add what its draft says, and its title where it has none."""
    body, content = prepared.body, prepared.content
    found = draft_check.read(content, functools.partial(looks.draft, body.account))
    told = found.content.notices[len(content.notices) :]
    title = found.title if prepared.terms.title is None else prepared.terms.title
    return replace(
        prepared, content=found.content, body=replace(body, draft=found.draft),
        terms=replace(prepared.terms, title=title), notices=(*prepared.notices, *told),
    )  # fmt: skip
