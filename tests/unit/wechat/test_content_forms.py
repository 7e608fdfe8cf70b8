"""Each content at each endpoint, key by key as WeChat documents it (docs/wechat-api.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broadcast.wechat.api.mass import MassSend, MassSendAll, of_preview

OPENIDS = b"oTEST0000000000000000000001A" + b"oTEST0000000000000000000002B"
KEY = "job42-b0003-9f31c2"

IMAGES = {
    "media_ids": ["M1", "M2"],
    "recommend": "新品",
    "need_open_comment": 1,
    "only_fans_can_comment": 0,
}
#: The documented objects of mass/send (section 2.1).
CONTENTS: dict[str, dict[str, Any]] = {
    "text": {"msgtype": "text", "text": {"content": "您好，本周五停机维护"}},
    "image": {"msgtype": "image", "images": IMAGES},
    "voice": {"msgtype": "voice", "voice": {"media_id": "V1"}},
    "mpnews": {"msgtype": "mpnews", "mpnews": {"media_id": "D1"}, "send_ignore_reprint": 1},
    "mpvideo": {
        "msgtype": "mpvideo",
        "mpvideo": {"media_id": "X1", "title": "t", "description": "d"},
    },
    "wxcard": {"msgtype": "wxcard", "wxcard": {"card_id": "pX1"}},
}
#: Where sendall and preview document another one (sections 3 and 4.1).
OF_SENDALL = {**CONTENTS, "mpvideo": {"msgtype": "mpvideo", "mpvideo": {"media_id": "X1"}}}
OF_PREVIEW: dict[str, list[dict[str, Any]]] = {
    **{kind: [content] for kind, content in CONTENTS.items()},
    "image": [{"msgtype": "image", "image": {"media_id": one}} for one in ("M1", "M2")],
    "mpnews": [{"msgtype": "mpnews", "mpnews": {"media_id": "D1"}}],
}


def written(request: MassSend | MassSendAll) -> object:
    data = request.body().data
    assert isinstance(data, bytes)
    return json.loads(data)


@pytest.mark.parametrize("kind", CONTENTS)
def test_mass_send_writes_the_content_as_documented(kind: str) -> None:
    body = written(MassSend(openids=OPENIDS, content=CONTENTS[kind], clientmsgid=KEY))
    touser = ["oTEST0000000000000000000001A", "oTEST0000000000000000000002B"]
    assert body == {"touser": touser, **CONTENTS[kind], "clientmsgid": KEY}


@pytest.mark.parametrize("kind", CONTENTS)
def test_sendall_writes_the_content_as_documented_for_a_tag_and_for_everybody(kind: str) -> None:
    to_tag = MassSendAll(tag_id=102, content=CONTENTS[kind], clientmsgid=KEY)
    to_all = MassSendAll(is_to_all=True, content=CONTENTS[kind], clientmsgid=KEY)
    rest = {**OF_SENDALL[kind], "clientmsgid": KEY}
    assert written(to_tag) == {"filter": {"is_to_all": False, "tag_id": 102}, **rest}
    assert written(to_all) == {"filter": {"is_to_all": True}, **rest}


def test_the_extra_of_a_coupon_is_for_a_preview_alone() -> None:
    card = {"msgtype": "wxcard", "wxcard": {"card_id": "pX1", "card_ext": '{"code":""}'}}
    sent = MassSend(openids=OPENIDS, content=card, clientmsgid=KEY)
    to_all = MassSendAll(is_to_all=True, content=card, clientmsgid=KEY)

    for body in (written(sent), written(to_all)):
        assert isinstance(body, dict)
        assert body["wxcard"] == {"card_id": "pX1"}
    assert list(of_preview(card)) == [card]


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_preview_has_one_image_a_call_and_nothing_of_a_broadcast_s_own(kind: str) -> None:
    assert list(of_preview(CONTENTS[kind])) == OF_PREVIEW[kind]
