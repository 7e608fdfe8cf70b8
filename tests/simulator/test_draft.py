"""draft/*: section 7.5 of the fact sheet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.conftest import OTHER
from tests.simulator.expectations import refused, submitted
from tests.simulator.files import JPEG, upload, uploaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire


@pytest.fixture
def thumb(wire: Wire) -> str:
    return str(upload(wire, "material/add_material", JPEG, type="thumb")["media_id"])


def article(thumb: str, /, **fields: Any) -> dict[str, Any]:
    return {"title": "周报", "content": "<p>正文</p>", "thumb_media_id": thumb} | fields


def add(wire: Wire, *articles: dict[str, Any]) -> dict[str, Any]:
    return wire.post("draft/add", {"articles": list(articles)})


def draft(wire: Wire, media_id: str) -> dict[str, Any]:
    return wire.post("draft/get", {"media_id": media_id})


def send(wire: Wire, simulator: Simulator, media_id: str, **fields: Any) -> dict[str, Any]:
    content = {"msgtype": "mpnews", "mpnews": {"media_id": media_id}}
    return wire.post("message/mass/send", {"touser": simulator.openids(3), **content, **fields})


def test_a_draft_is_kept_and_shown(wire: Wire, thumb: str) -> None:
    fields = {
        "author": "运营",
        "content_source_url": "https://example.com/1",
        "need_open_comment": 1,
    }
    reply = add(wire, article(thumb, **fields), article(thumb, title="第二篇", digest="摘要"))
    assert set(reply) == {"media_id"}
    first, second = draft(wire, reply["media_id"])["news_item"]
    assert {name: first[name] for name in fields} == fields
    assert (first["title"], first["digest"]) == ("周报", "正文"), "the first 54 of the text"
    assert (second["title"], second["digest"]) == ("第二篇", "摘要")
    assert first["thumb_media_id"] == thumb
    assert first["thumb_url"].startswith("http://mmbiz.qpic.cn/")
    assert first["url"] != second["url"]
    assert first["only_fans_can_comment"] == 0


@pytest.mark.parametrize(
    ("fields", "errcode", "words"),
    [
        ({"title": "字" * 33}, 45003, "title size out of limit"),
        ({"title": ""}, 45003, "title size out of limit"),
        ({"author": "字" * 17}, 45110, "author size out of limit"),
        ({"digest": "字" * 129}, 45004, "description size out of limit"),
        ({"content": ""}, 44004, "empty content"),
        ({"content": "字" * 20_000}, 45002, "content size out of limit"),
        ({"content_source_url": "https://example.com/" + "x" * 1024}, 45005, "url size out of"),
        ({"thumb_media_id": None}, 40007, "invalid media_id"),
    ],
)
def test_what_an_article_may_not_be(
    wire: Wire, thumb: str, fields: dict[str, Any], errcode: int, words: str
) -> None:
    reply = add(wire, article(thumb) | fields)
    assert reply["errcode"] == errcode, f"section 7.5 wants {errcode}, got {reply}"
    assert reply["errmsg"].startswith(words)


def test_the_cover_is_a_permanent_picture_of_the_account(
    wire: Wire, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    temporary = uploaded(wire, "thumb", JPEG)
    foreign = upload(wire_of(OTHER), "material/add_material", JPEG, type="thumb")["media_id"]
    for media_id in (temporary, foreign):
        refused(add(wire, article(media_id)), 40007, "invalid media_id", section="7.5")


def test_scripts_and_pictures_of_foreign_hosts_are_taken_out(wire: Wire, thumb: str) -> None:
    ours = upload(wire, "media/uploadimg", JPEG)["url"]
    content = (
        f'<p onclick="x()">一</p><script>alert(1)</script><img src="{ours}">'
        '<img src="https://example.com/a.jpg" width="1">'
    )
    media_id = add(wire, article(thumb, content=content))["media_id"]
    (kept,) = draft(wire, media_id)["news_item"]
    assert kept["content"] == f'<p>一</p><img src="{ours}"><img width="1">'


def test_drafts_are_listed_what_was_edited_last_first(
    wire: Wire, thumb: str, simulator: Simulator
) -> None:
    first = add(wire, article(thumb, title="第一"))["media_id"]
    simulator.shift_clock(10)
    second = add(wire, article(thumb, title="第二"))["media_id"]
    simulator.shift_clock(10)
    changed = article(thumb, title="第一改")
    assert (
        wire.post("draft/update", {"media_id": first, "index": 0, "articles": changed})["errcode"]
        == 0
    )
    listed = wire.post("draft/batchget", {"offset": 0, "count": 20, "no_content": 1})
    assert (listed["total_count"], listed["item_count"]) == (2, 2)
    assert [item["media_id"] for item in listed["item"]] == [first, second]
    (item,) = listed["item"][0]["content"]["news_item"]
    assert (item["title"], item["content"]) == ("第一改", "")
    assert listed["item"][0]["update_time"] > listed["item"][1]["update_time"]
    page = wire.post("draft/batchget", {"offset": 1, "count": 1})
    assert page["item"][0]["content"]["news_item"][0]["content"] == "<p>正文</p>"
    query = {"access_token": wire.token}
    assert wire.json("GET", "draft/count", params=query) == {"total_count": 2}


def test_an_article_that_is_not_there_is_not_edited(wire: Wire, thumb: str) -> None:
    body = {"media_id": add(wire, article(thumb))["media_id"], "articles": article(thumb)}
    refused(
        wire.post("draft/update", body | {"index": 1}), 40060, "invalid article idx", section="7.5"
    )


def test_a_deleted_draft_is_unknown(wire: Wire, thumb: str, simulator: Simulator) -> None:
    media_id = add(wire, article(thumb))["media_id"]
    assert wire.post("draft/delete", {"media_id": media_id})["errcode"] == 0
    refused(draft(wire, media_id), 40007, "invalid media_id", section="9.2")
    refused(send(wire, simulator, media_id), 40007, "invalid media_id", section="9.2")


def test_a_draft_of_another_account_cannot_be_sent(
    wire: Wire, thumb: str, simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    media_id = add(wire, article(thumb))["media_id"]
    other = wire_of(OTHER)
    body = {
        "touser": simulator.openids(2, appid=OTHER.appid),
        "msgtype": "mpnews",
        "mpnews": {"media_id": media_id},
    }
    refused(other.post("message/mass/send", body), 40007, "invalid media_id", section="9.2")
    refused(draft(other, media_id), 40007, "invalid media_id", section="9.2")


def test_what_was_sent_leaves_the_box_and_its_id_goes_on(
    wire: Wire, thumb: str, simulator: Simulator
) -> None:
    """Section 7.5: official that it leaves; one id for several batches is common practice."""
    media_id = add(wire, article(thumb))["media_id"]
    submitted(send(wire, simulator, media_id, clientmsgid="a"))
    refused(draft(wire, media_id), 40007, "invalid media_id", section="7.5")
    assert wire.post("draft/batchget", {"offset": 0, "count": 20})["item"] == []
    submitted(send(wire, simulator, media_id, clientmsgid="b"))


def test_a_draft_may_stay_or_die_with_its_first_accepted_batch(
    wire: Wire, thumb: str, simulator: Simulator
) -> None:
    simulator.set_switches(draft_leaves_box=False, draft_dies_after_send=True)
    media_id = add(wire, article(thumb))["media_id"]
    submitted(send(wire, simulator, media_id, clientmsgid="a"))
    assert draft(wire, media_id)["news_item"][0]["title"] == "周报"
    refused(
        send(wire, simulator, media_id, clientmsgid="b"), 40007, "invalid media_id", section="14"
    )


def test_a_person_edits_a_draft_in_the_console(
    wire: Wire, thumb: str, simulator: Simulator
) -> None:
    media_id = add(wire, article(thumb))["media_id"]
    path = f"accounts/{simulator.account.appid}/drafts"
    simulator.admin("POST", f"{path}/{media_id}", {"fields": {"title": "改了"}})
    assert draft(wire, media_id)["news_item"][0]["title"] == "改了"
    assert simulator.admin("GET", path)["drafts"][0]["articles"][0]["title"] == "改了"
    simulator.admin("DELETE", f"{path}/{media_id}")
    assert simulator.admin("GET", path) == {"drafts": []}


def test_eight_articles_fit_and_an_image_message_has_pictures(wire: Wire, thumb: str) -> None:
    assert re.fullmatch(r"[\w-]{43}", add(wire, *[article(thumb)] * 8)["media_id"])
    nine = add(wire, *[article(thumb)] * 9)
    refused(nine, 45008, "article size out of limit", section="7.5")
    refused(add(wire), 44003, "empty news data", section="9.2")
    pictures = {"image_list": [{"image_media_id": thumb}]}
    media_id = add(
        wire,
        {"article_type": "newspic", "title": "图", "content": "文", "image_info": pictures},
    )["media_id"]
    (kept,) = draft(wire, media_id)["news_item"]
    assert (kept["article_type"], kept["image_info"]) == ("newspic", pictures)


def test_an_article_is_no_picture(wire: Wire, thumb: str, simulator: Simulator) -> None:
    media_id = add(wire, article(thumb))["media_id"]
    body = {
        "touser": simulator.openids(2),
        "msgtype": "image",
        "images": {"media_ids": [media_id]},
    }
    refused(wire.post("message/mass/send", body), -1, "system error", section="7.5")
