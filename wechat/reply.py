"""Replies as values. Pure.

WeChat's replies carry status 200 whatever happened, an inconsistent Content-Type, and ``errcode``
only sometimes. So: bytes, UTF-8, JSON object, errcode; anything else is a reply of somebody else
(a gateway, a proxy, a captive portal) and leaves the outcome unknown.

The object of a token reply holds the token. It stays inside ``Payload``, which prints nothing, and
errors are raised only in functions without a plain value among their variables.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from pydantic import SecretStr

from wechat.errors import APIError, TransportError, TransportKind
from wechat.redaction import NO_SECRETS, Secrets

LONGEST_TOKEN: Final = 1024  # "reserve at least 512"; twice that is stored
LONGEST_ERRMSG: Final = 1000
_LONGEST_TAIL: Final = 200
_EXCERPT_READ, _EXCERPT_SHOWN = 4096, 200  # bytes of a foreign reply, characters for the log
INT64_MAX: Final = 2**63 - 1

_TAIL = re.compile(
    r",?\s*(?:hint: \[[^\]]*\])?\s*(?:rid: (?P<rid>[0-9a-f-]+))?\s*\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    """What came over the wire, before anyone asked what it means."""

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
        return TransportError.of(
            kind,
            endpoint=self.endpoint,
            detail=detail or self.excerpt(),
            elapsed_ms=self.elapsed_ms,
            http_status=self.status,
        )

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


@dataclass(frozen=True, slots=True, kw_only=True)
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
        raise raw.error(TransportKind.GARBAGE, "errcode is no whole number")
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
