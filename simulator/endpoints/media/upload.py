"""Rules for uploaded files, and the media made of them (section 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simulator.core.endpoint import Call
from simulator.core.errors import RefusalError
from simulator.core.form import Part
from simulator.core.switches import Switches
from simulator.endpoints.media import formats
from simulator.endpoints.media.formats import AMR, BMP, GIF, JPEG, MP3, MP4, PNG, WAV, WMA
from simulator.endpoints.media.store import (
    PERMANENT_LENGTH,
    TEMPORARY_LENGTH,
    Kind,
    Media,
    MediaStore,
)

_KIB, _MIB = 2**10, 2**20
FIELD = "media"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Limits of a type: too large is `too_large`, longer than a minute 45007."""

    formats: frozenset[str]
    max_bytes: Callable[[Switches], int]
    too_large: int


def _rule(*names: str, limit: int | Callable[[Switches], int], too_large: int) -> Rule:
    max_bytes = limit if callable(limit) else lambda _switches: limit
    return Rule(formats=frozenset(names), max_bytes=max_bytes, too_large=too_large)


def _image_bytes(switches: Switches) -> int:
    return switches.image_max_bytes


TEMPORARY: dict[str, Rule] = {
    "image": _rule(JPEG, PNG, GIF, limit=_image_bytes, too_large=40009),
    "voice": _rule(AMR, MP3, limit=2 * _MIB, too_large=40010),
    "video": _rule(MP4, limit=10 * _MIB, too_large=40011),
    "thumb": _rule(JPEG, limit=64 * _KIB, too_large=40012),
}
PERMANENT: dict[str, Rule] = {
    "image": _rule(JPEG, PNG, GIF, BMP, limit=_image_bytes, too_large=40009),
    "voice": _rule(AMR, MP3, WAV, WMA, limit=2 * _MIB, too_large=40010),
    "video": TEMPORARY["video"],
    "thumb": TEMPORARY["thumb"],
}
IN_ARTICLES = _rule(JPEG, PNG, limit=_MIB, too_large=40009)


def rule_of(rules: dict[str, Rule], kind: str | None) -> tuple[Kind, Rule]:
    """Return the rule for a kind of file; 40004 for an unknown one."""
    if kind not in rules:
        raise RefusalError(40004)
    return kind, rules[kind]  # type: ignore[return-value]


def taken(call: Call, rule: Rule) -> tuple[Part, str]:
    """Return the file of a form and its format.

    Raises:
        RefusalError: 41005, 44001, 40005, 40009 to 40012, 45007.
    """
    part = call.form.get(FIELD)
    if part is None or part.filename is None:
        raise RefusalError(41005)
    if not part.content:
        raise RefusalError(44001)
    format_ = formats.format_of(part.content)
    if format_ not in rule.formats:
        raise RefusalError(40005)
    if len(part.content) > rule.max_bytes(call.world.switches):
        raise RefusalError(rule.too_large)
    seconds = formats.seconds_of(part.content, format_)
    if seconds is not None and seconds > call.world.switches.voice_max_s:
        raise RefusalError(45007)
    return part, format_


def stored(call: Call, kind: Kind, rule: Rule, *, permanent: bool, **more: str) -> Media:
    """Check a file and keep it."""
    part, format_ = taken(call, rule)
    world = call.world
    store, now = world.part(MediaStore), world.now()
    media_id = store.new_id(PERMANENT_LENGTH if permanent else TEMPORARY_LENGTH)
    is_picture = permanent and kind in {"image", "thumb"}
    return store.add(
        Media(
            media_id=media_id,
            appid=call.account.appid,
            kind=kind,
            permanent=permanent,
            created_at=now,
            expires_at=None if permanent else now + world.switches.media_lifetime_s,
            filename=part.filename or "",
            content_type=formats.CONTENT_TYPES[format_],
            content=part.content,
            url=picture_url(store, format_) if is_picture else None,
            **more,
        )
    )


def picture_url(store: MediaStore, format_: str) -> str:
    """Return the address under which WeChat shows a picture."""
    name = store.new_id(PERMANENT_LENGTH)
    return f"http://mmbiz.qpic.cn/mmbiz_{format_}/{name}/0?wx_fmt={format_}"
