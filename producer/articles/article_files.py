"""Articles are read from a file or a folder: Markdown, HTML, or WeChat's own fields as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from broadcast.errors import ArticleError, MediaError, of_file
from broadcast.frozen import frozen
from broadcast.rules.drafts import Comments, Written
from broadcast.rules.media import LocalFile, MediaKind, is_like_an_id
from producer.articles.cleaning import HTMLParts, beside, inspect_html
from producer.media.file import MISSING, read

#: Larger files are no articles.
MOST_FILE_BYTES: Final = 8 * 2**20
JSON_NAME: Final = "article.json"
_JSON: Final = ".json"

#: WeChat's keys, and ours for what is a file here.
_TEXTS: Final = {
    "title": "title",
    "author": "author",
    "digest": "digest",
    "content_source_url": "source_url",
    "thumb_media_id": "cover",
    "cover": "cover",
}
_FLAGS: Final = ("need_open_comment", "only_fans_can_comment")
_KEYS: Final = (*_TEXTS, *_FLAGS, "content", "content_file", "article_type")


def read_article(path: Path) -> Sequence[Written]:
    """Return the articles at *path*. Raises ArticleError, naming file, article and key."""
    file = _file_in(path) if path.is_dir() else path
    articles = _of_json(file) if file.suffix.lower() == _JSON else [_of_text(file)]
    for one in articles:
        if one.cover:
            beside(one.folder, one.cover, where=one.where)
    return articles


def _file_in(folder: Path) -> Path:
    """Return the one file of a folder that has the articles."""
    described = folder / JSON_NAME
    if described.is_file():
        return described
    files = sorted(
        one for one in folder.iterdir() if one.is_file() and one.suffix.lower() in _READERS
    )
    if len(files) == 1:
        return files[0]
    if not files:
        raise ArticleError("error.article.empty_folder", path=folder, name=JSON_NAME)
    names = ", ".join(one.name for one in files[:3])
    raise ArticleError("error.article.several_files", path=folder, names=names, name=JSON_NAME)


def _of_text(file: Path) -> Written:
    read_text = _READERS.get(file.suffix.lower())
    if read_text is None:
        raise ArticleError("error.article.kind", path=file)
    return read_text(_text(file), file.parent, where=file.name)


def _of_markdown(text: str, folder: Path, *, where: str) -> Written:
    from producer.articles import markdown

    fields, body = markdown.split_front_matter(text, where=where)
    title = fields.get("title", "")
    if not title:
        title, body = markdown.first_heading(body)
    return Written(
        where=where,
        folder=folder,
        title=title,
        author=fields.get("author", ""),
        digest=fields.get("digest", ""),
        source_url=fields.get("source_url", ""),
        cover=fields.get("cover", ""),
        html=markdown.render(body),
        comments=comments(fields.get("comments", Comments.NOBODY), where=where),
    )


def _of_html(text: str, folder: Path, *, where: str) -> Written:
    found = inspect_html(text, where=where)
    return Written(
        where=where,
        folder=folder,
        title=" ".join(found.title.split()),
        author=found.metas.get("author", ""),
        digest=found.metas.get("description", ""),
        html=text,
    )


_READERS: Final[Mapping[str, Callable[..., Written]]] = {
    ".md": _of_markdown,
    ".markdown": _of_markdown,
    ".html": _of_html,
    ".htm": _of_html,
}


def comments(word: str, *, where: str) -> Comments:
    """Return the people who may comment. Raises ArticleError."""
    try:
        return Comments(word)
    except ValueError:
        known = ", ".join(Comments)
        raise ArticleError("error.article.comments", where=where, known=known) from None


def _of_json(file: Path) -> Sequence[Written]:
    value = _parsed(file)
    if isinstance(value, Mapping) and "articles" in value:
        for key in value:
            if key != "articles":
                raise _unknown(str(key), where=file.name)
        each = value["articles"]
    else:
        each = [value]
    if not isinstance(each, list):
        raise ArticleError("error.article.no_list", where=file.name)
    several = len(each) > 1
    return [
        _of_object(one, file.parent, where=f"{file.name}: articles.{n}" if several else file.name)
        for n, one in enumerate(each)
    ]


def _of_object(value: object, folder: Path, *, where: str) -> Written:
    if not isinstance(value, Mapping):
        raise ArticleError("error.article.no_object", where=where)
    for key in value:
        if key not in _KEYS:
            raise _unknown(str(key), where=where)
    if value.get("article_type", "news") != "news":
        raise ArticleError("error.article.type", where=where)
    if "cover" in value and "thumb_media_id" in value:
        raise ArticleError("error.article.two_covers", where=where)
    if ("content" in value) is ("content_file" in value):
        raise ArticleError("error.article.one_content", where=where)
    texts = {ours: _words(value, key, where=where) for key, ours in _TEXTS.items() if key in value}
    return Written(
        where=where,
        folder=folder,
        html=_html_of(value, folder, where=where),
        comments=_of_flags([_flag(value, name, where=where) for name in _FLAGS]),
        **texts,
    )


def _html_of(value: Mapping[Any, Any], folder: Path, *, where: str) -> str:
    if "content" in value:
        return _words(value, "content", where=where)
    named = beside(folder, _words(value, "content_file", where=where), where=where)
    return _of_text(named).html


def _words(value: Mapping[Any, Any], key: str, *, where: str) -> str:
    text = value[key]
    if not isinstance(text, str):
        raise ArticleError("error.article.no_text", where=where, key=key)
    return text


def _flag(value: Mapping[Any, Any], key: str, *, where: str) -> bool:
    flag = value.get(key, 0)
    if flag not in {0, 1} or isinstance(flag, float):
        raise ArticleError("error.article.no_flag", where=where, key=key)
    return bool(flag)


def _of_flags(flags: Sequence[bool]) -> Comments:
    is_open, to_followers = flags
    if not is_open:
        return Comments.NOBODY
    return Comments.FOLLOWERS if to_followers else Comments.ALL


def _unknown(key: str, *, where: str) -> ArticleError:
    return ArticleError(
        "error.article.unknown_key", where=where, key=key[:64], known=", ".join(_KEYS)
    )


def _parsed(file: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    text = _text(file)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
    except RecursionError:
        line, column = 1, 1
    raise ArticleError("error.article.json", path=file, line=line, column=column)


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise ArticleError("error.article.file", path=file, reason=of_file(error)) from error
    except ValueError:  # a NUL in the name
        raise ArticleError("error.article.file", path=file, reason="NUL") from None
    if len(data) > MOST_FILE_BYTES:
        raise ArticleError("error.article.large_file", path=file, most=MOST_FILE_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArticleError("error.article.encoding", path=file, byte=error.start) from error


@frozen
class Illustrated:
    """An article with the files that it needs, each read and held against WeChat's limits."""

    written: Written
    #: By what stands in the HTML.
    pictures: Mapping[str, LocalFile]
    #: A file, or the media_id of a permanent material.
    cover: LocalFile | str
    found: HTMLParts


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
    found = inspect_html(written.html, where=written.where)
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
