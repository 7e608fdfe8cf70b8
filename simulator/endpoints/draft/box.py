"""The drafts of one account, and the ids under which they can be sent (section 7.5)."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import Any, TypeAlias

from simulator.core.accounts import Account

Article: TypeAlias = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Draft:
    """One draft. `sent`: it was sent to followers, and is no longer in the box."""

    media_id: str
    articles: list[Article]
    created_at: float
    updated_at: float
    sent: bool = False


class DraftBox:
    """Drafts of an account; one that was sent is still known by its id."""

    def __init__(self, account: Account) -> None:
        self._appid = account.appid
        self._numbers = itertools.count(1)
        self._drafts: dict[str, Draft] = {}
        self.deleted: set[str] = set()
        """The ids of those that are gone for good."""

    def __len__(self) -> int:
        return len(self.newest_first())

    def add(self, articles: list[Article], *, now: float) -> Draft:
        """Keep a draft."""
        draft = Draft(media_id=self._new_id(), articles=articles, created_at=now, updated_at=now)
        self._drafts[draft.media_id] = draft
        return draft

    def get(self, media_id: str) -> Draft | None:
        """Return a draft that is in the box."""
        draft = self._drafts.get(media_id)
        return None if draft is None or draft.sent else draft

    def known(self, media_id: str) -> Draft | None:
        """Return a draft, sent or not, but not a deleted one."""
        return self._drafts.get(media_id)

    def newest_first(self) -> list[Draft]:
        """Return the drafts in the box; the one edited last comes first."""
        held = [draft for draft in self._drafts.values() if not draft.sent]
        held.sort(key=lambda draft: draft.updated_at)
        held.reverse()
        return held

    def delete(self, draft: Draft) -> None:
        """Delete a draft; its id is never good again."""
        del self._drafts[draft.media_id]
        self.deleted.add(draft.media_id)

    def _new_id(self) -> str:
        """43 characters, as permanent files have them (section 13)."""
        text = f"{self._appid}/draft/{next(self._numbers)}"
        return "dr" + hashlib.sha256(text.encode()).hexdigest()[:41]
