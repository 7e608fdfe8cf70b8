"""What holds for every endpoint, whatever it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.core.endpoint import access_token
from simulator.endpoints import every_endpoint
from tests.simulator.expectations import refused

if TYPE_CHECKING:
    from tests.kit.simulator import Simulator
    from tests.simulator.wire import Wire

METHODS = {endpoint.path: endpoint.method for endpoint in every_endpoint()}
WITH_TOKEN = sorted(one.path for one in every_endpoint() if one.auth is access_token)


@pytest.mark.parametrize("path", METHODS)
def test_every_endpoint_can_fail(wire: Wire, simulator: Simulator, path: str) -> None:
    query = {"access_token": wire.token}
    simulator.fault("errcode", errcode=-1, when="before", path=path)
    reply = wire.json(METHODS[path], path, params=query, json={})
    refused(reply, -1, "system error", section="13")
    simulator.fault("html", status=502, when="before", path=path)
    assert wire.call(METHODS[path], path, params=query, json={}).status_code == 502
    simulator.fault("drop_unread", path=path)
    with pytest.raises(OSError, match=r"aborted|reset"):
        wire.call(METHODS[path], path, params=query, json={})


@pytest.mark.parametrize("path", WITH_TOKEN)
def test_every_endpoint_wants_a_token_and_its_method(wire: Wire, path: str) -> None:
    missing = wire.json(METHODS[path], path, json={})
    refused(missing, 41001, "access_token missing", section="1.3")
    other, errcode = ("POST", 43001) if METHODS[path] == "GET" else ("GET", 43002)
    assert wire.json(other, path, params={"access_token": wire.token})["errcode"] == errcode


@pytest.mark.parametrize("path", WITH_TOKEN)
def test_no_endpoint_breaks_over_a_body_of_nonsense(wire: Wire, path: str) -> None:
    """Fields that are something else: a refusal, never a page of the server's."""
    query = {"access_token": wire.token, "type": "image", "openid": "x", "media_id": "x"}
    nonsense: tuple[Any, ...] = (None, [], {"media_ids": 5}, -1)
    for value in nonsense:
        wire.json(METHODS[path], path, params=query, json=dict.fromkeys(FIELDS, value))
    if METHODS[path] == "POST":
        for name in FIELDS:
            wire.json("POST", path, params=query, json=SOUND | {name: [{}]})


SOUND = {
    "msgtype": "image",
    "image": {"media_id": "M"},
    "touser": ["x", "y"],
    "tagid": 2,
    "filter": {"is_to_all": False, "tag_id": 2},
    "type": "image",
    "tag": {"name": "n"},
    "articles": [{"title": "t", "content": "c", "thumb_media_id": "x", "article_type": []}],
}
FIELDS = (
    *("touser", "towxname", "msgtype", "text", "filter", "clientmsgid", "image", "images"),
    *("msg_id", "article_idx", "url", "speed", "media_id", "title", "description", "articles"),
    *("index", "offset", "count", "type", "no_content", "user_list", "openid", "remark", "tag"),
    *("tagid", "openid_list", "next_openid", "begin_openid", "cgi_path", "appid", "rid"),
)
