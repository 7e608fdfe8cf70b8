"""Marks: by what it is noticed that an article of a draft was edited, and which part of it.

The draft belongs to the account and not to the broadcast, whose content is its media_id alone: a
mark is kept beside the broadcast and is never part of a clientmsgid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Final, TypeAlias

from broadcast.frozen import frozen


class Part(StrEnum):
    """A part of an article; each has its text."""

    TITLE = "title"
    AUTHOR = "author"
    DIGEST = "digest"
    CONTENT = "content"
    COVER = "cover"
    SOURCE_URL = "source_url"
    COMMENTS = "comments"
    ADDED = "added"  #: the article itself, which was not there before
    REMOVED = "removed"  #: the article itself, which is there no more


@frozen
class Mark:
    """One article: what is short as it stands, its content by a digest."""

    title: str
    author: str = ""
    digest: str = ""
    #: SHA-256 in hex, of the HTML or of the images.
    content: str = ""
    #: The media_id.
    cover: str = ""
    source_url: str = ""
    #: Whether comments are open, and to followers only.
    comments: str = ""


Marks: TypeAlias = tuple[Mark, ...]

_PARTS: Final = tuple(part for part in Part if part not in {Part.ADDED, Part.REMOVED})


@frozen
class Change:
    """What changed in one article."""

    #: From 1.
    article: int
    parts: Sequence[Part]
    #: Its title before and now; empty where there is no such article.
    before: str
    now: str


def content_digest(content: str, images: Sequence[str] = ()) -> str:
    """Return by what the content of an article is compared."""
    whole = json.dumps([content, *images], ensure_ascii=False)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


def changes(before: Marks, now: Marks) -> Iterator[Change]:
    """Yield what an edit changed, article by article."""
    for n in range(max(len(before), len(now))):
        old, new = _at(before, n), _at(now, n)
        parts = _differing(old, new)
        if parts:
            yield Change(
                article=n + 1, parts=parts, before=old.title if old else "",
                now=new.title if new else "",
            )  # fmt: skip


def _at(marks: Marks, n: int) -> Mark | None:
    return marks[n] if n < len(marks) else None


def _differing(old: Mark | None, new: Mark | None) -> list[Part]:
    if old is None:
        return [Part.ADDED]
    if new is None:
        return [Part.REMOVED]
    return [part for part in _PARTS if getattr(old, part.value) != getattr(new, part.value)]


def dump(marks: Marks) -> str:
    """Return *marks* as they are stored."""
    return json.dumps([asdict(mark) for mark in marks], ensure_ascii=False, sort_keys=True)


def load(stored: str | None) -> Marks | None:
    """Return stored marks; None where there are none."""
    if stored is None:
        return None
    return tuple(Mark(**one) for one in json.loads(stored))
