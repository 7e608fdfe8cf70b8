"""message/mass/preview: a content to one person, before everybody gets it.

WeChat counts the calls of a day, a hundred by its pages, and reports nothing more than that it took
one. A repeat is a second message: nothing here repeats one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from wechat.api.mass import OPENID_LENGTH
from wechat.errors import InvalidRequestError
from wechat.reply import RawReply, success
from wechat.request import Body, Request, json_bytes

_OPENID: Final = re.compile(rf"[A-Za-z0-9_-]{{{OPENID_LENGTH}}}")
#: WeChat ids have 6 to 20 characters; older ones may be numbers.
_WXNAME: Final = re.compile(r"[A-Za-z0-9_-]{2,27}")
_NOT_OF_A_CONTENT: Final = frozenset({"touser", "towxname", "filter", "clientmsgid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """WeChat took the preview; ``msg_id`` is None where the reply names none."""

    msg_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MassPreview(Request[Previewed]):
    """Send *content* to one follower (POST message/mass/preview).

    *receiver*: an OpenID or a WeChat id, which is shorter. *content*: WeChat's own object in the
    form of a preview (``wechat.api.content.of_preview``), which has one image a call.
    Raises ``APIError``: 40003, 40132, 43004, 45009, what ails the content, token errors.
    """

    path: ClassVar[str] = "/cgi-bin/message/mass/preview"

    receiver: str
    content: Mapping[str, Any]

    def body(self) -> Body:
        """Return receiver and content."""
        if taken := sorted(_NOT_OF_A_CONTENT & set(self.content)):
            problem = f"{', '.join(taken)} is no part of a content"
            raise InvalidRequestError(field="content", problem=problem)
        to = "touser" if is_openid(self.receiver) else "towxname"
        if to == "towxname" and not _WXNAME.fullmatch(self.receiver):
            raise InvalidRequestError(field="receiver", problem="is no OpenID and no WeChat id")
        return Body(data=json_bytes({to: self.receiver, **self.content}, name="content"))

    def read(self, raw: RawReply) -> Previewed:
        """Return that it was taken."""
        return Previewed(msg_id=success(raw).integer("msg_id"))


def is_openid(receiver: str) -> bool:
    """Return whether *receiver* has the form of an OpenID; a WeChat id is shorter."""
    return _OPENID.fullmatch(receiver) is not None
