"""POST message/mass/preview: one message to one person (section 4.1)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from simulator.core.endpoint import Call, Fields
from simulator.core.errors import RefusalError
from simulator.core.followers import NOBODY
from simulator.core.world import World
from simulator.endpoints.mass import content
from simulator.endpoints.media.references import check_reference
from simulator.openid import MalformedOpenIDError, pack

DAILY_LIMIT = 100
FIRST_MSG_ID = 34_182


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One that was sent."""

    msg_id: int
    appid: str
    openid: str
    wxname: str | None
    at: float
    content: Fields


class Previews:
    """All of them, in their order."""

    def __init__(self, _world: World) -> None:
        self.sent: list[Preview] = []
        self.ids = itertools.count(FIRST_MSG_ID)


def check_message(call: Call) -> None:
    """The message is as for mass/send, but that a picture stands in `image`, alone."""
    content.check_msgtype(call.message)
    if call.message["msgtype"] == "image":
        content.check_single_image(call.message)
    else:
        content.check_content(call.message, call.world.switches)
    kinds = content.wanted_kinds(call.message)
    for media_id in content.media_ids(call.message) if kinds else ():
        check_reference(call.world, call.account, (media_id, kinds))


def preview(call: Call) -> Fields:
    """Send it: 40132 an unknown WeChat id, 40003, 43004, 43019."""
    openid, previews = _receiver(call), call.world.part(Previews)
    sent = Preview(
        msg_id=next(previews.ids),
        appid=call.account.appid,
        openid=openid,
        wxname=call.message.get("towxname"),
        at=call.world.now(),
        content=content.content_of(call.message),
    )
    previews.sent.append(sent)
    call.record.msg_id = sent.msg_id
    return {"errcode": 0, "errmsg": call.world.switches.preview_text, "msg_id": sent.msg_id}


def _receiver(call: Call) -> str:
    """Return the receiver; `towxname` wins."""
    wxname = call.message.get("towxname")
    if wxname and not isinstance(wxname, str):
        raise RefusalError(40132)
    openid = call.account.wxnames.get(wxname) if wxname else call.message.get("touser")
    if wxname and openid is None:
        raise RefusalError(40132)
    try:
        number = call.account.followers.known(pack([openid]))[0]
    except MalformedOpenIDError as error:
        raise RefusalError(40003) from error
    if number == NOBODY:
        raise RefusalError(40003)
    if not call.account.followers.follows(int(number)):
        raise RefusalError(43004)
    if call.account.followers.blocked.holds(np.array([number]))[0]:
        raise RefusalError(43019)
    return str(openid)
