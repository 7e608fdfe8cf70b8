"""The HTML of an article, without what WeChat takes out or would not show.

WeChat removes scripts in silence, and a picture of another host is a broken one to followers. So
everything is taken out here first, and said; what remains has only pictures that WeChat has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import nh3

from broadcast.data_files import parsed
from broadcast.errors import ArticleError
from broadcast.frozen import frozen

#: What of an article's HTML stays.
_KEPT: Final = parsed(__file__, "article_html.json")
_TAGS: Final = frozenset[str](_KEPT["tags"])
_ATTRIBUTES: Final = {tag: set(names) for tag, names in _KEPT["attributes"].items()}
#: Of these nothing is shown, so nothing of them stays either.
_WITHOUT_CONTENT: Final = frozenset({"script", "style", "title", "template", "noscript", "iframe"})
#: A page around the article: that it goes is no loss.
_OF_A_PAGE: Final = frozenset({"html", "head", "body", "meta", "link", "title", "article", "main"})
#: Editors keep the address of a picture that is loaded late in the second.
_SOURCES: Final = ("src", "data-src")
#: Hosts of WeChat's pictures.
_WECHATS: Final = frozenset({"mmbiz.qpic.cn", "mmbiz.qlogo.cn", "mmecoa.qpic.cn"})


@frozen
class HTMLParts:
    """Parts of an article's HTML."""

    #: Pictures that are files, each once, in their order.
    files: Sequence[str]
    #: What is taken out, and how often: tags, and attributes that run something.
    removed: Mapping[str, int]
    title: str = ""
    #: What ``<meta name=…>`` says.
    metas: Mapping[str, str]


def inspect_html(html: str, *, where: str) -> HTMLParts:
    """Return the parts of *html*.

    Raises ArticleError for a picture that no follower would see: of another host, or inside the
    text itself (``data:``).
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    files: dict[str, None] = {}
    for source in reader.pictures:
        if not source:
            raise ArticleError("error.article.picture_without_file", where=where)
        parts = _split(source)
        if parts.scheme == "data":
            raise ArticleError("error.article.picture_inside", where=where)
        if parts.scheme or parts.netloc:
            _refuse_foreign(source, parts.hostname, where=where)
        else:
            files[source] = None
    return HTMLParts(
        files=tuple(files), removed=dict(reader.removed), title=reader.title, metas=reader.metas
    )


def clean(html: str, addresses: Mapping[str, str]) -> str:
    """Return *html* as WeChat keeps it, with WeChat's *addresses* in the place of files."""

    def kept(tag: str, name: str, value: str) -> str | None:
        if tag != "img" or name not in _SOURCES:
            return value
        return addresses.get(value, value if _is_wechats(value) else None)

    cleaned: str = nh3.clean(
        html,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        filter_style_properties=set(_KEPT["styles"]),
        clean_content_tags=set(_WITHOUT_CONTENT),
        url_schemes={"https", "http"},
        link_rel=None,
        attribute_filter=kept,
    )
    return cleaned.strip()


def _refuse_foreign(source: str, host: str | None, *, where: str) -> None:
    if not _is_wechats(source):
        raise ArticleError("error.article.picture_elsewhere", where=where, host=host or source)


def _is_wechats(source: str) -> bool:
    parts = _split(source)
    return parts.scheme in {"http", "https"} and parts.hostname in _WECHATS


def _split(source: str) -> SplitResult:
    try:
        return urlsplit(source.strip())
    except ValueError:
        return urlsplit("invalid://")


class _Reader(HTMLParser):
    """Reads what is there; what it misses in broken HTML, the cleaning takes out all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.removed: Counter[str] = Counter()
        self.metas: dict[str, str] = {}
        self.title = ""
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._in_title = tag == "title"
        if tag == "img":
            self.pictures += [given[name] for name in _SOURCES if given.get(name)] or [""]
        elif tag == "meta" and given.get("name"):
            self.metas[given["name"].lower()] = given.get("content", "").strip()
        elif tag not in _TAGS | _OF_A_PAGE:
            self.removed[f"<{tag}>"] += 1
        for name in given:
            if name.startswith("on"):
                self.removed[name] += 1

    def handle_endtag(self, tag: str) -> None:
        self._in_title = self._in_title and tag != "title"

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data


def beside(folder: Path, name: str, *, where: str) -> Path:
    """Return the path of *name* in *folder* or below. Raises ArticleError for any other place."""
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a loop of links, a NUL in the name
        inside = False
    if not inside:
        raise ArticleError("error.article.outside", where=where, file=name)
    return path
