"""Every kind of content to every kind of audience, through real processes, as WeChat documents it.

What arrived is the whole body of each accepted call, kept by the simulator; the documented ones
are those of ``docs/wechat-api.md`` sections 2 and 3.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit import media

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

ARTICLE = "Dr4ftM3diaId0001-Dr4ftM3diaId0001-Dr4ftM3d1"
CARD = "pX2KDjmTEST0000000000000001A"
#: Kinds whose content is a file.
FILES = frozenset({"image", "voice", "mpvideo"})
#: How each kind of audience is named on the command line, and how WeChat documents it.
AUDIENCES = {
    "openids": ("--openids", "openids.txt"),
    "tag": ("--tag", "2"),
    "all": ("--to-all", "--yes-to-all"),
}
FILTERS = {"tag": {"is_to_all": False, "tag_id": 2}, "all": {"is_to_all": True}}
#: 25 characters of Base32: longer ones were seen refused.
KEY = re.compile(r"[a-z2-7]{25}")


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Two accounts with nine followers, of whom three have tag 2 at the first."""
    system = start_system(followers=9, accounts=2)
    simulator = system.simulator
    simulator.set_switches(keep_bodies=True, media_must_exist=False)
    tagged = simulator.openids(3, start=3)
    simulator.admin("POST", f"accounts/{simulator.account.appid}/tags/2", lines=tagged)
    everybody = "".join(f"{one}\n" for one in simulator.openids(9))
    (system.folder / "openids.txt").write_text(everybody, encoding="ascii")
    system.worker()
    system.beat()
    return system


def submit(system: System, audience: str, *words: str) -> str:
    """Send to one kind of audience; return the broadcast's id."""
    done = system.broadcast("send", *AUDIENCES[audience], *words, "--json")
    return str(json.loads(done.stdout.splitlines()[-1])["id"])


def body_of(system: System, broadcast_id: str) -> dict[str, Any]:
    """Return the body of its only call, as WeChat took it, once that was accepted."""
    [batch] = system.until_state(broadcast_id, "completed", timeout_s=120).batch_list
    assert batch.msg_id is not None
    return dict(system.simulator.job(batch.msg_id)["body"])


def documented(
    kind: str, audience: str, *, contents: dict[str, dict[str, Any]], openids: list[str]
) -> dict[str, Any]:
    """Return the body that WeChat's page shows, all but its clientmsgid."""
    content = contents[kind]
    if audience == "openids":
        return {"touser": sorted(openids), **content}
    if kind == "mpvideo":  # with its title for mass/send alone
        content = {**content, "mpvideo": {"media_id": content["mpvideo"]["media_id"]}}
    return {"filter": FILTERS[audience], **content}


def uploads(system: System) -> list[str]:
    return [
        call["path"].rpartition("/")[2]
        for call in system.simulator.calls()
        if "upload" in call["path"] or "add_material" in call["path"]
    ]


def test_six_kinds_of_content_arrive_by_each_kind_of_audience_as_documented(
    system: System, tmp_path: Path
) -> None:
    files = {
        "photo.jpg": media.picture(),
        "second.png": media.picture("PNG"),
        "word.amr": media.amr(),
        "film.mp4": media.mp4(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    photo, second, word, film = (str(tmp_path / name) for name in files)
    asked = {
        "text": ("--text", '您好，<a href="https://example.com">周五</a>'),
        "image": (
            "--image",
            photo,
            "--image",
            second,
            "--recommend",
            "新品",
            "--comments",
            "followers",
        ),
        "voice": ("--voice", word),
        "mpvideo": ("--video", film, "--video-title", "年会", "--video-description", "三分钟"),
        "mpnews": ("--mpnews", ARTICLE, "--send-ignore-reprint"),
        "wxcard": ("--card", CARD),
    }

    # WeChat takes four sends to everybody a month from an account: what needs no file is the other
    # one's.
    sent = {
        (kind, audience): submit(
            system,
            audience,
            *words,
            "--account",
            "account2" if audience == "all" and kind not in FILES else "account1",
        )
        for kind, words in asked.items()
        for audience in AUDIENCES
    }

    # Uploaded once each, whatever was sent with it afterwards.
    assert uploads(system) == ["upload", "upload", "upload", "upload", "uploadvideo"]
    listed = json.loads(system.broadcast("media", "list", "--json").stdout.splitlines()[-1])
    ids = {(one["name"], one["kind"]): one["media_id"] for one in listed["media"]}
    video = {"media_id": ids["film.mp4", "mpvideo"], "title": "年会", "description": "三分钟"}
    contents: dict[str, dict[str, Any]] = {
        "text": {"msgtype": "text", "text": {"content": asked["text"][1]}},
        "image": {
            "msgtype": "image",
            "images": {
                "media_ids": [ids["photo.jpg", "image"], ids["second.png", "image"]],
                "recommend": "新品",
                "need_open_comment": 1,
                "only_fans_can_comment": 1,
            },
        },
        "voice": {"msgtype": "voice", "voice": {"media_id": ids["word.amr", "voice"]}},
        "mpvideo": {"msgtype": "mpvideo", "mpvideo": video},
        "mpnews": {"msgtype": "mpnews", "mpnews": {"media_id": ARTICLE}, "send_ignore_reprint": 1},
        "wxcard": {"msgtype": "wxcard", "wxcard": {"card_id": CARD}},
    }
    keys = set()
    for (kind, audience), broadcast_id in sent.items():
        body = body_of(system, broadcast_id)
        key = body.pop("clientmsgid")
        assert KEY.fullmatch(key)
        keys.add(key)
        openids = system.simulator.openids(9)
        expected = documented(kind, audience, contents=contents, openids=openids)
        # As JSON: to Python 1 and true are equal, to WeChat they are not.
        assert in_json(body) == in_json(expected), (kind, audience)
    assert len(keys) == len(sent) == len(system.simulator.mass_calls())


def in_json(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True)
