"""What is said: WeChat's own content object, checked, in one canonical form.

The object is the one of mass/send (WeChat page "mass send by OpenID", section body): ``msgtype``,
the part of that type, and ``send_ignore_reprint``. Canonical JSON (sorted keys, UTF-8 as written)
makes the same content the same text, so that its digest can say "this was sent already".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from broadcast.blank import is_blank
from broadcast.errors import ContentError
from broadcast.message import Message

#: Longer texts may be refused: WeChat's newer help says 300, its older one 600 (45002, 40126).
LONG_TEXT: Final = 300
#: Bytes of the canonical object; the largest that mass/send takes.
MOST_BYTES: Final = 20_000
#: Larger files are no content; reading one would only cost memory.
MOST_FILE_BYTES: Final = 1_000_000

# JSON can write these as escapes only, and WeChat shows an escape as it stands.
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A content that can be sent."""

    msgtype: str
    #: Canonical JSON of the whole object.
    canonical: str
    #: What a person should know although nothing is refused.
    notices: tuple[Message, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def shown(self) -> str:
        """What a person reads before it is sent: the text itself, else the part as JSON."""
        part = json.loads(self.canonical)
        if self.msgtype == "text":
            return str(part["text"]["content"])
        part.pop("msgtype")
        return json.dumps(part, ensure_ascii=False)


def of_text(text: str, *, limit: int) -> Content:
    """Return a text; *limit* is the most characters that may be sent. Raises ContentError."""
    return of_object({"msgtype": "text", "text": {"content": text}}, limit=limit)


def from_file(path: Path, *, limit: int) -> Content:
    """Read the content object from a JSON file in UTF-8. Raises ContentError."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ContentError("error.content.file", path=path, reason=reason) from error
    if len(data) > MOST_FILE_BYTES:
        raise ContentError("error.content.too_big", size=len(data), most=MOST_BYTES)
    try:
        parsed = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ContentError("error.content.encoding", path=path, byte=error.start) from error
    except json.JSONDecodeError as error:
        raise ContentError(
            "error.content.json", path=path, line=error.lineno, column=error.colno
        ) from error
    except RecursionError as error:
        raise ContentError("error.content.json", path=path, line=1, column=1) from error
    return of_object(parsed, limit=limit)


def of_object(value: object, *, limit: int) -> Content:
    """Return WeChat's content object *value*, checked. Raises ContentError naming the field."""
    if not isinstance(value, Mapping):
        raise ContentError("error.content.no_object")
    msgtype = value.get("msgtype")
    shape = _SHAPES.get(msgtype) if isinstance(msgtype, str) else None
    if shape is None:
        known = ", ".join(_SHAPES)
        raise ContentError("error.content.msgtype", msgtype=_short(msgtype), known=known)
    _check_characters(value)
    _check_shape(shape, value)
    canonical = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    size = len(canonical.encode())
    notices = _check_text(value["text"]["content"], limit) if msgtype == "text" else ()
    if size > MOST_BYTES:
        raise ContentError("error.content.too_big", size=size, most=MOST_BYTES)
    return Content(msgtype=str(msgtype), canonical=canonical, notices=notices)


def _check_text(text: str, limit: int) -> tuple[Message, ...]:
    if is_blank(text):
        raise ContentError("error.content.empty")
    if len(text) > limit:
        raise ContentError("error.content.too_long", length=len(text), limit=limit)
    if len(text) > LONG_TEXT:
        return (Message("notice.content.long", length=len(text), long=LONG_TEXT),)
    return ()


def _check_characters(value: object) -> None:
    for text in _strings(value):
        if found := _SURROGATE.search(text):
            raise ContentError("error.content.surrogate", position=found.start() + 1)
        if found := _CONTROL.search(text):
            code = f"U+{ord(found.group()):04X}"
            raise ContentError("error.content.control", code=code, position=found.start() + 1)


def _strings(value: object) -> Iterator[str]:
    """Yield every text in *value*, keys too."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            rest += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            rest += item


def _check_shape(shape: type[BaseModel], value: Mapping[Any, Any]) -> None:
    try:
        shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    else:
        return
    field = ".".join(str(part) for part in first["loc"]) or "content"
    ids = {"missing": "error.content.missing", "extra_forbidden": "error.content.unknown"}
    raise ContentError(ids.get(first["type"], "error.content.wrong"), field=field)


def _short(value: object) -> str:
    return str(value)[:40].encode("utf-8", "backslashreplace").decode()


Id = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^\S+$")]
Flag = Literal[0, 1]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _TextPart(_Part):
    content: str


class _MediaPart(_Part):
    media_id: Id


class _VideoPart(_Part):
    media_id: Id
    title: str | None = None
    description: str | None = None


class _ImagesPart(_Part):
    media_ids: Annotated[list[Id], Field(min_length=1, max_length=20)]
    recommend: str | None = None
    need_open_comment: Flag | None = None
    only_fans_can_comment: Flag | None = None


class _CardPart(_Part):
    card_id: Id


class _Text(_Part):
    msgtype: str
    text: _TextPart


class _Image(_Part):
    msgtype: str
    images: _ImagesPart


class _Voice(_Part):
    msgtype: str
    voice: _MediaPart


class _Video(_Part):
    """Its media_id comes from media/uploadvideo, not from media/upload."""

    msgtype: str
    mpvideo: _VideoPart


class _Article(_Part):
    msgtype: str
    mpnews: _MediaPart
    #: 1 goes on where WeChat judges the article a reprint, 0 stops.
    send_ignore_reprint: Flag | None = None


class _Card(_Part):
    msgtype: str
    wxcard: _CardPart


_SHAPES: Final[Mapping[str, type[BaseModel]]] = {
    "text": _Text,
    "image": _Image,
    "voice": _Voice,
    "mpvideo": _Video,
    "mpnews": _Article,
    "wxcard": _Card,
}
