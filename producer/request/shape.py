"""The form of a request: its members and their types, and one error that names the first wrong one.

What they mean is for :mod:`producer.request.meaning`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from broadcast.data_files import parsed
from broadcast.errors import KEY, RequestError
from broadcast.message import Message
from broadcast.quoting import quoted
from producer.submit.order import HIGHEST_PRIORITY

#: Items of a list in one request; a longer one goes by a file.
MOST_OPENIDS: Final = 100_000
#: Exclusions of one broadcast.
MOST_EXCLUSIONS: Final = 20
#: Confirmations of one request.
MOST_CONFIRMATIONS: Final = 20
#: Characters of an account's name.
LONGEST_ACCOUNT: Final = 64
#: Characters of a wrong value, or of its place, that are shown.
SHOWN: Final = 60


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


def _is_true(value: object) -> object:
    # To pydantic a 1 is as good as a true.
    if value is not True:
        raise PydanticCustomError("literal_error", "not true")
    return value


def _is_whole(value: object) -> object:
    # To JSON a 3.0 is as good as a 3; beyond 2**53 nobody knows which number was meant.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


#: Of a whole number, behind its bounds.
WHOLE: Final = BeforeValidator(_is_whole)
Yes: TypeAlias = Annotated[Literal[True], BeforeValidator(_is_true)]


class OpenIDList(_Object):
    """These OpenIDs; those that are malformed or stand twice are counted and left out."""

    openids: Annotated[list[str], Field(min_length=1, max_length=MOST_OPENIDS)]


class ListToCome(_Object):
    """The list follows in a request of its own, by HTTP alone."""

    upload: Yes


class FollowerList(_Object):
    """The account's followers by the list that ``followers sync`` keeps."""

    followers: Yes


class TagMembers(_Object):
    """WeChat's own send to a tag; ``group_id`` is its old name."""

    tag_id: Annotated[int, Field(ge=0, le=2**31 - 1), WHOLE]


class ToAll(_Object):
    """WeChat's own send to every follower; the account is named a second time, on purpose."""

    to_all: Yes
    confirm_to_all: str


class Receiver(_Object):
    """Receiver of the webhooks of a broadcast."""

    url: str


_KINDS: Final[Mapping[str, type[_Object]]] = {
    "openids": OpenIDList,
    "followers": FollowerList,
    "tag_id": TagMembers,
    "to_all": ToAll,
    "upload": ListToCome,
}


def _kind(value: object) -> str | None:
    """Return which audience *value* is, as JSON has it or as it was read."""
    if isinstance(value, _Object):
        return next((kind for kind, form in _KINDS.items() if isinstance(value, form)), None)
    return next((kind for kind in _KINDS if isinstance(value, Mapping) and kind in value), None)


AudienceShape: TypeAlias = Annotated[
    Annotated[OpenIDList, Tag("openids")]
    | Annotated[FollowerList, Tag("followers")]
    | Annotated[TagMembers, Tag("tag_id")]
    | Annotated[ToAll, Tag("to_all")]
    | Annotated[ListToCome, Tag("upload")],
    Discriminator(_kind),
]


class SendRequest(_Object):
    """What every send is asked for by. What is left out has the default of the command."""

    account: Annotated[
        Annotated[str, Field(max_length=LONGEST_ACCOUNT)] | None,
        Field(description="may be left out where there is one"),
    ] = None
    content: Annotated[
        dict[str, Any], Field(description="WeChat's own object of mass/send: msgtype and its part")
    ]
    audience: Annotated[AudienceShape, Field(description="exactly one kind")]
    at: Annotated[str | None, Field(description="ISO 8601; without a zone it is Beijing time")] = (
        None
    )
    title: Annotated[str | None, Field(description="1 to 64 characters, for people")] = None
    priority: Annotated[
        int,
        Field(
            ge=-HIGHEST_PRIORITY,
            le=HIGHEST_PRIORITY,
            description="higher goes first among the account's broadcasts",
        ),
        WHOLE,
    ] = 0
    late_by: Annotated[
        str | None, Field(description="a launch later than this is held: 90s, 15m, 1h30m")
    ] = None
    spread_days: Annotated[
        bool, Field(description="over several days if today's calls are too few")
    ] = False
    exclude: Annotated[
        list[str],
        Field(max_length=MOST_EXCLUSIONS, description="who gets nothing: tag:ID or broadcast:ID"),
    ] = []
    only_current: Annotated[bool, Field(description="only who follows by the newest sync")] = False
    sample: Annotated[
        str | None, Field(description="only so many, drawn by chance: 500 or 10%")
    ] = None
    with_tag: Annotated[
        Annotated[int, Field(ge=0, le=2**31 - 1), WHOLE] | None,
        Field(description='with {"followers": true}: those who have this tag at WeChat'),
    ] = None
    ignore_suppression: Annotated[bool, Field(description="to the suppressed as well")] = False
    notify: Annotated[
        Receiver | None,
        Field(description="who hears how it ended, in place of the account's receiver"),
    ] = None


#: What a person confirmed.
Confirmations: TypeAlias = Annotated[
    list[Annotated[str, Field(max_length=LONGEST_ACCOUNT)]],
    Field(max_length=MOST_CONFIRMATIONS, description="ids of refusals that a person confirmed"),
]


class Request(SendRequest):
    """A broadcast as a program asks for it. What is left out has the default of the command."""

    confirm: Confirmations = []
    again: Annotated[
        bool,
        Field(description="the same content went to the same audience within 24 hours; once more"),
    ] = False


#: Of any body.
AnyForm = TypeVar("AnyForm", bound=BaseModel)
Form = TypeVar("Form", bound=SendRequest)


def parse(value: object) -> Request:
    """Return a request from the value of JSON, or of a program. Raises RequestError."""
    return parse_as(Request, value)


def parse_as(form: type[Form], value: object) -> Form:
    """Return *value* as one of the forms of a send. Raises RequestError."""
    if not isinstance(value, Mapping):
        raise RequestError("error.request.no_object", field="")
    members = {_name(name): member for name, member in value.items()}
    known = [one.alias or name for name, one in form.model_fields.items()]
    for name in members:
        # Before what is missing: the one is often the other, misspelt.
        if name not in known:
            if name == KEY:
                raise RequestError("error.request.key_beside", field=KEY)
            raise unknown((name,), known)
    if "audience" in members or form.model_fields["audience"].is_required():
        members["audience"] = _audience(members.get("audience"))
    return validated(form, members)


def validated(
    form: type[AnyForm], members: Mapping[str, Any], *, known: Sequence[str] | None = None
) -> AnyForm:
    """Return *members* as *form*; *known*: those that there are. Raises RequestError."""
    try:
        return form.model_validate(members)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
    raise refused(wrong["type"], wrong["loc"], wrong.get("ctx", {}), known=known)


def _audience(value: object) -> dict[str, Any]:
    """Return the members of an audience that names exactly one kind. Raises RequestError."""
    if value is None:
        raise RequestError("error.request.no_audience", field="audience", kinds=_known_kinds())
    if not isinstance(value, Mapping):
        reason = Message("request.reason.object")
        raise RequestError("error.request.wrong", field="audience", reason=reason)
    members = {_OLD_NAMES.get(str(name), _name(name)): member for name, member in value.items()}
    kinds = [kind for kind in _KINDS if kind in members]
    if len(kinds) > 1 or len(members) < len(value):
        named = ", ".join(kinds)
        raise RequestError("error.request.two_audiences", field="audience", kinds=named)
    if not kinds:
        for name in members:
            raise unknown(("audience", name), [*_KINDS, *_OLD_NAMES])
        raise RequestError("error.request.no_audience", field="audience", kinds=_known_kinds())
    return members


def _name(name: object) -> str:
    """Return the name of a member; half a surrogate pair, which JSON can say, is no text."""
    return str(name).encode("utf-8", "replace").decode()


_OLD_NAMES: Final = {"group_id": "tag_id"}


def _known_kinds() -> str:
    return ", ".join(_KINDS)


def refused(
    kind: str,
    loc: Sequence[object],
    facts: Mapping[str, Any],
    *,
    known: Sequence[str] | None = None,
) -> RequestError:
    """Return pydantic's finding as a refusal; *known*: members that there are."""
    # Behind "audience" stands the kind, which pydantic takes for a field.
    places = (loc[0], *loc[2:]) if loc[:1] == ("audience",) and len(loc) > 1 else tuple(loc)
    field = field_of(places)
    own = _OWN.get((kind, field))
    if own is not None:
        return RequestError(own, field=field, n=facts.get("max_length"))
    match kind:
        case "missing":
            return RequestError("error.request.missing", field=field)
        case "extra_forbidden":
            return unknown(places, _members(places) if known is None else known)
        case "greater_than_equal" | "less_than_equal":
            bound = facts.get("ge", facts.get("le"))
            name = "request.reason.least" if "ge" in facts else "request.reason.most"
            reason = Message(name, n=bound)
        case "too_long" | "string_too_long":
            name = "request.reason.too_many" if kind == "too_long" else "request.reason.too_long"
            reason = Message(name, n=facts["max_length"])
        case "literal_error" | "enum" if "expected" in facts:
            reason = Message("request.reason.one_of", words=_WORD.findall(facts["expected"]))
        case _:
            name = _REASONS.get(kind, "request.reason.form")
            reason = Message("request.reason.receiver" if field == "notify" else name)
    return RequestError("error.request.wrong", field=field, reason=reason)


#: Of what pydantic expected: 'one', 'two' or 'three'.
_WORD: Final = re.compile(r"'([^']*)'")


def _members(places: Sequence[object]) -> list[str]:
    if len(places) == 1:
        return list(Request.model_fields)
    kinds = (Receiver,) if places[0] == "notify" else _KINDS.values()
    return sorted({name for kind in kinds for name in kind.model_fields})


def unknown(places: Sequence[object], known: Sequence[str]) -> RequestError:
    """Return the refusal of a name that nobody knows, with the one that it is near."""
    field = field_of(places)
    # A long one is near to none, and comparing it takes seconds.
    near = difflib.get_close_matches(str(places[-1])[:SHOWN], known, n=1)
    if near:
        return RequestError("error.request.unknown_near", field=field, near=near[0])
    return RequestError("error.request.unknown", field=field)


class TwiceError(Exception):
    """A member, which stands in the arguments, is there twice: which is meant, nobody knows."""


def each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of one object of JSON. Raises TwiceError."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise TwiceError(name)
        found[name] = value
    return found


def field_of(places: Sequence[object]) -> str:
    """Return the name of a field as errors have it, in one line: ``audience.openids.1``."""
    return quoted(".".join(map(str, places)), SHOWN)


#: What has a text of its own, by pydantic's type of error and the field.
_OWN: Final = {
    ("too_long", "audience.openids"): "error.request.long_list",
    ("string_type", "at"): "error.request.at",
}
#: What is wrong with a value, by pydantic's type of error.
_REASONS: Final[dict[str, str]] = parsed(__file__, "request_reasons.json")
