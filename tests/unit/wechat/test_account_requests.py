"""Preview, delete, speed, tags and quota as bytes, key by key as WeChat's pages have them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from broadcast.wechat.api.mass import MassPreview
from broadcast.wechat.api.mass_control import LEVELS, MassDelete, Speed, SpeedGet, SpeedSet
from broadcast.wechat.api.quotas import ClearQuota, ClearQuotaBySecret, QuotaClear, RidGet
from broadcast.wechat.api.tags import (
    AddToTag,
    RemoveFromTag,
    TagCreate,
    TagDelete,
    TagInfo,
    TagRename,
    TagsGet,
)
from broadcast.wechat.call_errors import APIError, InvalidRequestError, UnknownOutcomeError
from broadcast.wechat.endpoint import RawReply, Request

OPENID = "oTEST0000000000000000000001A"
TEXT = {"msgtype": "text", "text": {"content": "您好"}}
SECRET = SecretStr("0123456789abcdef")
CARD = {"msgtype": "wxcard", "wxcard": {"card_id": "pX"}}


def read(request: Request[Any], reply: object) -> Any:
    body = json.dumps(reply).encode()
    return request.read(
        RawReply(endpoint=f"POST {request.path}", status=200, elapsed_ms=1, body=body)
    )


@pytest.mark.parametrize(
    ("request_", "path", "body"),
    [
        (
            MassPreview(receiver=OPENID, content=TEXT),
            "message/mass/preview",
            {"touser": OPENID, **TEXT},
        ),
        (
            MassPreview(receiver="editor_01", content=CARD),
            "message/mass/preview",
            {"towxname": "editor_01", **CARD},
        ),
        (MassDelete(msg_id=3147494276), "message/mass/delete", {"msg_id": 3147494276}),
        (
            MassDelete(msg_id=3147494276, article_idx=2),
            "message/mass/delete",
            {"msg_id": 3147494276, "article_idx": 2},
        ),
        (
            MassDelete(url="http://mp.weixin.qq.com/s/A"),
            "message/mass/delete",
            {"url": "http://mp.weixin.qq.com/s/A"},
        ),
        (SpeedGet(), "message/mass/speed/get", {}),
        (SpeedSet(level=0), "message/mass/speed/set", {"speed": 0}),
        (TagCreate(name="老客户"), "tags/create", {"tag": {"name": "老客户"}}),
        (TagRename(tag_id=100, name="b"), "tags/update", {"tag": {"id": 100, "name": "b"}}),
        (TagDelete(tag_id=100), "tags/delete", {"tag": {"id": 100}}),
        (
            AddToTag(tag_id=100, openids=[OPENID]),
            "tags/members/batchtagging",
            {"tagid": 100, "openid_list": [OPENID]},
        ),
        (
            RemoveFromTag(tag_id=100, openids=[OPENID] * 50),
            "tags/members/batchuntagging",
            {"tagid": 100, "openid_list": [OPENID] * 50},
        ),
        (ClearQuota(appid="wx1"), "clear_quota", {"appid": "wx1"}),
        (
            QuotaClear(cgi_path="/cgi-bin/user/get"),
            "openapi/quota/clear",
            {"cgi_path": "/cgi-bin/user/get"},
        ),
        (
            RidGet(rid="653bb509-24e6f87d-3904c018"),
            "openapi/rid/get",
            {"rid": "653bb509-24e6f87d-3904c018"},
        ),
    ],
)
def test_a_request_has_the_path_and_the_keys_of_its_page(
    request_: Request[Any], path: str, body: dict[str, Any]
) -> None:
    written = request_.body()

    assert written is not None
    assert isinstance(written.data, bytes)
    assert request_.path == f"/cgi-bin/{path}"
    assert json.loads(written.data) == body


def test_clearing_without_a_token_keeps_the_secret_wrapped_until_it_leaves() -> None:
    asked = ClearQuotaBySecret(appid="wx1", secret=SECRET)
    body = asked.body()

    assert body is not None
    assert body.data == {"appid": "wx1", "appsecret": SECRET}
    assert not asked.needs_token
    assert SECRET.get_secret_value() not in repr(asked)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (MassPreview(receiver="", content=TEXT), "receiver"),
        (MassPreview(receiver="o" * 29, content=TEXT), "receiver"),
        (MassPreview(receiver=OPENID, content={**TEXT, "touser": "x"}), "content"),
        (MassDelete(), "msg_id"),
        (MassDelete(msg_id=1, url="u"), "msg_id"),
        (MassDelete(msg_id=0), "msg_id"),
        (MassDelete(msg_id=1, article_idx=0), "article_idx"),
        (MassDelete(url="u", article_idx=1), "article_idx"),
        (SpeedSet(level=5), "speed"),
        (SpeedSet(level=-1), "speed"),
        (SpeedSet(level=True), "speed"),
        (TagCreate(name=" "), "name"),
        (TagCreate(name="n" * 31), "name"),
        (TagDelete(tag_id=2), "tag_id"),
        (TagRename(tag_id=0, name="a"), "tag_id"),
        (AddToTag(tag_id=1, openids=[OPENID]), "tag_id"),
        (AddToTag(tag_id=100, openids=[]), "openid_list"),
        (AddToTag(tag_id=100, openids=[OPENID] * 51), "openid_list"),
        (RemoveFromTag(tag_id=100, openids=["short"]), "openid_list"),
        (QuotaClear(cgi_path="cgi-bin/user/get"), "cgi_path"),
    ],
)
def test_what_wechat_would_refuse_is_not_asked(request_: Request[Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        request_.body()

    assert caught.value.field == field


def test_replies_are_read_with_and_without_an_errcode() -> None:
    tags = {"tags": [{"id": 2, "name": "星标组", "count": 0}, {"id": 102, "name": "VIP"}]}

    assert read(MassPreview(receiver=OPENID, content=TEXT), {"errcode": 0, "msg_id": 7}).msg_id == 7
    assert read(MassPreview(receiver=OPENID, content=TEXT), {"errcode": 0}).msg_id is None
    assert read(SpeedGet(), {"speed": 3, "realspeed": 15}) == Speed(
        level=3, followers_a_minute=150_000
    )
    assert read(SpeedSet(level=1), {"errcode": 0, "errmsg": ""}) is None
    assert read(TagsGet(), tags) == [
        TagInfo(id=2, name="星标组", count=0),
        TagInfo(id=102, name="VIP", count=None),
    ]
    assert read(TagCreate(name="a"), {"tag": {"id": 134, "name": "a"}}).id == 134
    seen = read(RidGet(rid="r"), {"errcode": 0, "request": {"client_ip": "1.2.3.4"}})
    assert seen.client_ip == "1.2.3.4"
    assert seen.request_body is None


def test_what_wechat_received_shows_no_token() -> None:
    url = "https://api.weixin.qq.com/cgi-bin/message/mass/send?access_token=81_SECRET&x=1"
    request = {"request_url": url, "request_body": "{}", "response_body": "{}"}

    seen = read(RidGet(rid="r"), {"errcode": 0, "request": request})

    assert "81_SECRET" not in f"{seen}{seen.request_url}"
    assert (seen.request_url or "").endswith("&x=1")


@pytest.mark.parametrize(
    "request_",
    [SpeedGet(), TagsGet(), TagCreate(name="a"), RidGet(rid="r")],
)
def test_a_reply_that_says_nothing_is_no_answer(request_: Request[Any]) -> None:
    for reply in ({}, {"tags": [1]}, {"tag": {"id": "x"}}, {"speed": "3"}):
        with pytest.raises(UnknownOutcomeError):
            read(request_, reply)


@pytest.mark.parametrize(
    "request_",
    [
        MassPreview(receiver=OPENID, content=TEXT),
        MassDelete(msg_id=1),
        SpeedSet(level=1),
        TagDelete(tag_id=100),
        AddToTag(tag_id=100, openids=[OPENID]),
        ClearQuota(appid="wx1"),
        QuotaClear(cgi_path="/x"),
        ClearQuotaBySecret(appid="wx1", secret=SECRET),
    ],
)
def test_an_errcode_is_an_error_with_its_rid(request_: Request[Any]) -> None:
    with pytest.raises(APIError) as caught:
        read(request_, {"errcode": 48006, "errmsg": "forbid rid: 653bb509-24e6f87d-3904c018"})

    assert (caught.value.errcode, caught.value.rid) == (48006, "653bb509-24e6f87d-3904c018")


def test_the_levels_are_those_of_the_page() -> None:
    assert dict(LEVELS) == {0: 800_000, 1: 600_000, 2: 450_000, 3: 300_000, 4: 100_000}
