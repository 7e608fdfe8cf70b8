"""Followers and their pages as bytes, and what is no page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broadcast.wechat.api.users import Page, TagFollowers, UserGet, UserInfo, UserInfos
from broadcast.wechat.call_errors import APIError, InvalidRequestError, UnknownOutcomeError
from broadcast.wechat.endpoint import RawReply, Request

ANNA, BEN = "oTEST0000000000000000000001A", "oTEST-_00000000000000000001a"
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def read(request: Request[Any], reply: object, *, date: datetime | None = NOON) -> Any:
    body = json.dumps(reply).encode()
    raw = RawReply(endpoint=request.path, status=200, elapsed_ms=500, body=body, date=date)
    return request.read(raw)


def listed(*openids: str, **more: object) -> dict[str, object]:
    return {"total": 23_000, "count": len(openids), "data": {"openid": openids}, **more}


def test_a_page_says_who_follows_how_many_in_all_and_where_to_go_on() -> None:
    page: Page = read(UserGet(next_openid=ANNA), listed(ANNA, BEN, next_openid=BEN))

    assert (list(page.openids), page.next_openid, page.total) == ([ANNA, BEN], BEN, 23_000)
    assert page.asked_at == NOON - timedelta(milliseconds=500)
    assert UserGet(next_openid=ANNA).query() == {"next_openid": ANNA}


@pytest.mark.parametrize(
    "reply",
    [
        {"total": 23_000, "count": 0, "next_openid": ""},
        {"total": 23_000, "count": 0},
        {"total": 0, "count": 0, "data": {"openid": []}, "next_openid": ""},
    ],
)
def test_an_empty_page_ends_the_list(reply: dict[str, object]) -> None:
    page: Page = read(UserGet(), reply, date=None)

    assert (list(page.openids), page.next_openid, page.asked_at) == ([], "", None)


@pytest.mark.parametrize(
    "reply",
    [
        {"count": 0, "next_openid": ""},
        {"total": -1, "count": 0},
        {"total": 2, "count": 2, "next_openid": BEN},
        {"total": 2, "count": 2, "data": {"openid": [ANNA, 7]}},
        listed(ANNA[:-1], BEN + "x"),
        listed("o" + "!" * 27),
        listed(ANNA, next_openid="o"),
    ],
)
def test_what_is_no_page_ends_no_list(reply: dict[str, object]) -> None:
    with pytest.raises(UnknownOutcomeError):
        read(UserGet(), reply)


def test_a_tags_page_has_no_total_and_its_own_name_of_the_tag() -> None:
    request = TagFollowers(tag_id=102, next_openid=ANNA)
    body = request.body()
    assert isinstance(body.data, bytes)

    page: Page = read(request, {"count": 1, "data": {"openid": [BEN]}, "next_openid": BEN})

    assert json.loads(body.data) == {"tagid": 102, "next_openid": ANNA}
    assert (list(page.openids), page.total) == ([BEN], None)
    with pytest.raises(InvalidRequestError):
        TagFollowers(tag_id=-1).body()


def test_everybody_who_was_asked_for_must_be_answered() -> None:
    request = UserInfos(openids=[ANNA, BEN])
    said = [
        {"openid": BEN, "subscribe": 0},
        {"openid": ANNA, "subscribe": 1, "language": "zh", "subscribe_time": 1_700_000_000},
    ]
    body = request.body()
    assert isinstance(body.data, bytes)

    assert json.loads(body.data) == {"user_list": [{"openid": ANNA}, {"openid": BEN}]}
    since = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert read(request, {"user_info_list": said}) == {
        ANNA: UserInfo(follows=True, since=since),
        BEN: UserInfo(follows=False, since=None),
    }
    for unsaid in ({}, {"subscribe_time": 0}, {"subscribe_time": 10**12}):
        rows = [{"openid": ANNA, "subscribe": 1} | unsaid, said[0]]
        assert read(request, {"user_info_list": rows})[ANNA] == UserInfo(follows=True, since=None)
    for wrong in ([], said[:1], [{"openid": ANNA, "subscribe": "1"}, said[0]]):
        with pytest.raises(UnknownOutcomeError):
            read(request, {"user_info_list": wrong})
    with pytest.raises(APIError):
        read(request, {"errcode": 40003, "errmsg": "invalid openid"})
    with pytest.raises(InvalidRequestError):
        UserInfos(openids=[]).body()
