"""Endpoints: a path, its limits, a body to send and a reply to read.

An endpoint is a class in ``broadcast.wechat.api``: its fields are what is asked, ``body`` writes
them, and ``read`` returns what WeChat answered. A new one needs no other change here.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

from pydantic import SecretStr
from urllib3.filepost import encode_multipart_formdata

from broadcast.wechat.call_errors import (
    NO_SECRETS,
    APIError,
    InvalidRequestError,
    Secrets,
    TransportError,
    TransportKind,
)
from broadcast.wechat.deadline import Timeouts
from broadcast.wechat.frozen_values import frozen

Reply = TypeVar("Reply")

JSON: Final = "application/json"
# JSON writes every other control character as \u00XX, which WeChat shows as it stands.
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")
_DEEPEST: Final = 100


@frozen
class Body:
    """Body of a request. A mapping becomes JSON when it leaves; its secrets stay wrapped until."""

    data: bytes | Mapping[str, Any] = field(repr=False)
    content_type: str = JSON


@frozen
class File:
    """A file of a multipart upload; WeChat wants a name with an extension."""

    name: str
    data: bytes = field(repr=False)
    content_type: str


class Request(ABC, Generic[Reply]):
    """One request to one endpoint."""

    __slots__ = ()

    method: ClassVar[Literal["GET", "POST"]] = "POST"
    path: ClassVar[str]
    #: The longest that a call may take, whatever the client allows.
    timeouts: ClassVar[Timeouts] = Timeouts()
    #: A larger reply is none of this endpoint's. Most have a few hundred bytes.
    largest_reply_bytes: ClassVar[int] = 1_000_000
    #: Of a larger reply its beginning is read, and no more.
    only_begins: ClassVar[bool] = False
    #: It is called with an access_token.
    needs_token: ClassVar[bool] = True
    #: It may be called again after a refused token, which WeChat looks at before anything else;
    #: a mass send may not: its repeat is a decision of its own.
    repeatable: ClassVar[bool] = True
    #: The reply is a secret itself, so no part of it may be shown.
    confidential: ClassVar[bool] = False

    def query(self) -> Mapping[str, str | SecretStr]:
        """Return what stands in the URL beside the access_token."""
        return {}

    def body(self) -> Body | None:
        """Return what is sent. Raises ``InvalidRequestError`` for what cannot be written."""
        return None

    @abstractmethod
    def read(self, raw: RawReply) -> Reply:
        """Return what WeChat answered. Raises ``APIError`` and ``UnknownOutcomeError``."""


class Deed(Request[None]):
    """One request whose answer says no more than that it was done."""

    __slots__ = ()

    def read(self, raw: RawReply) -> None:
        """Raise ``APIError`` where it was refused."""
        success(raw)


def multipart(files: Mapping[str, File], fields: Mapping[str, str] | None = None) -> Body:
    """Return an upload of *files* and *fields*, each by the name of its form field."""
    parts: dict[str, Any] = {
        name: (file.name, file.data, file.content_type) for name, file in files.items()
    }
    data, content_type = encode_multipart_formdata({**(fields or {}), **parts})
    return Body(data=data, content_type=content_type)


def json_body(value: object, *, name: str) -> Body:
    """Return *value* as :func:`json_bytes` does, as a body."""
    return Body(data=json_bytes(value, name=name))


def json_bytes(value: object, *, name: str) -> bytes:
    r"""Return *value* as the JSON that WeChat reads: UTF-8 as written, without a ``\u`` escape.

    With escapes WeChat shows ``\u4e2d`` to the follower, or refuses it (40033, 47002). So what has
    no other form raises ``InvalidRequestError``, with *name* as its field: half a surrogate pair,
    a control character.
    """
    # Raised after the handlers, so that the error carries no second traceback.
    try:
        if any(_CONTROL.search(text) for text in _strings(value, depth=0)):
            problem = "holds a control character (NUL, say), which WeChat cannot show"
        else:
            written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return written.encode()
    except UnicodeEncodeError:
        problem = "holds half a surrogate pair, which has no UTF-8"
    except (TypeError, ValueError, RecursionError):
        problem = "cannot be written as JSON"
    raise InvalidRequestError(field=name, problem=problem)


def _strings(value: object, *, depth: int) -> Iterator[str]:
    """Yield every text in *value*, keys too."""
    if depth > _DEEPEST:
        raise ValueError("too deep for any request of WeChat's")
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(key, depth=depth + 1)
            yield from _strings(item, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item, depth=depth + 1)


LONGEST_TOKEN: Final = 1024  # "reserve at least 512"; twice that is stored
LONGEST_ERRMSG: Final = 1000
_LONGEST_TAIL: Final = 200
_EXCERPT_READ, _EXCERPT_SHOWN = 4096, 200  # bytes of a foreign reply, characters for the log
INT64_MAX: Final = 2**63 - 1

_TAIL = re.compile(
    r",?\s*(?:hint: \[[^\]]*\])?\s*(?:rid: (?P<rid>[0-9a-f-]+))?\s*\Z", re.IGNORECASE
)


@frozen
class RawReply:
    """Reply as it came over the wire, before it is read."""

    endpoint: str
    status: int
    elapsed_ms: int
    body: bytes = field(repr=False)
    confidential: bool = False
    #: WeChat's clock, aware UTC, to the second; None where the reply names no time.
    date: datetime | None = None
    secrets: Secrets = field(default=NO_SECRETS, repr=False)

    def error(self, kind: TransportKind, detail: str = "") -> TransportError:
        """Return the error that says how this reply is not WeChat's."""
        return TransportError.from_kind(
            kind,
            endpoint=self.endpoint,
            detail=detail or self.excerpt(),
            elapsed_ms=self.elapsed_ms,
            http_status=self.status,
        )

    def garbage(self, detail: str) -> TransportError:
        """Return the error that this reply is JSON, but not what its endpoint answers."""
        return self.error(TransportKind.GARBAGE, detail)

    def excerpt(self) -> str:
        """Return the beginning of the body, on one line and without secrets.

        Nothing of a confidential reply: a new token that comes in a broken reply is known to no
        registry, and in a broken form to no pattern.
        """
        size = f"HTTP {self.status}, {len(self.body)} bytes"
        if self.confidential:
            return size
        # Cleaned before it is cut: half a secret would not be recognised.
        text = self.secrets.mask(self.body[:_EXCERPT_READ].decode("utf-8", "replace"))
        if len(self.body) > _EXCERPT_READ:
            # Where reading stopped it may have cut one in two, no longer than this.
            text = text[:-LONGEST_TOKEN]
        text = " ".join(text.split())[:_EXCERPT_SHOWN]
        return f"{size}: {text}"


@frozen
class Errmsg:
    """An errmsg taken apart."""

    text: str
    rid: str | None


def parse_date(header: str | None) -> datetime | None:
    """Return what the header ``Date`` of a reply says, aware UTC; None where it says nothing."""
    try:
        moment = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    # HTTP knows no zone but GMT, and one that is not named is read as none.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_errmsg(errmsg: str, secrets: Secrets = NO_SECRETS) -> Errmsg:
    """Cut hint and rid, which differ with every call, from the end of an errmsg; mask secrets."""
    # Cleaned before it is cut: half a secret would not be recognised.
    errmsg = secrets.mask(errmsg).rstrip()
    tail = _TAIL.search(errmsg, max(0, len(errmsg) - _LONGEST_TAIL))
    if tail is None:
        return Errmsg(text=errmsg[:LONGEST_ERRMSG], rid=None)
    text = errmsg[: tail.start()][:LONGEST_ERRMSG]
    return Errmsg(text=text, rid=tail["rid"])


class Payload:
    """A reply's JSON object, read member by member; never shows its values.

    A member of another type than asked for reads as ``None``: who asked raises, since a frame in
    here would show the value.
    """

    __slots__ = ("_members",)

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def integer(self, name: str) -> int | None:
        """Return a whole number that fits 64 bits; JSON's true and 1.0 are none."""
        value = self._members.get(name)
        if type(value) is not int or not -INT64_MAX <= value <= INT64_MAX:
            return None
        return value

    def text(self, name: str) -> str | None:
        """Return a text."""
        value = self._members.get(name)
        return value if isinstance(value, str) else None

    def secret(self, name: str) -> SecretStr | None:
        """Return a text that prints nothing."""
        value = self._members.get(name)
        return SecretStr(value) if isinstance(value, str) and value else None

    def object(self, name: str) -> Payload | None:
        """Return a member that is an object itself."""
        value = self._members.get(name)
        return Payload(value) if isinstance(value, dict) else None

    def strings(self, name: str) -> list[str] | None:
        """Return a member that is a list of texts and nothing else."""
        value = self._members.get(name)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            return None
        return value

    def objects(self, name: str) -> list[Payload] | None:
        """Return a member that is a list of objects and nothing else."""
        value = self._members.get(name)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            return None
        return [Payload(one) for one in value]


class _TwiceError(Exception):
    """A member stands twice: nobody can say which of the two is meant."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _TwiceError
    return members


def _load(body: bytes) -> Payload | TransportKind:
    # strict=False: a raw control character in an errmsg must not turn an answer into a doubt.
    try:
        members = json.loads(body.decode("utf-8"), strict=False, object_pairs_hook=_object)
    except _TwiceError:
        return TransportKind.GARBAGE
    except (ValueError, RecursionError):
        return TransportKind.NOT_JSON
    return Payload(members) if isinstance(members, dict) else TransportKind.GARBAGE


def payload(raw: RawReply) -> Payload:
    """Return the JSON object of a reply, whose errcode is a number or absent.

    Raises ``UnknownOutcomeError``: another status than 200, not UTF-8, not JSON, no object, a
    member that stands twice, an errcode that is no whole number.
    """
    if raw.status != HTTPStatus.OK:
        raise raw.error(TransportKind.HTTP_STATUS)
    loaded = _load(raw.body)
    if isinstance(loaded, TransportKind):
        raise raw.error(loaded)
    if "errcode" in loaded and loaded.integer("errcode") is None:
        raise raw.garbage("errcode is no whole number")
    return loaded


def success(raw: RawReply) -> Payload:
    """Return the object of a reply without an errcode, or with 0; raise ``APIError``."""
    reply = payload(raw)
    _refuse_errcode(raw, reply)
    return reply


def _refuse_errcode(raw: RawReply, reply: Payload) -> None:
    errcode = reply.integer("errcode") or 0
    if errcode:
        errmsg = errmsg_of(raw, reply)
        raise APIError(
            errcode=errcode,
            errmsg=errmsg.text,
            rid=errmsg.rid,
            endpoint=raw.endpoint,
        )


def errmsg_of(raw: RawReply, reply: Payload) -> Errmsg:
    """Return the errmsg of *reply*, which was read from *raw*, taken apart."""
    return parse_errmsg(reply.text("errmsg") or "", raw.secrets)
