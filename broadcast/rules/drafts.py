"""Drafts: what an article must be, by which marks an edit is noticed, and what follows from it.

The draft belongs to the account and not to the broadcast, whose content is its media_id alone: a
mark is kept beside the broadcast and is never part of a clientmsgid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from broadcast import day
from broadcast.errors import ArticleError
from broadcast.frozen import frozen
from broadcast.rules.calls import waits as waits_module
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.states import SENT, BatchState, Reason

#: A part of an article; each has its text.
Part = StrEnum(
    "Part",
    [
        "TITLE",
        "AUTHOR",
        "DIGEST",
        "CONTENT",
        "COVER",
        "SOURCE_URL",
        "COMMENTS",
        "ADDED",  #: the article itself, which was not there before
        "REMOVED",  #: the article itself, which is there no more
    ],
)


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
    """Change in one article."""

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
                article=n + 1,
                parts=parts,
                before=old.title if old else "",
                now=new.title if new else "",
            )


def _at(marks: Marks, n: int) -> Mark | None:
    return marks[n] if n < len(marks) else None


def _differing(old: Mark | None, new: Mark | None) -> list[Part]:
    if old is None:
        return [Part.ADDED]
    if new is None:
        return [Part.REMOVED]
    return [part for part in _PARTS if getattr(old, part.value) != getattr(new, part.value)]


def dump_marks(marks: Marks) -> str:
    """Return *marks* as they are stored."""
    return json.dumps([asdict(mark) for mark in marks], ensure_ascii=False, sort_keys=True)


def load_marks(stored: str) -> Marks:
    """Return stored marks."""
    return tuple(Mark(**one) for one in json.loads(stored))


#: Articles of one draft.
MOST_ARTICLES: Final = 8
#: Characters of each field.
LONGEST: Final = {"title": 32, "author": 16, "digest": 128}
#: A content has fewer characters and fewer bytes than these.
MOST_CHARACTERS: Final = 20_000
MOST_BYTES: Final = 2**20
#: Bytes of a link.
LONGEST_URL: Final = 1024


class Comments(StrEnum):
    """Followers who may comment."""

    NOBODY = "none"
    ALL = "all"
    FOLLOWERS = "followers"


@frozen
class Written:
    """One article as somebody wrote it; its pictures are files beside it."""

    #: Its file, and of several in one file which: for errors.
    where: str
    #: By which the files that it names are found.
    folder: Path
    title: str = ""
    author: str = ""
    digest: str = ""
    source_url: str = ""
    comments: Comments = Comments.NOBODY
    #: A file, or the media_id of a permanent material.
    cover: str = ""
    html: str = field(default="", repr=False)


def check_articles(written: Sequence[Written], *, where: str) -> None:
    """Raise ArticleError where WeChat would not take articles as one draft."""
    if not 1 <= len(written) <= MOST_ARTICLES:
        raise ArticleError("error.article.count", where=where, n=len(written), most=MOST_ARTICLES)
    for one in written:
        _check_article(one)


def _check_article(one: Written) -> None:
    for name, most in LONGEST.items():
        length = len(getattr(one, name))
        if length > most:
            raise ArticleError(
                "error.article.too_long", where=one.where, field=name, length=length, most=most
            )
    if not one.title.strip():
        raise ArticleError("error.article.no_title", where=one.where)
    if not one.cover:
        raise ArticleError("error.article.no_cover", where=one.where)
    if not one.html.strip():
        raise ArticleError("error.article.empty", where=one.where)
    if one.source_url and not one.source_url.startswith(("https://", "http://")):
        raise ArticleError("error.article.source_url", where=one.where)
    if len(one.source_url.encode()) > LONGEST_URL:
        raise ArticleError("error.article.long_url", where=one.where, most=LONGEST_URL)


def check_content(html: str, *, where: str) -> None:
    """Raise ArticleError where the HTML of an article is empty, or longer than WeChat takes."""
    if not html.strip():
        raise ArticleError("error.article.empty", where=where)
    size = len(html.encode())
    if len(html) >= MOST_CHARACTERS or size >= MOST_BYTES:
        raise ArticleError(
            "error.article.content_too_long",
            where=where,
            length=len(html),
            size=size,
            most=MOST_CHARACTERS,
        )


#: A look that is no older is good for the first call.
FRESH: Final = timedelta(seconds=5)
#: The same for later calls: whatever they waited for, an edit meanwhile is seen.
LASTS: Final = timedelta(minutes=1)

#: WeChat took the job, or may have: its draft may have left the draft box for that.
TAKEN: Final = SENT | {BatchState.UNKNOWN, BatchState.IN_DOUBT}


@dataclass(frozen=True, slots=True)
class Gone:
    """WeChat has no such draft (any more)."""


Look: TypeAlias = Marks | Gone | NoAnswer


@frozen
class StoredDraft:
    """Stored facts of a broadcast's draft before a look."""

    #: What it said when it was submitted, or when a person let it go on; None: not to be compared.
    approved: Marks | None
    #: What it said last; None: it could not be read.
    seen: Marks | None
    #: Looks in a row without an answer.
    tries: int
    #: WeChat accepted a batch of it, which may take the draft out of the draft box.
    accepted: bool


@frozen
class Ruling:
    """Consequence of a look at a draft."""

    known: StoredDraft
    #: Why no call is made; None: calls go on.
    reason: Reason | None = None
    #: It passes, and is looked at again: else a person decides.
    waits: bool = False


def ruling_of(known: StoredDraft, look: Look) -> Ruling:
    """Return the consequence of *look*."""
    if isinstance(look, NoAnswer):
        return _unanswered(known, look)
    if isinstance(look, Gone):
        return _gone(known)
    after = _after(known, approved=known.approved or look, seen=look)
    if after.approved == look:
        return Ruling(known=after)
    return Ruling(known=after, reason=Reason.DRAFT_EDITED)


def _gone(known: StoredDraft) -> Ruling:
    if known.approved is None or known.accepted:
        return Ruling(known=_after(known, approved=known.approved, seen=known.seen))
    # Nothing is seen: whoever lets it go on takes the media_id as it is.
    after = _after(known, approved=known.approved, seen=None)
    return Ruling(known=after, reason=Reason.DRAFT_GONE)


def _unanswered(known: StoredDraft, why: NoAnswer) -> Ruling:
    tries = known.tries + 1
    after = _after(known, approved=known.approved, seen=known.seen, tries=tries)
    if waits_module.is_called_again(why.outcome, tries=tries):
        return Ruling(known=after, reason=Reason.DRAFT_UNREAD, waits=True)
    if known.approved is None:
        return Ruling(known=after)
    unseen = _after(known, approved=known.approved, seen=None, tries=tries)
    return Ruling(known=unseen, reason=Reason.DRAFT_UNREAD)


def _after(
    known: StoredDraft, *, approved: Marks | None, seen: Marks | None, tries: int = 0
) -> StoredDraft:
    return StoredDraft(approved=approved, seen=seen, tries=tries, accepted=known.accepted)


@frozen
class LastLook:
    """Time of the last look at a draft, and the events since."""

    #: The last look that ruled; None: there was none.
    at: datetime | None
    #: When the last gate opened that forbade its calls: its own, its account's, or a path's.
    opened_at: datetime | None
    #: A call of it was made.
    called: bool


def is_due(looked: LastLook, now: datetime) -> bool:
    """Return whether a call must not be made before another look.

    One is due before the first call, on each new day, after whatever stopped the broadcast, and
    when the last one is old: what a call waits for is not always a gate.
    """
    if looked.at is None or looked.at < day.start(now):
        return True
    if looked.opened_at is not None and looked.at <= looked.opened_at:
        return True
    return now - looked.at > (LASTS if looked.called else FRESH)
