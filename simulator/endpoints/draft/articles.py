"""One article: what WeChat refuses, what it takes out, what it shows of it (section 7.5)."""

from __future__ import annotations

import hashlib
import re
from html import unescape

from simulator.core.endpoint import Call
from simulator.core.errors import RefusalError
from simulator.endpoints.draft.box import Article, Draft
from simulator.endpoints.media.store import MediaStore

NEWS, PICTURES = "news", "newspic"
MAX_CONTENT = 20_000
MAX_CONTENT_BYTES = 2**20
MAX_URL_BYTES = 2**10
DIGEST_OF_TEXT = 54
MAX_PICTURES = 20
# What is too long, and its errcode.
_LENGTHS = {"title": (32, 45003), "author": (16, 45110), "digest": (128, 45004)}
_FLAGS = ("need_open_comment", "only_fans_can_comment", "show_cover_pic")

_SCRIPT = re.compile(r"<script\b.*?(?:</script\s*>|$)", re.IGNORECASE | re.DOTALL)
_HANDLER = re.compile(r"""\s+on\w+\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)
_FOREIGN_PICTURE = re.compile(
    r"""(<img\b[^>]*?)\s+src\s*=\s*["'](?!https?://mmbiz\.q(?:pic|logo)\.cn/)[^"']*["']""",
    re.IGNORECASE,
)
_ELEMENT = re.compile(r"<[^>]*>")


def checked(call: Call, article: object) -> Article:
    """Return an article as WeChat keeps it.

    Raises:
        RefusalError: 44003, 44004, 45002 to 45005, 45110, 40007.
    """
    if not isinstance(article, dict):
        raise RefusalError(44003)
    kind = article.get("article_type", NEWS)
    if not isinstance(kind, str) or kind not in {NEWS, PICTURES}:
        raise RefusalError(40035)
    words = {name: _words(article, name) for name in _LENGTHS}
    if not words["title"]:
        raise RefusalError(45003)
    content = _content(article)
    kept: Article = {"article_type": kind, **words, "content": content}
    if kind == PICTURES:
        kept["image_info"] = _image_info(call, article)
    else:
        _check_thumb(call, article.get("thumb_media_id"))
        kept["thumb_media_id"] = article["thumb_media_id"]
        kept["digest"] = words["digest"] or _plain(content)[:DIGEST_OF_TEXT]
    kept["content_source_url"] = _source_url(article)
    return kept | {name: int(str(article.get(name)) in {"1", "True"}) for name in _FLAGS}


def shown(call: Call, draft: Draft, *, index: int) -> Article:
    """Return an article with the addresses under which it can be seen before it is sent."""
    article = draft.articles[index]
    name = hashlib.sha256(f"{draft.media_id}/{index}".encode()).hexdigest()[:40]
    thumb = call.world.part(MediaStore).known(article.get("thumb_media_id", ""))
    return {
        **article,
        "thumb_url": (thumb.url if thumb else None) or "",
        "url": f"http://mp.weixin.qq.com/s?__biz=simulator&tempkey={name}",
    }


def _words(article: Article, name: str) -> str:
    value, (longest, errcode) = article.get(name) or "", _LENGTHS[name]
    if not isinstance(value, str) or len(value) > longest:
        raise RefusalError(errcode)
    return value


def _content(article: Article) -> str:
    """Return the content without scripts, and without pictures of foreign hosts."""
    content = article.get("content")
    if not isinstance(content, str) or not content:
        raise RefusalError(44004)
    if len(content) >= MAX_CONTENT or len(content.encode()) >= MAX_CONTENT_BYTES:
        raise RefusalError(45002)
    harmless = _HANDLER.sub("", _SCRIPT.sub("", content))
    return _FOREIGN_PICTURE.sub(r"\1", harmless)


def _plain(content: str) -> str:
    return " ".join(unescape(_ELEMENT.sub(" ", content)).split())


def _source_url(article: Article) -> str:
    url = article.get("content_source_url") or ""
    if not isinstance(url, str) or len(url.encode()) > MAX_URL_BYTES:
        raise RefusalError(45005)
    return url


def _check_thumb(call: Call, media_id: object) -> None:
    """The cover is a permanent picture of the account; an unknown one is a matter of the switch."""
    if not isinstance(media_id, str) or not media_id:
        raise RefusalError(40007)
    store = call.world.part(MediaStore)
    if store.known(media_id) is None and not call.world.switches.media_must_exist:
        return
    media = store.get(call.account, media_id)
    if not media.permanent or media.kind not in {"image", "thumb"}:
        raise RefusalError(40007)


def _image_info(call: Call, article: Article) -> Article:
    info = article.get("image_info")
    listed = info.get("image_list") if isinstance(info, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_PICTURES:
        raise RefusalError(40007)
    for one in listed:
        _check_thumb(call, one.get("image_media_id") if isinstance(one, dict) else None)
    return {"image_list": listed}
