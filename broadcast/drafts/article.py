"""An article before it is a draft, and WeChat's limits (``docs/wechat-api.md`` section 7.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Final

from broadcast.errors import ArticleError
from broadcast.frozen import frozen

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
    """Who may comment."""

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


def check(written: Sequence[Written], *, where: str) -> None:
    """Raise ArticleError for what WeChat would not take of articles that are one draft."""
    if not 1 <= len(written) <= MOST_ARTICLES:
        raise ArticleError("error.article.count", where=where, n=len(written), most=MOST_ARTICLES)
    for one in written:
        _check(one)


def _check(one: Written) -> None:
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
            "error.article.content_too_long", where=where, length=len(html), size=size,
            most=MOST_CHARACTERS,
        )  # fmt: skip
