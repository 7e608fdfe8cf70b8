"""Contents of broadcasts: what each must have, and its canonical form.

A content is WeChat's own object of mass/send (``docs/wechat-api.md`` section 2.1): ``msgtype``, the
part of that type, and ``send_ignore_reprint``. Each msgtype is one class of :data:`AnyContent`; a
new one is a new class. What was checked here once, when it was submitted, is not checked again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from broadcast.data_files import parsed
from broadcast.digests import sha256
from broadcast.errors import ContentError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.quoting import is_blank

#: Characters. Longer texts may be refused (45002, 40126): WeChat's newer help says 300, its older
#: one 600 (section 10).
LONG_TEXT: Final = 300
#: Bytes of the canonical object: far beyond any text, and small beside 10,000 OpenIDs. Our own.
MOST_BYTES: Final = 20_000
#: Images of one message: the limit of WeChat's console; its API page names none (section 14).
MOST_IMAGES: Final = 20
#: Unknown names that an error has.
MOST_NAMED: Final = 10
#: Characters of a media_id or card_id; those that were seen have up to 64. Our own.
LONGEST_ID: Final = 256
#: Characters of a preview; about what fits beside an id in a terminal.
LONGEST_PREVIEW: Final = 40

Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_ID, pattern=r"^\S+$")]
Flag: TypeAlias = Annotated[int, Field(ge=0, le=1)]


class _Object(BaseModel):
    # No null either: what is not said is left out. Built when first used: most commands only
    # preview a content.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class TextPart(_Object):
    """Written to the letter; WeChat shows ``<a href>`` as a link."""

    content: str


class MediaPart(_Object):
    """Reference to an earlier upload."""

    media_id: Id


class ImagesPart(_Object):
    """Called ``images``; the part ``image`` of older pages takes one, and no comments."""

    media_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_IMAGES)]
    recommend: str = ""
    need_open_comment: Flag = 0
    only_fans_can_comment: Flag = 0


class VideoPart(_Object):
    """Its media_id comes from media/uploadvideo, not from media/upload."""

    media_id: Id
    title: str = ""
    description: str = ""


class CardPart(_Object):
    """A coupon; a preview alone takes *card_ext*, which is left out of a send."""

    card_id: Id
    card_ext: str = ""


class TextContent(_Object):
    """A text."""

    msgtype: Literal["text"]
    text: TextPart


class ImageContent(_Object):
    """One or several images."""

    msgtype: Literal["image"]
    images: ImagesPart


class VoiceContent(_Object):
    """A voice message."""

    msgtype: Literal["voice"]
    voice: MediaPart


class VideoContent(_Object):
    """A video."""

    msgtype: Literal["mpvideo"]
    mpvideo: VideoPart


class ArticleContent(_Object):
    """A draft of one or several articles."""

    msgtype: Literal["mpnews"]
    mpnews: MediaPart
    #: 1 goes on where WeChat judges the article a reprint, 0 stops.
    send_ignore_reprint: Flag = 0


class CardContent(_Object):
    """A coupon."""

    msgtype: Literal["wxcard"]
    wxcard: CardPart


AnyContent: TypeAlias = (
    TextContent | ImageContent | VoiceContent | VideoContent | ArticleContent | CardContent
)
MSGTYPES: Final = tuple(
    get_args(shape.model_fields["msgtype"].annotation)[0] for shape in get_args(AnyContent)
)


@cache
def _any() -> TypeAdapter[AnyContent]:
    return TypeAdapter(Annotated[AnyContent, Field(discriminator="msgtype")])


@frozen
class Content:
    """A content that can be sent."""

    msgtype: str
    #: The whole object as JSON with sorted keys, UTF-8 as written: the same content is the same
    #: text, so that its digest can say "this was sent already".
    canonical: str
    #: What a person should know although nothing is refused.
    notices: tuple[Message, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex; a flag that is 0 is as good as none."""
        said = _canonical(without_zeros(self.value))
        return sha256(said)

    @property
    def value(self) -> dict[str, Any]:
        """The whole object, parsed anew each time."""
        value: dict[str, Any] = json.loads(self.canonical)
        return value

    @property
    def names(self) -> Mapping[str, str]:
        """Display names of its media_ids, as far as the content itself knows."""
        return {}


def of_text(text: str, *, limit: int) -> Content:
    """Return a text; *limit* is the most characters that may be sent. Raises ContentError."""
    return of_object({"msgtype": "text", "text": {"content": text}}, limit=limit)


def of_object(value: object, *, limit: int) -> Content:
    """Return WeChat's content object *value*, checked; *limit* as of :func:`of_text`.

    Raises ContentError, whose fact ``field`` names what is wrong ("images.media_ids.1").
    """
    if not isinstance(value, Mapping):
        raise ContentError("error.content.no_object", field="content")
    _check_characters(value)
    shaped = _shaped(dict(value))
    canonical = _canonical(shaped.model_dump(exclude_unset=True))
    notices = _check_length(shaped.text.content, limit) if isinstance(shaped, TextContent) else ()
    size = len(canonical.encode())
    if size > MOST_BYTES:
        raise ContentError("error.content.too_big", field="content", size=size, most=MOST_BYTES)
    return Content(msgtype=shaped.msgtype, canonical=canonical, notices=notices)


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def preview(value: Mapping[str, Any]) -> str:
    """Return the first words of a text; of anything else its title, or by which id WeChat has it.

    *value* is a stored content, be it of a release that knows more msgtypes.
    """
    # Followers see a link by its words.
    return shortened(" ".join(_LINK_TAG.sub("", str(next(iter(named_in(value)), ""))).split()))


def named_in(value: Mapping[str, Any]) -> Sequence[str]:
    """Return by what a stored content is known: its text or its title first, then its ids."""
    part = value.get("images" if value["msgtype"] == "image" else value["msgtype"], {})
    named = [part[name] for name in _TELLING if part.get(name)]
    return [str(one) for each in named for one in (each if isinstance(each, list) else [each])]


def shortened(words: str) -> str:
    """Return what fits beside an id in a terminal."""
    return words if len(words) <= LONGEST_PREVIEW else words[: LONGEST_PREVIEW - 1] + "…"


def draft_of(canonical: str) -> str | None:
    """Return the media_id of the draft that a stored content sends; None of any other."""
    value = json.loads(canonical)
    return str(value["mpnews"]["media_id"]) if value["msgtype"] == "mpnews" else None


#: What stands for a text in the commands that the program shows; pasted, it is no message.
PLACEHOLDER: Final = "TEXT"
_LINK_TAG: Final = re.compile(r"</?a\b[^>]*>", re.IGNORECASE)
#: Of a part, the members that describe it first.
_TELLING: Final = ("content", "title", "media_id", "media_ids", "card_id")


def _check_length(text: str, limit: int) -> tuple[Message, ...]:
    if is_blank(text):
        raise ContentError("error.content.empty", field="text.content")
    if text.strip() == PLACEHOLDER:
        raise ContentError("error.content.placeholder", text=PLACEHOLDER)
    if len(text) > limit:
        raise ContentError(
            "error.content.too_long", field="text.content", length=len(text), limit=limit
        )
    if len(text) > LONG_TEXT:
        return (Message("notice.content.long", length=len(text), long=LONG_TEXT),)
    return ()


# JSON can write these as escapes only, and WeChat shows an escape as it stands.
_CONTROL: Final = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def _check_characters(value: Mapping[Any, Any]) -> None:
    for field, text in _texts(value):
        where = field.encode("utf-8", "backslashreplace").decode()[:LONGEST_ID]
        if found := _SURROGATE.search(text):
            raise ContentError("error.content.surrogate", field=where, position=found.start() + 1)
        if found := _CONTROL.search(text):
            code = f"U+{ord(found.group()):04X}"
            raise ContentError(
                "error.content.control", field=where, code=code, position=found.start() + 1
            )


def _texts(value: object) -> Iterator[tuple[str, str]]:
    """Yield every text in *value*, keys too, with the field in which it stands."""
    rest: list[tuple[str, object]] = [("", value)]
    while rest:
        field, item = rest.pop()
        if isinstance(item, str):
            yield field or "content", item
        elif isinstance(item, Mapping):
            rest += [(field, key) for key in item]
            rest += [(f"{field}.{key}".lstrip("."), each) for key, each in item.items()]
        elif isinstance(item, list):
            rest += [(f"{field}.{n}", each) for n, each in enumerate(item)]


def _shaped(value: dict[Any, Any]) -> AnyContent:
    try:
        return _any().validate_python(value)
    except ValidationError as error:
        each = error.errors(include_url=False, include_context=False)
    wrong = each[0]
    if value.get("msgtype") == "music":
        raise ContentError("error.content.music", field="msgtype")
    if value.get("msgtype") == "image" and _OLD_IMAGE in value:
        raise ContentError("error.content.image", field=_OLD_IMAGE)
    if wrong["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        msgtype = str(value.get("msgtype"))[:LONGEST_PREVIEW]
        raise ContentError(
            "error.content.msgtype", field="msgtype", msgtype=msgtype, known=", ".join(MSGTYPES)
        )
    # The first place is the msgtype, which pydantic takes for a field.
    field = _field(wrong["loc"][1:])
    unknown = [_field(one["loc"][1:]) for one in each if one["type"] == _UNKNOWN]
    if wrong["type"] == _UNKNOWN and len(unknown) > 1:
        named = ", ".join(name[:LONGEST_PREVIEW] for name in unknown[:MOST_NAMED])
        raise ContentError("error.content.unknown_several", field=field, fields=named)
    if wrong["type"] in _WHOLE:
        raise ContentError(_WHOLE[wrong["type"]], field=field)
    reason = Message(_REASONS.get(wrong["type"], "content.reason.form"))
    raise ContentError("error.content.wrong", field=field, reason=reason)


def _field(places: Sequence[object]) -> str:
    return ".".join(map(str, places)) or "content"


_UNKNOWN: Final = "extra_forbidden"
#: What older pages of WeChat's call the part ``images``.
_OLD_IMAGE: Final = "image"
_WHOLE: Final = {"missing": "error.content.missing", _UNKNOWN: "error.content.unknown"}
#: What is wrong with a value, by pydantic's type of error.
_REASONS: Final[dict[str, str]] = parsed(__file__, "content_reasons.json")


def without_zeros(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content without flags that are 0: WeChat's default of each."""
    return _without(content, (0,))


def without_defaults(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content without empty texts too.

    WeChat's pages do not say whether an empty one is as good as none, so under one key they are two
    contents; a person who sends both to the same people errs all the same.
    """
    return _without(content, (0, ""))


def _without(value: Mapping[str, Any], defaults: tuple[object, ...]) -> dict[str, Any]:
    return {
        name: _without(each, defaults) if isinstance(each, Mapping) else each
        for name, each in value.items()
        if each not in defaults
    }
