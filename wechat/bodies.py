r"""Requests as the bytes that WeChat reads. Pure.

WeChat shows ``\u4e2d`` to the follower, or refuses it (40033, 47002), when JSON is escaped, so
bodies are UTF-8 as written. What cannot be written that way (lone surrogates, control characters)
is refused here, and so is what WeChat would only refuse after it has cost a call of the day.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from wechat.errors import InvalidRequestError
from wechat.values import MassSend, MassSendAll

OPENID_LENGTH: Final = 28
FEWEST_OPENIDS: Final = 2
MOST_OPENIDS: Final = 10_000
MOST_CLIENTMSGID_BYTES: Final = 64
MOST_TEXT_CHARS: Final = 600  # older help pages; the newer knowledge base says 300
MOST_CONTENT_BYTES: Final = 20_000

# The object that carries each msgtype; images has an old and a new name.
PARTS: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"text"}),
    "image": frozenset({"images", "image"}),
    "voice": frozenset({"voice"}),
    "mpnews": frozenset({"mpnews"}),
    "mpvideo": frozenset({"mpvideo"}),
    "wxcard": frozenset({"wxcard"}),
}

_OPENID_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_CLIENTMSGID = re.compile(r"[A-Za-z0-9_-]+")
_INT64_MAX: Final = 2**63 - 1
# JSON writes every other control character as \u00XX, which WeChat takes for text.
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")


def mass_send(request: MassSend, *, most_text_chars: int = MOST_TEXT_CHARS) -> bytes:
    """Return the body of mass/send; raise ``InvalidRequestError``."""
    return b'{"touser":["%b"],%b,%b}' % (
        _touser(request.openids),
        _content(request.content, most_text_chars=most_text_chars),
        _clientmsgid(request.clientmsgid),
    )


def mass_sendall(request: MassSendAll, *, most_text_chars: int = MOST_TEXT_CHARS) -> bytes:
    """Return the body of mass/sendall; raise ``InvalidRequestError``."""
    audience: dict[str, Any] = {"is_to_all": request.is_to_all}
    if request.tag_id is not None:
        audience["tag_id"] = request.tag_id
    return b'{"filter":%b,%b,%b}' % (
        _json(audience, field="filter"),
        _content(request.content, most_text_chars=most_text_chars),
        _clientmsgid(request.clientmsgid),
    )


def mass_get(msg_id: int) -> bytes:
    """Return the body of mass/get; the page documents msg_id as a string."""
    if isinstance(msg_id, bool) or not 0 < msg_id <= _INT64_MAX:
        raise InvalidRequestError(field="msg_id", problem="must be a positive 64-bit number")
    return b'{"msg_id":"%d"}' % msg_id


def quota(cgi_path: str) -> bytes:
    """Return the body of openapi/quota/get; without the leading slash WeChat answers 76003."""
    if not cgi_path.startswith("/"):
        raise InvalidRequestError(field="cgi_path", problem="must be a path that begins with /")
    return _json({"cgi_path": cgi_path}, field="cgi_path")


@lru_cache(maxsize=8)
def _layout(count: int) -> struct.Struct:
    return struct.Struct(f"{OPENID_LENGTH}s" * count)


def _touser(openids: bytes) -> bytes:
    count, rest = divmod(len(openids), OPENID_LENGTH)
    if rest:
        raise InvalidRequestError(field="touser", problem="is not a row of 28-character OpenIDs")
    if not FEWEST_OPENIDS <= count <= MOST_OPENIDS:
        problem = f"holds {count} OpenIDs, WeChat takes {FEWEST_OPENIDS} to {MOST_OPENIDS}"
        raise InvalidRequestError(field="touser", problem=problem)
    if openids.translate(None, _OPENID_BYTES):
        raise InvalidRequestError(field="touser", problem="holds characters no OpenID has")
    # Cut in C: 10,000 slices in Python would cost more than the rest of the call's own work.
    return b'","'.join(_layout(count).unpack(openids))


def _clientmsgid(value: str) -> bytes:
    if len(value) > MOST_CLIENTMSGID_BYTES or _CLIENTMSGID.fullmatch(value) is None:
        problem = f"must be 1 to {MOST_CLIENTMSGID_BYTES} characters of A-Z a-z 0-9 _ -"
        raise InvalidRequestError(field="clientmsgid", problem=problem)
    return b'"clientmsgid":"%b"' % value.encode("ascii")


def _content(content: Mapping[str, Any], *, most_text_chars: int) -> bytes:
    """Return the members of *content*, without the braces around them."""
    parts = PARTS.get(str(content.get("msgtype")))
    if parts is None:
        problem = f"must be one of {', '.join(PARTS)}"
        raise InvalidRequestError(field="msgtype", problem=problem)
    # Another key could be touser or filter: content must never choose the audience.
    if unknown := sorted(map(repr, set(content) - parts - {"msgtype", "send_ignore_reprint"})):
        raise InvalidRequestError(
            field="content", problem=f"{', '.join(unknown)} is no part of {content['msgtype']}"
        )
    if len(parts & set(content)) != 1:
        problem = f"needs its part {' or '.join(sorted(parts))}, once"
        raise InvalidRequestError(field="content", problem=problem)
    _check_text(content, most_text_chars=most_text_chars)
    written = _json(dict(content), field="content")
    if len(written) > MOST_CONTENT_BYTES:
        problem = f"is {len(written)} bytes long, at most {MOST_CONTENT_BYTES} can be sent"
        raise InvalidRequestError(field="content", problem=problem)
    return written[1:-1]


def _check_text(content: Mapping[str, Any], *, most_text_chars: int) -> None:
    if content["msgtype"] != "text":
        return
    part = content["text"]
    text = part.get("content") if isinstance(part, Mapping) else None
    if not isinstance(text, str) or not text:
        raise InvalidRequestError(field="text.content", problem="must be a text that is not empty")
    if len(text) > most_text_chars:
        problem = f"is {len(text)} characters long, at most {most_text_chars} can be sent"
        raise InvalidRequestError(field="text.content", problem=problem)


def _json(value: object, *, field: str) -> bytes:
    for text in _strings(value):
        if _CONTROL.search(text):
            problem = "holds a control character (NUL, say), which WeChat cannot show"
            raise InvalidRequestError(field=field, problem=problem)
    # Raised after the handler, so that the error carries no second traceback.
    try:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
    except UnicodeEncodeError:
        problem = "holds half a surrogate pair, which has no UTF-8"
    except (TypeError, ValueError, RecursionError):
        problem = "cannot be written as JSON"
    raise InvalidRequestError(field=field, problem=problem)


def _strings(value: object) -> Iterator[str]:
    """Yield every text in *value*, keys too; depth is bounded by a stack of our own."""
    rest, seen = [value], 0
    while rest and seen < MOST_CONTENT_BYTES:
        seen += 1
        item = rest.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            rest += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            rest += item
