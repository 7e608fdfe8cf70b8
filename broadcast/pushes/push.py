"""A push as it is stored: enough to handle it, to know it again, and to look it up; no more.

Of a follower's message nothing is kept but who wrote, when, and which keyword it was; of an event
who caused it and when. The end of a job alone is kept as WeChat wrote it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, field
from datetime import UTC, datetime
from typing import Any, Final

from broadcast import finish, openid
from broadcast.call.result import LARGEST_MSG_ID
from broadcast.finish import UnreadableFinishError
from broadcast.frozen import frozen
from broadcast.pushes.keywords import Action

#: WeChat's name of a message that is an event.
EVENT: Final = "event"
SUBSCRIBE: Final = "subscribe"
UNSUBSCRIBE: Final = "unsubscribe"
#: Every other event is kept and ignored.
HANDLED: Final = frozenset({finish.EVENT, SUBSCRIBE, UNSUBSCRIBE})
#: WeChat's own names are half as long.
_LONGEST_KIND: Final = 64


@frozen
class Push:
    """One push of WeChat to one account's server."""

    account: str
    #: The event's name, or ``message.`` and the message's type.
    kind: str
    #: The same for every repeat of this push, and for no other push of the account.
    dedup: str
    #: Who followed, left or wrote; of a finished job it is WeChat's own helper.
    openid: str | None
    msg_id: int | None
    #: WeChat's CreateTime.
    happened_at: datetime | None
    action: Action | None = None
    #: The end of a job as WeChat wrote it (XML or JSON); of all else, a place say, nothing is kept.
    body: str = field(default="", repr=False)

    @property
    def needs_handling(self) -> bool:
        """Whether there is anything to do beside keeping it."""
        return self.action is not None or self.kind in HANDLED


def push_of(
    account: str, fields: Mapping[str, Any], *, text: str, action: Action | None = None
) -> Push:
    """Return what is stored of a push with these fields; *text* is how WeChat wrote them."""
    is_event = fields.get("MsgType") == EVENT
    name = str(fields.get("Event" if is_event else "MsgType", ""))
    kind = name if is_event else f"message.{name}"
    sender = str(fields.get("FromUserName", ""))
    return Push(
        account=account,
        kind=kind[:_LONGEST_KIND],
        dedup=_dedup(kind, sender, fields),
        openid=sender if openid.is_openid(sender.encode()) else None,
        # WeChat writes MsgID in the end of a job and MsgId in a message.
        msg_id=_number(fields.get("MsgID" if is_event else "MsgId"), most=LARGEST_MSG_ID),
        happened_at=_moment(fields.get("CreateTime")),
        action=action,
        body=text if is_event and name == finish.EVENT else "",
    )


def _dedup(kind: str, sender: str, fields: Mapping[str, Any]) -> str:
    """Return a digest of what makes a push itself.

    The end of a job comes from one sender whatever the job, so two that end in the same second
    differ in their MsgID alone. Of one job everything counts that is said of it: other counts, or
    the same ones said later, are another push, and what they mean is the ledger's to decide.
    """
    said = _said_of_job(fields) if kind == finish.EVENT else None
    if said is not None:
        parts = [kind, said]
    elif fields.get("MsgId"):
        parts = [kind, sender, str(fields["MsgId"])]
    else:
        names = ("CreateTime", "EventKey", "MsgID", "Status")
        parts = [kind, sender, *(str(fields.get(name, "")) for name in names)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _said_of_job(fields: Mapping[str, Any]) -> str | None:
    """Return all that the end of a job says, the same in either form; None: of no job."""
    try:
        event = finish.read(fields)
    except UnreadableFinishError:
        return None
    return json.dumps(asdict(event), default=str)


def _number(value: object, *, most: int) -> int | None:
    # Digits of other scripts are no number of WeChat's; a long text is none of any size.
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < len(str(most)) + 1):
        return None
    number = int(text)
    return number if number <= most else None


def _moment(value: object) -> datetime | None:
    # Up to the year 2286; a time of the database's begins in year 1 and ends in 9999.
    seconds = _number(value, most=10**10 - 1)
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
