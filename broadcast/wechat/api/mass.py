"""message/mass/send, sendall and get: mass sends and how they fare.

What a content must be is said elsewhere, once; here it is only written, as each endpoint has it
(``broadcast.wechat.api.mass``).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Any, ClassVar, Final

from broadcast.wechat.call_errors import InvalidRequestError
from broadcast.wechat.endpoint import (
    INT64_MAX,
    Body,
    Payload,
    RawReply,
    Request,
    errmsg_of,
    json_body,
    json_bytes,
    payload,
    success,
)
from broadcast.wechat.frozen_values import frozen

OPENID_LENGTH: Final = 28
FEWEST_OPENIDS: Final = 2
MOST_OPENIDS: Final = 10_000
MOST_CLIENTMSGID_BYTES: Final = 64

_OPENID_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_CLIENTMSGID = re.compile(r"[A-Za-z0-9_-]+")
# Members of the request itself: a content must never choose the audience or the key.
_NOT_OF_A_CONTENT: Final = frozenset({"touser", "towxname", "toparty", "filter", "clientmsgid"})


@frozen
class MassReply:
    """WeChat's word on a mass send, whatever its errcode: what it means is the caller's to decide.

    ``msg_id`` also comes with 45065 (clientmsgid exist) and exceeds 32 bits; the errmsg is
    without its rid and hint.
    """

    errcode: int
    errmsg: str
    rid: str | None
    msg_id: int | None
    msg_data_id: int | None
    http_status: int
    elapsed_ms: int


@frozen
class MassSend(Request[MassReply]):
    """Send to a list of OpenIDs (POST message/mass/send). Never raises for an errcode.

    ``openids``: 2 to 10,000 ids of 28 characters, without separators, so that a batch of 10,000 is
    one object and not 10,000. ``content``: WeChat's own object. ``clientmsgid``: WeChat's
    idempotency key, at most 64 bytes.
    """

    path: ClassVar[str] = "/cgi-bin/message/mass/send"
    repeatable: ClassVar[bool] = False

    # 280 kB that no traceback should print.
    openids: bytes = field(repr=False)
    content: Mapping[str, Any]
    clientmsgid: str

    def body(self) -> Body:
        """Return audience, content and key."""
        audience = b'"touser":["%b"]' % _touser(self.openids)
        return _body(audience, of_send(self.content), self.clientmsgid)

    def read(self, raw: RawReply) -> MassReply:
        """Return WeChat's word."""
        return _mass_reply(raw)


@frozen
class MassSendAll(Request[MassReply]):
    """Send to a tag or to everybody (POST message/mass/sendall): exactly one, said out loud.

    Nothing said is an error, never "everybody". Never raises for an errcode.
    """

    path: ClassVar[str] = "/cgi-bin/message/mass/sendall"
    repeatable: ClassVar[bool] = False

    content: Mapping[str, Any]
    clientmsgid: str
    tag_id: int | None = None
    is_to_all: bool = False

    def __post_init__(self) -> None:
        """Raise ``InvalidRequestError`` unless the audience is a tag or everybody."""
        if (self.tag_id is not None) == self.is_to_all:
            raise InvalidRequestError(
                field="filter", problem="give either tag_id or is_to_all=True, not both, not none"
            )
        if self.tag_id is not None:
            check_tag(self.tag_id)

    def body(self) -> Body:
        """Return filter, content and key."""
        audience: dict[str, Any] = {"is_to_all": self.is_to_all}
        if self.tag_id is not None:
            audience["tag_id"] = self.tag_id
        written = json_bytes(audience, name="filter")
        return _body(b'"filter":%b' % written, of_sendall(self.content), self.clientmsgid)

    def read(self, raw: RawReply) -> MassReply:
        """Return WeChat's word."""
        return _mass_reply(raw)


@frozen
class MassStatus:
    """``SEND_SUCCESS``, ``SENDING``, ``SEND_FAIL``, ``DELETE``, or a word added one day."""

    msg_id: int
    msg_status: str


#: mass/get: no job of this msg_id is visible (WeChat page "message/mass/get").
NO_SUCH_JOB = 40059


@frozen
class MassGet(Request[MassStatus]):
    """Ask how a mass send fares (POST message/mass/get).

    Raises ``APIError``: 40059 also for a msg_id that is not visible yet, token errors. A reply
    about another msg_id is no answer: ``UnknownOutcomeError``.
    """

    path: ClassVar[str] = "/cgi-bin/message/mass/get"

    msg_id: int

    def body(self) -> Body:
        """Return the msg_id, which the page documents as a string."""
        return Body(data=b'{"msg_id":"%d"}' % positive("msg_id", self.msg_id))

    def read(self, raw: RawReply) -> MassStatus:
        """Return the job's status."""
        reply = success(raw)
        msg_id, msg_status = _message_id(reply, "msg_id"), reply.text("msg_status")
        if msg_id is None or not msg_status:
            raise raw.garbage("no msg_id or no msg_status")
        if msg_id != self.msg_id:
            raise raw.garbage(f"is about msg_id {msg_id}")
        return MassStatus(msg_id=msg_id, msg_status=msg_status)


def positive(field: str, number: int) -> int:
    """Return *number*; raise ``InvalidRequestError`` for what is no id of WeChat's."""
    if isinstance(number, bool) or not 0 < number <= INT64_MAX:
        raise InvalidRequestError(field=field, problem="must be a positive 64-bit number")
    return number


def check_tag(tag_id: int) -> None:
    """Raise ``InvalidRequestError`` for what is no id of a tag."""
    if isinstance(tag_id, bool) or tag_id < 0:
        raise InvalidRequestError(field="tag_id", problem="must be a number of 0 or more")


def check_count(field: str, count: int, *, least: int = 1, most: int) -> None:
    """Raise ``InvalidRequestError`` for more or fewer OpenIDs than WeChat takes."""
    if not least <= count <= most:
        problem = f"holds {count} OpenIDs, WeChat takes {least} to {most}"
        raise InvalidRequestError(field=field, problem=problem)


def _check_content(content: Mapping[str, Any], others: frozenset[str]) -> None:
    if taken := sorted(others & set(content)):
        problem = f"{', '.join(taken)} is no part of a content"
        raise InvalidRequestError(field="content", problem=problem)


def _body(audience: bytes, content: Mapping[str, Any], clientmsgid: str) -> Body:
    _check_content(content, _NOT_OF_A_CONTENT)
    if not content:
        raise InvalidRequestError(field="content", problem="is empty")
    # Its members, without the braces around them.
    members = json_bytes(dict(content), name="content")[1:-1]
    return Body(data=b"{%b,%b,%b}" % (audience, members, _clientmsgid(clientmsgid)))


@lru_cache(maxsize=8)
def _layout(count: int) -> struct.Struct:
    return struct.Struct(f"{OPENID_LENGTH}s" * count)


def _touser(openids: bytes) -> bytes:
    count, rest = divmod(len(openids), OPENID_LENGTH)
    if rest:
        raise InvalidRequestError(field="touser", problem="is not a row of 28-character OpenIDs")
    check_count("touser", count, least=FEWEST_OPENIDS, most=MOST_OPENIDS)
    if openids.translate(None, _OPENID_BYTES):
        raise InvalidRequestError(field="touser", problem="holds characters no OpenID has")
    # Cut in C: 10,000 slices in Python would cost more than the rest of the call's own work.
    return b'","'.join(_layout(count).unpack(openids))


def _clientmsgid(value: str) -> bytes:
    if len(value) > MOST_CLIENTMSGID_BYTES or _CLIENTMSGID.fullmatch(value) is None:
        problem = f"must be 1 to {MOST_CLIENTMSGID_BYTES} characters of A-Z a-z 0-9 _ -"
        raise InvalidRequestError(field="clientmsgid", problem=problem)
    return b'"clientmsgid":"%b"' % value.encode("ascii")


def _mass_reply(raw: RawReply) -> MassReply:
    """Read the reply of mass/send and mass/sendall; never raises for an errcode.

    Elsewhere a missing errcode means 0. Here that would take any JSON object of a gateway for
    "accepted", so a reply without errcode must at least carry a msg_id.
    """
    reply = payload(raw)
    if "errcode" not in reply and reply.integer("msg_id") is None:
        raise raw.garbage("neither errcode nor msg_id")
    errmsg = errmsg_of(raw, reply)
    return MassReply(
        errcode=reply.integer("errcode") or 0,
        errmsg=errmsg.text,
        rid=errmsg.rid,
        msg_id=_message_id(reply, "msg_id"),
        msg_data_id=_message_id(reply, "msg_data_id"),
        http_status=raw.status,
        elapsed_ms=raw.elapsed_ms,
    )


def _message_id(reply: Payload, name: str) -> int | None:
    """Return an id, ``None`` when absent or unreadable: the errcode beside it is good evidence.

    Documented as a number; a text of digits is read too, because the request of mass/get is
    documented with one.
    """
    number = reply.integer(name)
    if number is None:
        digits = reply.text(name) or ""
        readable = digits.isascii() and digits.isdigit() and len(digits) < len(str(INT64_MAX))
        number = int(digits) if readable else 0
    return number if number > 0 else None


Content = Mapping[str, Any]


def of_send(content: Content) -> Content:
    """Return *content* as message/mass/send has it."""
    card = content.get("wxcard")
    if not isinstance(card, Mapping):
        return content
    return {**content, "wxcard": _only(card, "card_id")}


def of_sendall(content: Content) -> Content:
    """Return *content* as message/mass/sendall has it."""
    video = content.get("mpvideo")
    if not isinstance(video, Mapping):
        return of_send(content)
    return {**content, "mpvideo": _only(video, "media_id")}


def of_preview(content: Content) -> tuple[Content, ...]:
    """Return what message/mass/preview shows of *content*, a call each: of images one a call.

    Recommendation and comments have no place there, nor has ``send_ignore_reprint``.
    """
    shown = {name: part for name, part in content.items() if name != "send_ignore_reprint"}
    images = shown.pop("images", None)
    if not isinstance(images, Mapping):
        return (shown,)
    return tuple({**shown, "image": {"media_id": one}} for one in images.get("media_ids", ()))


def _only(part: Content, *names: str) -> Content:
    return {name: value for name, value in part.items() if name in names}


_OPENID: Final = re.compile(rf"[A-Za-z0-9_-]{{{OPENID_LENGTH}}}")
#: WeChat ids have 6 to 20 characters; older ones may be numbers.
_WXNAME: Final = re.compile(r"[A-Za-z0-9_-]{2,27}")
_PREVIEW_NOT_OF_A_CONTENT: Final = frozenset({"touser", "towxname", "filter", "clientmsgid"})


@frozen
class Previewed:
    """WeChat took the preview; ``msg_id`` is None where the reply names none."""

    msg_id: int | None


@frozen
class MassPreview(Request[Previewed]):
    """Send *content* to one follower (POST message/mass/preview).

    *receiver*: an OpenID or a WeChat id, which is shorter. *content*: WeChat's own object in the
    form of a preview (``broadcast.wechat.api.mass.of_preview``), which has one image a call.
    Raises ``APIError``: 40003, 40132, 43004, 45009, what ails the content, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/message/mass/preview"

    receiver: str
    content: Mapping[str, Any]

    def body(self) -> Body:
        """Return receiver and content."""
        _check_content(self.content, _PREVIEW_NOT_OF_A_CONTENT)
        to = "touser" if is_openid(self.receiver) else "towxname"
        if to == "towxname" and not _WXNAME.fullmatch(self.receiver):
            raise InvalidRequestError(field="receiver", problem="is no OpenID and no WeChat id")
        return json_body({to: self.receiver, **self.content}, name="content")

    def read(self, raw: RawReply) -> Previewed:
        """Return that it was taken."""
        return Previewed(msg_id=success(raw).integer("msg_id"))


def is_openid(receiver: str) -> bool:
    """Return whether *receiver* has the form of an OpenID; a WeChat id is shorter."""
    return _OPENID.fullmatch(receiver) is not None
