"""The pictures of articles: checked here, uploaded once, and replaced by WeChat's addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from broadcast.drafts.article import Written
from broadcast.errors import ArticleError, MediaError
from broadcast.frozen import frozen
from broadcast.media import LocalFile, MediaKind, is_like_an_id
from producer.articles.beside import beside
from producer.articles.cleaning import Found, look
from producer.media.file import MISSING, read


@frozen
class Illustrated:
    """An article with the files that it needs, each read and held against WeChat's limits."""

    written: Written
    #: By what stands in the HTML.
    pictures: Mapping[str, LocalFile]
    #: A file, or the media_id of a permanent material.
    cover: LocalFile | str
    found: Found


def illustrated(articles: Sequence[Written]) -> Sequence[Illustrated]:
    """Return *articles* with their files, which are looked for beside each.

    Raises ArticleError naming the article and every file that is missing or cannot be used.
    """
    wrong: dict[str, ArticleError] = {}
    found = [_illustrated(one, wrong) for one in articles]
    problems = list(wrong.values())
    if len(problems) > 1:
        raise ArticleError(
            "error.article.several_wrong", n=len(problems), files=list(wrong), problem=problems[0]
        )
    if problems:
        raise problems[0]
    return found


def _illustrated(written: Written, wrong: dict[str, ArticleError]) -> Illustrated:
    """Return *written* with the files that are right; note the others in *wrong*."""
    found = look(written.html, where=written.where)
    pictures: dict[str, LocalFile] = {}
    for source in found.files:
        try:
            pictures[source] = _picture(written, source)
        except ArticleError as error:
            wrong.setdefault(unquote(source), error)
    try:
        return Illustrated(written=written, pictures=pictures, cover=_cover(written), found=found)
    except ArticleError as error:
        wrong.setdefault(written.cover, error)
    return Illustrated(written=written, pictures=pictures, cover=written.cover, found=found)


def files(articles: Sequence[Illustrated]) -> Sequence[LocalFile]:
    """Return every file that the articles need, each content once."""
    each = {
        (file.kind, file.fingerprint): file
        for article in articles
        for file in (*article.pictures.values(), article.cover)
        if isinstance(file, LocalFile)
    }
    return tuple(each.values())


def _picture(written: Written, source: str) -> LocalFile:
    # Editors write a blank as %20; a file may be called so as well.
    named = beside(written.folder, source, where=written.where)
    path = named if named.exists() else beside(written.folder, unquote(source), where=written.where)
    try:
        return read(path, MediaKind.ARTICLE_IMAGE, permanent=True)
    except MediaError as error:
        problem = error
    if problem.message_id == MISSING:
        raise ArticleError("error.article.no_picture", where=written.where, file=unquote(source))
    raise ArticleError("error.article.picture", where=written.where, problem=problem)


def _cover(written: Written) -> LocalFile | str:
    # Where the article names it, it was looked at there; the command line may name any file.
    path = written.folder / Path(written.cover)
    if is_like_an_id(written.cover) and not path.exists():
        return written.cover
    try:
        # As a picture it may have megabytes; as WeChat's type "thumb" 64 kB, and JPEG alone.
        return read(path, MediaKind.IMAGE, permanent=True)
    except MediaError as error:
        problem = error
    if problem.message_id == MISSING:
        raise ArticleError("error.article.no_cover_file", where=written.where, file=written.cover)
    raise ArticleError("error.article.cover", where=written.where, problem=problem)
