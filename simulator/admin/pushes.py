"""Pushes to an account's server, and followers' messages to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from simulator.admin.request import AdminError, AdminRequest, Answer, Routes, filtered
from simulator.core.accounts import Account
from simulator.core.messages import event_fields, text_fields
from simulator.core.push import Push
from simulator.core.xml import Value
from simulator.openid import pack

FIRST_MESSAGE_ID = 24_000_000_000_000_001


class TextMessage(BaseModel):
    """A text message of a follower."""

    model_config = ConfigDict(extra="forbid")

    openid: str
    content: Annotated[str, Field(min_length=1)]


class Event(BaseModel):
    """Any event: its name, who is said to have sent it, and the fields of its own."""

    model_config = ConfigDict(extra="forbid")

    event: Annotated[str, Field(min_length=1)]
    openid: str | None = None
    """None: the group-send helper."""
    fields: dict[str, JsonValue] = Field(default_factory=dict)


async def pushes(request: AdminRequest) -> Answer:
    """List what was or will be pushed, with every attempt, oldest first."""
    rows = [_summary(one) for one in request.world.pushes]
    return {"pushes": filtered(rows, request.query, names=("appid", "event", "state"))}


async def write(request: AdminRequest) -> Answer:
    """Send a follower's text to the account; the answer is found among the pushes."""
    order, account, now = TextMessage(**await request.json()), request.account, request.world.now()
    pack([order.openid])
    msg_id = FIRST_MESSAGE_ID + len(request.world.pushes)
    fields = text_fields(account, order.openid, order.content, moment=now, msg_id=msg_id)
    return _pushed(request, account, fields)


async def happen(request: AdminRequest) -> Answer:
    """Push an event of any name: TEMPLATESENDJOBFINISH, PUBLISHJOBFINISH, MASSSENDJOBFINISH ..."""
    order, account, now = Event(**await request.json()), request.account, request.world.now()
    openid = order.openid or account.followers.helper
    fields = event_fields(account, openid, order.event, moment=now) | order.fields
    return _pushed(request, account, fields)


async def again(request: AdminRequest) -> Answer:
    """Push the same once more, as a push of its own."""
    number = int(request.named["number"])
    found = next((one for one in request.world.pushes if one.number == number), None)
    if found is None:
        message = f"no push has the number {number}"
        raise AdminError(message)
    return _summary(request.world.pushes.again(found))


async def check_url(request: AdminRequest) -> Answer:
    """Check the URL as WeChat does when it is saved: the server must echo a word."""
    callback = request.account.callback
    if callback is None:
        message = "the account has no callback"
        raise AdminError(message)
    return asdict(await request.world.pushes.check_url(callback))


ROUTES: Routes = (
    ("GET", "pushes", pushes),
    ("POST", "pushes/{number:int}/again", again),
    ("POST", "accounts/{appid}/messages", write),
    ("POST", "accounts/{appid}/events", happen),
    ("POST", "accounts/{appid}/check-callback", check_url),
)


def _pushed(request: AdminRequest, account: Account, fields: Mapping[str, Value]) -> Answer:
    before = len(request.world.pushes)
    request.world.pushes.send(account, fields, moment=request.world.now())
    sent = [one.number for one in request.world.pushes if one.number > before]
    return {"pushes": sent}


def _summary(one: Push) -> Answer:
    names = ("number", "appid", "event", "due", "fault", "state")
    return {
        **{name: getattr(one, name) for name in names},
        "url": one.callback.url,
        "mode": one.envelope.mode,
        "format": one.envelope.format,
        "body": one.envelope.plain,
        "sent": one.envelope.body,
        "attempts": [asdict(attempt) for attempt in one.attempts],
    }
