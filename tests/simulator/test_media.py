"""media/* and material/*: section 7 of the fact sheet."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.conftest import ACCOUNTS, OTHER
from tests.simulator.expectations import refused, submitted
from tests.simulator.files import BMP, GIF, JPEG, MP4, PNG, WAV, amr, mp3, upload, uploaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire

TEMPORARY = "media/upload"
PERMANENT = "material/add_material"
DAY_S = 86_400


def add_video(wire: Wire, **form: Any) -> dict[str, Any]:
    words = {"description": json.dumps({"title": "开课", "introduction": "周五"} | form)}
    return upload(wire, PERMANENT, MP4, type="video", form=words)


def mass(wire: Wire, simulator: Simulator, **content: Any) -> dict[str, Any]:
    return wire.post("message/mass/send", {"touser": simulator.openids(2), **content})


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image", JPEG),
        ("image", PNG),
        ("image", GIF),
        ("voice", amr(59)),
        ("voice", mp3(59, tagged=True)),
        ("video", MP4),
        ("thumb", JPEG),
    ],
)
def test_a_temporary_file_is_taken_and_given_back(wire: Wire, kind: str, content: bytes) -> None:
    reply = upload(wire, TEMPORARY, content, type=kind)
    assert set(reply) == {"type", "media_id", "created_at"}, "section 7.1: no errcode"
    assert reply["type"] == kind
    assert re.fullmatch(r"[\w-]{64}", reply["media_id"]), "section 13: 64 characters"
    query = {"access_token": wire.token, "media_id": reply["media_id"]}
    answer = wire.call("GET", "media/get", params=query)
    if kind == "video":
        assert set(answer.json()) == {"video_url"}
    else:
        assert answer.content == content


@pytest.mark.parametrize(
    ("kind", "content", "errcode", "words"),
    [
        ("image", BMP, 40005, "invalid file type"),
        ("image", b"<html>", 40005, "invalid file type"),
        ("voice", WAV, 40005, "invalid file type"),
        ("video", JPEG, 40005, "invalid file type"),
        ("thumb", PNG, 40005, "invalid file type"),
        ("image", JPEG + bytes(10 * 2**20), 40009, "invalid image size"),
        ("voice", amr(1) + bytes(2 * 2**20), 40010, "invalid voice size"),
        ("video", MP4 + bytes(10 * 2**20), 40011, "invalid video size"),
        ("thumb", JPEG + bytes(64 * 2**10), 40012, "invalid thumb size"),
        ("voice", amr(61), 45007, "playtime out of limit"),
        ("voice", mp3(61), 45007, "playtime out of limit"),
        ("image", b"", 44001, "empty media data"),
        ("news", JPEG, 40004, "invalid media type"),
    ],
)
def test_what_is_no_file_of_that_kind_is_refused(
    wire: Wire, kind: str, content: bytes, errcode: int, words: str
) -> None:
    refused(upload(wire, TEMPORARY, content, type=kind), errcode, words, section="7.1")


def test_a_body_without_a_file_is_refused(wire: Wire) -> None:
    reply = wire.post(f"{TEMPORARY}?type=image", {"media": "x"})
    refused(reply, 41005, "media data missing", section="9.2")


def test_a_temporary_file_dies_after_three_days(wire: Wire, simulator: Simulator) -> None:
    image = uploaded(wire, "image", JPEG)
    simulator.shift_clock(3 * DAY_S - 60)
    later = wire.stable()["access_token"]
    body = json.dumps(
        {
            "touser": simulator.openids(2),
            "msgtype": "image",
            "image": {"media_id": image},
        }
    )

    def send() -> dict[str, Any]:
        query = {"access_token": later}
        return wire.json("POST", "message/mass/send", params=query, data=body)

    submitted(send())
    simulator.shift_clock(61)
    refused(send(), 40007, "invalid media_id", section="7.1")


@pytest.mark.parametrize("kind", ["image", "voice", "thumb"])
def test_a_permanent_file_stays_and_is_listed(wire: Wire, simulator: Simulator, kind: str) -> None:
    content = {"image": BMP, "voice": WAV, "thumb": JPEG}[kind]
    reply = upload(wire, PERMANENT, content, type=kind, filename="a.x")
    assert re.fullmatch(r"[\w-]{43}", reply["media_id"]), "section 13: 43 characters"
    assert ("url" in reply) == (kind != "voice")
    query = {"access_token": wire.token}
    answer = wire.call(
        "POST", "material/get_material", params=query, json={"media_id": reply["media_id"]}
    )
    assert answer.content == content
    if kind != "thumb":
        listed = wire.post("material/batchget_material", {"type": kind, "offset": 0, "count": 20})
        assert (listed["total_count"], listed["item_count"]) == (1, 1)
        assert listed["item"][0]["media_id"] == reply["media_id"]
        assert listed["item"][0]["name"] == "a.x"
    assert wire.post("material/del_material", {"media_id": reply["media_id"]})["errcode"] == 0
    gone = wire.post("material/get_material", {"media_id": reply["media_id"]})
    refused(gone, 40007, "invalid media_id", section="9.2")
    sent = mass(wire, simulator, msgtype="voice", voice={"media_id": reply["media_id"]})
    refused(sent, 40007, "invalid media_id", section="9.2")


def test_material_is_counted_and_listed_newest_first(wire: Wire) -> None:
    first, second = (upload(wire, PERMANENT, JPEG, type="image")["media_id"] for _ in range(2))
    query = {"access_token": wire.token}
    counts = wire.json("GET", "material/get_materialcount", params=query)
    assert counts == {"voice_count": 0, "video_count": 0, "image_count": 2, "news_count": 0}
    body = {"type": "image", "offset": 1, "count": 1}
    assert wire.post("material/batchget_material", body)["item"][0]["media_id"] == first != second
    too_many = wire.post("material/batchget_material", body | {"count": 21})
    refused(too_many, 40035, "invalid args size", section="7")


def test_a_permanent_video_needs_its_words(wire: Wire) -> None:
    media_id = add_video(wire)["media_id"]
    shown = wire.post("material/get_material", {"media_id": media_id})
    assert (shown["title"], shown["description"]) == ("开课", "周五")
    refused(
        add_video(wire, title=""),
        41011,
        "missing required fields! please check document and request json!",
        section="7.4",
    )
    bare = upload(wire, PERMANENT, MP4, type="video")
    refused(bare, 47001, "data format error", section="7.4")


def test_a_picture_in_an_article_has_an_address_and_no_media_id(wire: Wire) -> None:
    reply = upload(wire, "media/uploadimg", PNG)
    assert set(reply) == {"url"}
    assert reply["url"].startswith("http://mmbiz.qpic.cn/")
    refused(upload(wire, "media/uploadimg", GIF), 40005, "invalid file type", section="7.2")
    large = upload(wire, "media/uploadimg", JPEG + bytes(2**20))
    refused(large, 40009, "invalid image size", section="7.2")


def test_a_mass_video_comes_from_uploadvideo(wire: Wire, simulator: Simulator) -> None:
    """Section 7.3: the id of the file itself is no id for a mass send."""
    raw = uploaded(wire, "video", MP4)

    def send(media_id: str) -> dict[str, Any]:
        video = {"media_id": media_id, "title": "开课", "description": "周五"}
        return mass(wire, simulator, msgtype="mpvideo", mpvideo=video)

    words = "this video id must be generated by calling upload api"
    refused(send(raw), 45161, words, section="7")
    body = {"media_id": raw, "title": "开课", "description": "周五"}
    made = wire.post("media/uploadvideo", body)
    assert made["type"] == "video"
    assert made["media_id"] != raw
    submitted(send(made["media_id"]))
    image = uploaded(wire, "image", JPEG)
    refused(
        wire.post("media/uploadvideo", body | {"media_id": image}), -1, "system error", section="7"
    )


def test_media_of_another_kind_or_account_is_refused(
    wire: Wire, simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    voice = uploaded(wire, "voice", amr(1))
    foreign = uploaded(wire_of(OTHER), "image", JPEG)
    mismatch = mass(wire, simulator, msgtype="image", images={"media_ids": [voice]})
    refused(mismatch, -1, "system error", section="7")
    simulator.set_switches(media_mismatch_errcode=40007)
    mismatch = mass(wire, simulator, msgtype="image", images={"media_ids": [voice]})
    refused(mismatch, 40007, "invalid media_id", section="7")
    other = mass(wire, simulator, msgtype="image", images={"media_ids": [foreign]})
    refused(other, 40007, "invalid media_id", section="7")


def test_whether_unknown_media_passes_is_a_switch(wire: Wire, simulator: Simulator) -> None:
    unknown = {"msgtype": "voice", "voice": {"media_id": "V" * 64}}
    refused(mass(wire, simulator, **unknown), 40007, "invalid media_id", section="7")
    simulator.set_switches(media_must_exist=False)
    submitted(mass(wire, simulator, **unknown, clientmsgid="b"))


def test_uploads_have_a_limit_of_the_day(wire: Wire, simulator: Simulator) -> None:
    path = "/cgi-bin/media/upload"
    assert wire.quota(path)["quota"]["daily_limit"] == 100_000, "section 5.2"
    simulator.change_account(
        ACCOUNTS["service"].appid, daily_limits={path: 1}, used_today={path: 1}
    )
    reply = upload(wire, TEMPORARY, JPEG, type="image")
    refused(reply, 45009, "reach max api daily quota limit", section="5.2")


@pytest.mark.parametrize("path", ["media/uploadnews", "material/add_news"])
def test_what_drafts_replaced_is_not_supported(wire: Wire, path: str) -> None:
    refused(wire.post(path, {"articles": []}), 45103, "This API has been unsupported", section="7")


def test_faults_hit_uploads_and_files_too(wire: Wire, simulator: Simulator) -> None:
    image = uploaded(wire, "image", JPEG)
    simulator.fault("errcode", errcode=-1, path="/cgi-bin/media/upload")
    assert upload(wire, TEMPORARY, JPEG, type="image")["errcode"] == -1
    simulator.fault("html", status=502, path="/cgi-bin/media/")
    query = {"access_token": wire.token, "media_id": image}
    assert wire.call("GET", "media/get", params=query).status_code == 502
