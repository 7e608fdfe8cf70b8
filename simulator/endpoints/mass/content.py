"""The content of a mass send: msgtype and its object (sections 2.1 and 10)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import orjson

from simulator.core.body import Message
from simulator.core.errors import RefusalError
from simulator.core.switches import Switches

_OBJECTS = ("mpnews", "text", "voice", "image", "images", "mpvideo", "wxcard")
_KINDS = {
    "image": ("image",),
    "voice": ("voice",),
    "mpvideo": ("mass video",),
    "mpnews": ("article",),
}
_KEPT = ("msgtype", "send_ignore_reprint", *_OBJECTS)


def check_msgtype(message: Message) -> None:
    """Refuse a msgtype that mass sends do not have (40008)."""
    msgtype = message.get("msgtype")
    if not isinstance(msgtype, str) or msgtype not in _CHECKS:
        raise RefusalError(40008)


def check_content(message: Message, switches: Switches) -> None:
    """Refuse content that is missing, too long or of the wrong form (44004, 45002, 40007 ...)."""
    _CHECKS[message["msgtype"]](message, switches)


def check_single_image(message: Message) -> None:
    """Refuse what is no `image.media_id`, as preview does (section 4.1): 40007."""
    holder = message.get("image")
    _check_media_id(holder if isinstance(holder, dict) else {})


def media_ids(message: Message) -> list[str]:
    """Return every media_id that the content refers to."""
    msgtype = message["msgtype"]
    names = (
        () if msgtype not in _KINDS else ("images", "image") if msgtype == "image" else (msgtype,)
    )
    found: list[object] = []
    for holder in (message[name] for name in names if isinstance(message.get(name), dict)):
        listed = holder.get("media_ids")
        found += [holder.get("media_id"), *(listed if isinstance(listed, list) else [])]
    return [one for one in found if isinstance(one, str)]


def wanted_kinds(message: Message) -> tuple[str, ...]:
    """Return the kinds of media that the msgtype takes."""
    return _KINDS.get(message["msgtype"], ())


def content_of(message: Message) -> Message:
    """Return the part of the body that followers see, exactly as it came."""
    return {name: message[name] for name in _KEPT if name in message}


def digest_of(content: Message) -> str:
    """Return a digest that is equal for equal content."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _object(message: Message, name: str) -> Message:
    holder = message.get(name)
    if not isinstance(holder, dict):
        raise RefusalError(44004)
    return holder


def _check_text(message: Message, switches: Switches) -> None:
    text = _object(message, "text").get("content")
    if not isinstance(text, str) or not text:
        raise RefusalError(44004)
    if len(text) > switches.text_limit:
        raise RefusalError(switches.text_limit_errcode)


def _check_media_id(holder: Message) -> None:
    media_id = holder.get("media_id")
    if not isinstance(media_id, str) or not media_id:
        raise RefusalError(40007)


def _check_image(message: Message, switches: Switches) -> None:
    if "images" not in message and switches.single_image_object:
        _check_media_id(_object(message, "image"))
        return
    listed = _object(message, "images").get("media_ids")
    if not isinstance(listed, list) or not listed:
        raise RefusalError(40007)
    if len(listed) > switches.max_media_ids:
        raise RefusalError(45020)
    for media_id in listed:
        _check_media_id({"media_id": media_id})


def _check_card(message: Message, _switches: Switches) -> None:
    card_id = _object(message, "wxcard").get("card_id")
    if not isinstance(card_id, str) or not card_id:
        raise RefusalError(40073)


def _media_check(name: str) -> Callable[[Message, Switches], None]:
    def check(message: Message, _switches: Switches) -> None:
        _check_media_id(_object(message, name))

    return check


# Music stands in the documents without an example, and is not supported (section 2.1).
_CHECKS: dict[str, Callable[[Message, Switches], None]] = {
    "text": _check_text,
    "image": _check_image,
    "wxcard": _check_card,
    "mpnews": _media_check("mpnews"),
    "voice": _media_check("voice"),
    "mpvideo": _media_check("mpvideo"),
}
