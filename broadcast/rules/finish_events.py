"""Finish events: what MASSSENDJOBFINISH says when a job of a mass send has ended.

Read from the raw fields of a push, of its XML or its JSON form, whatever of it is missing, empty or
null. WeChat pushes it for every job of the account, those of its console included. Its FilterCount
is who is *left* after filtering, and called ``eligible`` here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from broadcast.frozen import frozen
from broadcast.rules.calls.attempts import LARGEST_MSG_ID, plain_text

EVENT: Final = "MASSSENDJOBFINISH"
#: Characters of a status; WeChat's longest has 12.
LONGEST_STATUS: Final = 64
#: Largest figure that is taken for a count.
_INT32: Final = 2**31 - 1
#: An article's address; a longer one is none of WeChat's.
_LONGEST_URL: Final = 1024
#: Before every event that says when it was made.
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
#: A message has eight articles at most.
_MOST_ITEMS: Final = 32

SUCCESS: Final = "send success"
FAIL: Final = "send fail"
_REVIEW: Final = re.compile(r"err\((\d{1,9})\)")
#: What WeChat documents of its reviews; any other number is one of them all the same.
REVIEWS: Final = frozenset(
    {
        10001,
        20001,
        20002,
        20004,
        20006,
        20008,
        20013,
        21000,
        22000,
        30001,
        30002,
        30003,
        40001,
        40002,
    }
)
#: What its documents leave out and its events say; a number without ``err`` is known by these.
UNDOCUMENTED: Final = frozenset({20431})


class UnreadableFinishError(ValueError):
    """The fields of a push are no finish event: of which job it speaks is not to be read."""


class JobEnd(StrEnum):
    """Meaning of a finish event for the batch of its job."""

    SENT = "sent"  #: the job is done, be it that nobody was left to get it
    REFUSED = "refused"  #: WeChat's review, or a failure of the whole job: nobody got it
    UNCLEAR = "unclear"  #: a word that no list names, and no count: mass/get is asked on


@frozen
class Counts:
    """WeChat's figures of one job; None: it gave none."""

    #: Followers in the list or the tag.
    total: int | None = None
    #: Who was left after WeChat's filters (its FilterCount).
    eligible: int | None = None
    sent: int | None = None
    errors: int | None = None


@frozen
class Delivered:
    """WeChat's figures of the jobs of one broadcast, added up; and of how many jobs they are."""

    jobs: int = 0
    counts: Counts = Counts()


@frozen
class Article:
    """One article of a job: its place, from 1, and its address."""

    n: int
    url: str


@frozen
class Copyright:
    """Result of the originality check for one article; figures as WeChat gives them."""

    n: int
    declared: int | None = None
    audit: int | None = None
    original_url: str | None = None
    original_type: int | None = None
    may_reprint: int | None = None
    replaces_content: int | None = None
    shows_source: int | None = None


@frozen
class FinishEvent:
    """One MASSSENDJOBFINISH."""

    msg_id: int
    #: WeChat's own word: ``send success``, ``send fail``, ``err(20001)`` …
    status: str
    counts: Counts = Counts()
    articles: Sequence[Article] = ()
    copyright: Sequence[Copyright] = ()
    #: 1: no reprint; 2: a reprint that may be sent; 3: one that may not; 0: seen for texts.
    check_state: int | None = None
    #: WeChat's CreateTime.
    created_at: datetime | None = None


def supersedes(event: FinishEvent, stored: FinishEvent) -> bool:
    """Return whether *event* replaces the stored event of its job.

    Events have one order, so that the last word is the same in whichever order they come.
    """
    return _weight(event) > _weight(stored)


def _weight(event: FinishEvent) -> tuple[object, ...]:
    """Return an event's place in the order of what may be said of one job.

    Whoever got the message got it: no later word takes them away. A word that says nothing of the
    end weighs less than one that does. Then WeChat's later word counts; of one second, that more
    was sent, and the fuller one. What is left is decided by the text.
    """
    counts, end = event.counts, job_end_of(event.status, event.counts)
    figures = (counts.total, counts.eligible, counts.sent, counts.errors, event.check_state)
    listed = (tuple(event.articles), tuple(event.copyright))
    return (
        counts.sent or 0,
        end is not JobEnd.UNCLEAR,
        event.created_at or _NEVER,
        end is JobEnd.SENT,
        sum(one is not None for one in figures) + sum(map(len, listed)),
        event.status,
        repr((figures, listed)),
    )


def read_finish(fields: Mapping[str, object]) -> FinishEvent:
    """Return the event of a push's *fields*: values are strings or numbers, nested ones mappings.

    Raises UnreadableFinishError without a msg_id; everything else may be missing.
    """
    msg_id = number(fields.get("MsgID", fields.get("MsgId")), most=LARGEST_MSG_ID)
    if not msg_id:
        raise UnreadableFinishError("MASSSENDJOBFINISH without a msg_id")
    check = _mapping(fields.get("CopyrightCheckResult"))
    return FinishEvent(
        msg_id=msg_id,
        status=_text(fields.get("Status"), LONGEST_STATUS) or "",
        counts=Counts(
            total=number(fields.get("TotalCount")),
            eligible=number(fields.get("FilterCount")),
            sent=number(fields.get("SentCount")),
            errors=number(fields.get("ErrorCount")),
        ),
        articles=_articles(fields.get("ArticleUrlResult")),
        copyright=_copyright(check),
        check_state=number(check.get("CheckState")),
        created_at=moment(number(fields.get("CreateTime"), most=LARGEST_MSG_ID)),
    )


def review(status: str) -> int | None:
    """Return the number of ``err(number)``; None for another word."""
    found = _REVIEW.fullmatch(plain(status))
    return int(found[1]) if found else None


def job_end_of(status: str, counts: Counts) -> JobEnd:
    """Return the meaning of an event: its counts outweigh WeChat's word for the job."""
    if counts.sent or plain(status) == SUCCESS:
        return JobEnd.SENT
    if plain(status) == FAIL or review(status) is not None:
        return JobEnd.REFUSED
    return JobEnd.UNCLEAR


def plain(status: str) -> str:
    """Return a word of WeChat's for the end of a job as this module spells it."""
    return " ".join(status.lower().replace("_", " ").split())


def _articles(value: object) -> Sequence[Article]:
    found = []
    for item in _items(value):
        n, url = number(item.get("ArticleIdx")), _text(item.get("ArticleUrl"), _LONGEST_URL)
        if n is not None and url:
            found.append(Article(n=n, url=url))
    return tuple(found)


def _copyright(check: Mapping[str, object]) -> Sequence[Copyright]:
    return tuple(
        Copyright(
            n=n,
            declared=number(item.get("UserDeclareState")),
            audit=number(item.get("AuditState")),
            original_url=_text(item.get("OriginalArticleUrl"), _LONGEST_URL),
            original_type=number(item.get("OriginalArticleType")),
            may_reprint=number(item.get("CanReprint")),
            replaces_content=number(item.get("NeedReplaceContent")),
            shows_source=number(item.get("NeedShowReprintSource")),
        )
        for item in _items(check)
        if (n := number(item.get("ArticleIdx"))) is not None
    )


def _items(value: object) -> Sequence[Mapping[str, object]]:
    """Return the entries of a ResultList: a list, one entry, or either of them under ``item``."""
    listed = _mapping(value).get("ResultList")
    if isinstance(listed, Mapping):
        listed = listed.get("item", listed)
    entries = listed if isinstance(listed, list | tuple) else [listed]
    entries = [one.get("item", one) if isinstance(one, Mapping) else one for one in entries]
    return [one for one in entries if isinstance(one, Mapping) and one][:_MOST_ITEMS]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def number(value: object, *, most: int = _INT32) -> int | None:
    """Return a count or an id, whichever way it is written; None for what is none."""
    if isinstance(value, str):
        # Digits of other scripts are no number of WeChat's; a long text is none of any size.
        text = value.strip()
        digits = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_MSG_ID))
        value = int(text) if digits else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= most else None


def _text(value: object, longest: int) -> str | None:
    """Return words that every database takes, cut to *longest* characters."""
    return plain_text(value.strip(), longest) or None if isinstance(value, str) else None


def moment(seconds: int | None) -> datetime | None:
    """Return a time of WeChat's; None for what is none."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
