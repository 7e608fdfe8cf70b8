"""Every mass, media, tag and follower call of each client, against the simulator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.compat import verdicts
from tests.compat.clients import driver, said
from tests.kit.simulator import Simulator
from tests.simulator import files
from tests.simulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FOLLOWERS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How each call of a client ended, the methods it has for them, and the jobs WeChat took."""

    calls: dict[str, Any]
    methods: list[str]
    jobs: list[dict[str, Any]]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(followers=FOLLOWERS, calls_per_minute=0) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def tried(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trial]:
    """Run a client once."""
    done: dict[str, Trial] = {}

    def trial(name: str) -> Trial:
        if name not in done:
            driver(name)
            simulator.reset()
            given = prepared(simulator, tmp_path_factory.mktemp("files"))
            before = len(simulator.jobs())
            account = simulator.account
            told = said(name, simulator.url, account.appid, account.secret, given=given)
            done[name] = Trial(**told, jobs=simulator.jobs()[before:])
        return done[name]

    return trial


def prepared(simulator: Simulator, folder: Path) -> dict[str, Any]:
    """What a client needs that it cannot make: OpenIDs, files, a draft, and a job that ended."""
    contents = {"jpeg": files.JPEG, "mp4": files.MP4, "amr": files.amr(1)}
    for name, content in contents.items():
        (folder / f"a.{name}").write_bytes(content)
    wire = Wire(simulator.url, simulator.account)
    thumb = files.upload(wire, "material/add_material", files.JPEG, type="thumb")["media_id"]
    article = {"title": "周报", "content": "<p>正文</p>", "thumb_media_id": thumb}
    ended, draft = (wire.post("draft/add", {"articles": [article]})["media_id"] for _ in range(2))
    openids = simulator.openids(5)
    body = {"touser": openids[:2], "msgtype": "mpnews", "mpnews": {"media_id": ended}}
    msg_id = wire.post("message/mass/send", body)["msg_id"]
    wire.close()
    simulator.shift_clock(2)
    return {
        "openids": openids,
        "draft": draft,
        "ended": msg_id,
        "files": {name: content.hex() for name, content in contents.items()},
        "paths": {name: str(folder / f"a.{name}") for name in contents},
    }


@pytest.mark.parametrize("name", verdicts.CLIENTS)
def test_every_call_works_or_is_refused_for_a_known_reason(
    tried: Callable[[str], Trial], name: str
) -> None:
    refused = {call: end["why"] for call, end in tried(name).calls.items() if not end["ok"]}
    known = verdicts.REFUSED[name]
    assert {call: why for call, why in refused.items() if call not in known} == {}
    assert {call for call in known if call not in refused} == set(), "it works by now"
    for call, why in refused.items():
        assert known[call].says in why


@pytest.mark.parametrize("name", verdicts.CLIENTS)
def test_every_method_of_a_client_stands_in_its_table(
    tried: Callable[[str], Trial], name: str
) -> None:
    trial = tried(name)
    called = {call.partition("(")[0] for call in trial.calls}
    apart = {method for one in verdicts.APART[name] for method in one.names}
    assert set(trial.methods) - called - apart == set()
    assert apart <= set(trial.methods) - called, "it is tried, or the client has it no more"


@pytest.mark.parametrize(
    ("name", "key", "kinds"),
    [
        ("wechatpy_client.py", "wechatpy-1", ["send"] * 6 + ["all"]),
        ("werobot_client.py", "werobot-1", ["tag"] + ["send"] * 5 + ["all"]),
        ("node_client.js", "co-wechat-1", ["tag"] + ["send"] * 7 + ["all"]),
    ],
)
def test_what_a_client_says_it_sent_was_sent(
    tried: Callable[[str], Trial], name: str, key: str, kinds: list[str]
) -> None:
    results, jobs = tried(name).calls, tried(name).jobs
    assert [job["kind"] for job in jobs] == kinds
    (named,) = (job for job in jobs if job["clientmsgid"] == key)
    assert (named["size"], named["eligible"]) == (5, 5)
    (shown,) = (
        end["value"]
        for end in results.values()
        if str(named["msg_id"]) in str(end) and "data_id" in end.get("value", "")
    )
    assert str(named["msg_data_id"]) in shown
    assert jobs[-1]["total"] == FOLLOWERS


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pages_show_how_each_call_ends(tried: Callable[[str], Trial], language: str) -> None:
    """With DOCS_UPDATE=1 the page is written anew."""
    results = {name: tried(name).calls for name in verdicts.CLIENTS}
    page = verdicts.page_of(language)
    before, _, rest = page.read_text(encoding="utf-8").partition(verdicts.BEGIN)
    _, _, after = rest.partition(verdicts.END)
    text = before + verdicts.BEGIN + "\n" + verdicts.table(results, language) + verdicts.END + after
    if os.environ.get("DOCS_UPDATE") == "1":
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text
