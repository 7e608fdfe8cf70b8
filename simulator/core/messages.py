"""Events and messages of a follower, as the account's server gets them (section 6.5)."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.core.accounts import Account
from simulator.core.world import World
from simulator.core.xml import Value
from simulator.openid import Numbers


def event_fields(
    account: Account, openid: str, event: str, /, *, moment: float, **more: Value
) -> dict[str, Value]:
    """Return an event; `more` are the fields of its own."""
    return {
        "ToUserName": account.original_id,
        "FromUserName": openid,
        "CreateTime": int(moment),
        "MsgType": "event",
        "Event": event,
        **more,
    }


def text_fields(
    account: Account, openid: str, content: str, /, *, moment: float, msg_id: int
) -> Mapping[str, Value]:
    """Return a text that a follower has written."""
    return {
        "ToUserName": account.original_id,
        "FromUserName": openid,
        "CreateTime": int(moment),
        "MsgType": "text",
        "Content": content,
        "MsgId": msg_id,
    }


def push_each(world: World, account: Account, event: str, *, numbers: Numbers) -> None:
    """Push that these followers came or left, one by one."""
    if account.callback is None or not world.switches.follow_events:
        return
    now = world.now()
    for piece in account.followers.chunks(numbers):
        for openid in account.followers.openids(piece):
            fields = event_fields(account, openid, event, moment=now, EventKey="")
            world.pushes.send(account, fields, moment=now)
