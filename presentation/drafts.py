"""Drafts in words: their titles, and what an edit changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from broadcast.drafts.mark import Change, Marks, Part, changes
from broadcast.message import Message
from broadcast.reports import DraftView
from presentation.words import Joined, Shortened, printable


def titles(marks: Marks) -> str | Message:
    """Return the title of the first article, and how many others there are."""
    first = printable(marks[0].title)
    if len(marks) == 1:
        return first
    return Message("draft.titles", first=first, n=len(marks))


def changed(draft: DraftView | None) -> Message:
    """Tell what an edit changed."""
    found = [] if draft is None else edits(draft)
    if not found:
        return Message("draft.changed_unknown")
    return Message("draft.changed", changes=Shortened([_change(one) for one in found]))


def edits(draft: DraftView) -> Sequence[Change]:
    """Return what differs between what was to go out and what was seen last."""
    if draft.approved is None or draft.seen is None:
        return ()
    return list(changes(draft.approved, draft.seen))


def _change(one: Change) -> Message:
    facts = {"before": printable(one.before), "now": printable(one.now)}
    parts = [Message(f"draft.part.{part}", **facts) for part in one.parts]
    return Message("draft.change", n=one.article, parts=Joined(parts, "comma"))


def as_json(draft: DraftView | None, *, utc: Any) -> dict[str, Any]:  # noqa: ANN401 - a function
    """Return what ``--json`` says of a broadcast's draft; nothing where it sends none."""
    if draft is None:
        return {}
    known = draft.approved if draft.seen is None else draft.seen
    return {
        "draft": {
            "media_id": draft.media_id,
            "titles": None if known is None else [mark.title for mark in known],
            "looked_at": utc(draft.looked_at),
            "changes": [
                {
                    "article": one.article, "parts": [Part(part).value for part in one.parts],
                    "before": one.before, "now": one.now,
                }
                for one in edits(draft)
            ],
        }
    }  # fmt: skip
