"""Articles are read from a file or a folder: Markdown, HTML, or WeChat's own fields as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from broadcast.drafts.article import Comments, Written
from broadcast.errors import ArticleError
from producer.articles import front_matter
from producer.articles.beside import beside

#: Larger files are no articles.
MOST_FILE_BYTES: Final = 8 * 2**20
JSON_NAME: Final = "article.json"
_MARKDOWN, _HTML, _JSON = (".md", ".markdown"), (".html", ".htm"), (".json",)

#: WeChat's keys, and ours for what is a file here.
_TEXTS: Final = {
    "title": "title", "author": "author", "digest": "digest",
    "content_source_url": "source_url", "thumb_media_id": "cover", "cover": "cover",
}  # fmt: skip
_FLAGS: Final = ("need_open_comment", "only_fans_can_comment")
_KEYS: Final = (*_TEXTS, *_FLAGS, "content", "content_file", "article_type")


def read(path: Path) -> Sequence[Written]:
    """Return the articles at *path*. Raises ArticleError, naming file, article and key."""
    file = _file_in(path) if path.is_dir() else path
    kind = file.suffix.lower()
    articles = _of_json(file) if kind in _JSON else [_of_text(file)]
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
        one for one in folder.iterdir()
        if one.is_file() and one.suffix.lower() in (*_MARKDOWN, *_HTML)
    )  # fmt: skip
    if len(files) == 1:
        return files[0]
    if not files:
        raise ArticleError("error.article.empty_folder", path=folder, name=JSON_NAME)
    names = ", ".join(one.name for one in files[:3])
    raise ArticleError("error.article.several_files", path=folder, names=names, name=JSON_NAME)


def _of_text(file: Path) -> Written:
    return _READERS[_kind(file)](_text(file), file.parent, where=file.name)


def _kind(file: Path) -> str:
    for kind, suffixes in (("markdown", _MARKDOWN), ("html", _HTML)):
        if file.suffix.lower() in suffixes:
            return kind
    raise ArticleError("error.article.kind", path=file)


def _of_markdown(text: str, folder: Path, *, where: str) -> Written:
    from producer.articles import markdown  # noqa: PLC0415 - for those who write it alone

    fields, body = front_matter.split(text, where=where)
    title = fields.get("title", "")
    if not title:
        title, body = markdown.first_heading(body)
    return Written(
        where=where, folder=folder, title=title, author=fields.get("author", ""),
        digest=fields.get("digest", ""), source_url=fields.get("source_url", ""),
        cover=fields.get("cover", ""), html=markdown.render(body),
        comments=comments(fields.get("comments", Comments.NOBODY), where=where),
    )  # fmt: skip


def _of_html(text: str, folder: Path, *, where: str) -> Written:
    from producer.articles.cleaning import look  # noqa: PLC0415 - nh3, for articles alone

    found = look(text, where=where)
    return Written(
        where=where, folder=folder, title=" ".join(found.title.split()),
        author=found.metas.get("author", ""), digest=found.metas.get("description", ""),
        html=text,
    )  # fmt: skip


_READERS: Final[Mapping[str, Callable[..., Written]]] = {
    "markdown": _of_markdown, "html": _of_html,
}  # fmt: skip


def comments(word: str, *, where: str) -> Comments:
    """Return who may comment. Raises ArticleError."""
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
        where=where, folder=folder, html=_html_of(value, folder, where=where),
        comments=_of_flags([_flag(value, name, where=where) for name in _FLAGS]), **texts,
    )  # fmt: skip


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
        reason = error.strerror or type(error).__name__
        raise ArticleError("error.article.file", path=file, reason=reason) from error
    except ValueError:  # a NUL in the name
        raise ArticleError("error.article.file", path=file, reason="NUL") from None
    if len(data) > MOST_FILE_BYTES:
        raise ArticleError("error.article.large_file", path=file, most=MOST_FILE_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArticleError("error.article.encoding", path=file, byte=error.start) from error
