"""Drafts on the wire, and what comes back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from broadcast.wechat.api.drafts import Article, Draft, DraftAdd, DraftBatchGet, DraftGet, Drafts
from broadcast.wechat.call_errors import APIError, InvalidRequestError, UnknownOutcomeError
from broadcast.wechat.endpoint import Request
from tests.integration.wechat.conftest import Connect, Serve
from tests.integration.wechat.servers import TOKEN, RawServer, says

#: As WeChat's page "draft/get" shows it.
STORED = {
    "article_type": "news",
    "title": "周报",
    "author": "运营",
    "digest": "本周",
    "url": "http://t/1",
    "content": "<p>正文</p>",
    "content_source_url": "https://example.com/1",
    "thumb_media_id": "T",
    "show_cover_pic": 0,
    "need_open_comment": 1,
    "only_fans_can_comment": 0,
    "thumb_url": "http://c",
}
ARTICLE = Article(
    title="周报",
    author="运营",
    digest="本周",
    content="<p>正文</p>",
    thumb_media_id="T",
    content_source_url="https://example.com/1",
    need_open_comment=1,
    url="http://t/1",
    thumb_url="http://c",
)


def call(connect: Connect, server: RawServer, request: Request[Any]) -> Any:
    return connect(server.url()).call(request, token=SecretStr(TOKEN))


def test_a_new_draft_goes_out_with_the_keys_of_wechats_page(serve: Serve, connect: Connect) -> None:
    server = serve(says({"media_id": "D" * 43}))

    media_id = call(connect, server, DraftAdd(articles=[ARTICLE]))

    assert media_id == "D" * 43
    (seen,) = server.requests
    assert seen.path == "/cgi-bin/draft/add"
    assert "周报".encode() in seen.body
    told = {k: v for k, v in STORED.items() if k not in {"url", "thumb_url", "show_cover_pic"}}
    assert json.loads(seen.body) == {"articles": [told]}


def test_a_draft_is_read_as_it_is_stored(serve: Serve, connect: Connect) -> None:
    server = serve(says({"news_item": [STORED], "create_time": 1, "update_time": 2}))

    articles = call(connect, server, DraftGet(media_id="D1"))

    assert articles == (ARTICLE,)
    (seen,) = server.requests
    assert (seen.path, json.loads(seen.body)) == ("/cgi-bin/draft/get", {"media_id": "D1"})


def test_a_message_of_images_names_them(serve: Serve, connect: Connect) -> None:
    images = {"image_list": [{"image_media_id": "A"}, {"image_media_id": "B"}]}
    item = {"article_type": "newspic", "title": "图", "image_info": images}
    server = serve(says({"news_item": [item]}))

    (article,) = call(connect, server, DraftGet(media_id="D1"))

    assert (article.article_type, article.images) == ("newspic", ("A", "B"))


def test_a_page_of_drafts_is_asked_for_without_contents(serve: Serve, connect: Connect) -> None:
    item = {"media_id": "D1", "update_time": 1_700_000_000, "content": {"news_item": [STORED]}}
    server = serve(says({"total_count": 21, "item_count": 1, "item": [item]}))

    page = call(connect, server, DraftBatchGet(offset=20))

    at = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert page == Drafts(
        total=21, drafts=(Draft(media_id="D1", updated_at=at, articles=(ARTICLE,)),)
    )
    (seen,) = server.requests
    assert json.loads(seen.body) == {"offset": 20, "count": 20, "no_content": 1}


@pytest.mark.parametrize(
    "request_", [DraftAdd(articles=[]), DraftBatchGet(count=21), DraftBatchGet(offset=-1)]
)
def test_what_wechat_cannot_take_is_refused_before_the_call(
    serve: Serve, connect: Connect, request_: Request[Any]
) -> None:
    server = serve(says({}))
    with pytest.raises(InvalidRequestError):
        call(connect, server, request_)
    assert not server.requests


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (DraftAdd(articles=[ARTICLE]), {"errmsg": "ok"}),
        (DraftGet(media_id="D1"), {"news_item": []}),
        (DraftGet(media_id="D1"), {"news_item": "none"}),
        (DraftBatchGet(), {"total_count": 1}),
        (DraftBatchGet(), {"total_count": 1, "item": [{"content": {}}]}),
    ],
)
def test_a_reply_that_says_nothing_is_no_answer(
    serve: Serve, connect: Connect, request_: Request[Any], reply: dict[str, object]
) -> None:
    with pytest.raises(UnknownOutcomeError):
        call(connect, serve(says(reply)), request_)


def test_a_draft_that_is_gone_is_wechats_own_answer(serve: Serve, connect: Connect) -> None:
    server = serve(says({"errcode": 40007, "errmsg": "invalid media_id rid: 1-2-3"}))
    with pytest.raises(APIError) as told:
        call(connect, server, DraftGet(media_id="D1"))
    assert (told.value.errcode, told.value.errmsg) == (40007, "invalid media_id")
