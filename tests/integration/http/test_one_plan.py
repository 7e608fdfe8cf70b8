"""One edit of a campaign makes one plan, by the command, by HTTP and by Python."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest

from broadcast.rules.campaigns.campaign import CampaignPlan
from entrypoints.cli.main import run
from models.ledger.campaigns import campaign_edits, campaign_rows
from producer import Producer
from tests.integration.http.conftest import Served
from tests.kit import api

YEAR = datetime.now(UTC).year
TEXT = {"msgtype": "text", "text": {"content": "Live on {weekday_en}"}}
CARD = {"msgtype": "wxcard", "wxcard": {"card_id": "pFS7Fjg8kV1IdDz01r4SQwMkuCKc"}}
#: Has every member that an edit could throw away.
WHOLE = {
    "account": "shop",
    "audience": {"followers": True},
    "with_tag": 3,
    "content": TEXT,
    "exclude": ["tag:5"],
    "only_current": True,
    "sample": "10%",
    "ignore_suppression": True,
    "title": "Fridays",
    "priority": 7,
    "spread_days": True,
    "cron": "0 20 * * 5",
    "timezone": "Europe/Berlin",
    "from": str(date(YEAR, 1, 1)),
    "until": str(date(YEAR + 9, 1, 1)),
    "except": [str(date(YEAR + 4, 1, 1))],
    "missed": "late",
    "late_by": "2h",
    "overlap": "queue",
    "size_brake": "50%",
}
EVERYBODY = {"to_all": True, "confirm_to_all": "shop"}
#: Another audience names again who is left out, or that nobody is.
NOBODY_OUT = ("--exclude", "none", "--sample", "none")
NONE_OUT: Mapping[str, Any] = {"exclude": [], "sample": None}
#: Words of the command, and members of a request, that say the same.
SAME: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [
    (("--followers", *NOBODY_OUT), {"audience": {"followers": True}, **NONE_OUT}),
    (
        ("--followers", "--with-tag", "2", *NOBODY_OUT),
        {"audience": {"followers": True}, "with_tag": 2, **NONE_OUT},
    ),
    (("--tag", "2", *NOBODY_OUT), {"audience": {"tag_id": 2}, **NONE_OUT}),
    (("--to-all", "--yes-to-all", *NOBODY_OUT), {"audience": EVERYBODY, **NONE_OUT}),
    (("--exclude", "tag:6", "--exclude", "tag:7"), {"exclude": ["tag:6", "tag:7"]}),
    (("--only-current",), {"only_current": True}),
    (("--sample", "500"), {"sample": "500"}),
    (("--ignore-suppression",), {"ignore_suppression": True}),
    (("--text", "On {date}"), {"content": {"msgtype": "text", "text": {"content": "On {date}"}}}),
    (("--card", CARD["wxcard"]["card_id"]), {"content": CARD}),  # type: ignore[index]
    (("--draft", "News {date}"), {"draft": "News {date}"}),
    (
        ("--draft", "News", "--send-ignore-reprint"),
        {"draft": "News", "content": {"send_ignore_reprint": 1}},
    ),
    (("--title", "News"), {"title": "News"}),
    (("--priority", "0"), {"priority": 0}),
    (("--no-spread-days",), {"spread_days": False}),
    (("--cron", "0  19 * * 5"), {"cron": "0 19 * * 5"}),
    (("--timezone", "UTC"), {"timezone": "UTC"}),
    (("--from", "none"), {"from": "none"}),
    (("--until", f"{YEAR + 8}-01-01"), {"until": f"{YEAR + 8}-01-01"}),
    (("--except", "none"), {"except": []}),
    (
        ("--except", f"{YEAR + 5}-02-01..{YEAR + 5}-02-03"),
        {"except": [f"{YEAR + 5}-02-01..{YEAR + 5}-02-03"]},
    ),
    (("--missed", "skip"), {"missed": "skip"}),
    (("--late-by", "3h"), {"late_by": "3h"}),
    (("--overlap", "skip"), {"overlap": "skip"}),
    (("--size-brake", "0"), {"size_brake": "0"}),
]


#: Options that can be given, and not taken back.
FLAGS = {"only_current", "ignore_suppression"}


@pytest.fixture
def edited(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[CampaignPlan, ...]]:
    """Edits three campaigns that are alike, each by one door; returns their plans."""
    monkeypatch.delenv("WECHAT_APPID", raising=False)
    env: dict[str, Any] = {
        **api.settings(f"sqlite:///{served.folder / 'broadcast.db'}"),
        "BROADCAST_LANG": "en",
    }
    for name in ("DATABASE_URL", "REDIS_URL", "BROADCAST_LANG"):
        monkeypatch.setenv(name, env[name])
    monkeypatch.setenv("BROADCAST_ACCOUNTS_FILE", str(served.folder / "accounts.toml"))
    monkeypatch.chdir(served.folder)

    def edit(words: tuple[str, ...], members: Mapping[str, Any]) -> tuple[CampaignPlan, ...]:
        names = [f"weekly {secrets.token_hex(4)}" for _ in range(3)]
        by_command, by_http, by_python = names
        before = cast("Any", {**WHOLE, **dict.fromkeys(FLAGS & {*members}, False)})
        with Producer("shop") as shop:
            for name in names:
                shop.campaigns.add(name, before)
            shop.campaigns.edit(by_python, cast("Any", members))
        assert run(["campaigns", "edit", by_command, *words, "--yes"]) == 0
        told = served.program().ask("PATCH", f"/v1/campaigns/{by_http}", members)
        assert told.status_code == 200, told.text
        found = [campaign_rows.named(served.engine, name).plan for name in names]
        for name in names:
            campaign_edits.remove(served.engine, name, who="test")
        return tuple(found)

    return edit


@pytest.mark.parametrize(("words", "members"), SAME, ids=[" ".join(words) for words, _ in SAME])
def test_one_edit_by_the_command_by_http_and_by_python_makes_one_plan(
    edited: Callable[..., tuple[CampaignPlan, ...]],
    words: tuple[str, ...],
    members: Mapping[str, Any],
) -> None:
    by_command, by_http, by_python = edited(words, members)

    assert by_command == by_http == by_python
    said = by_command.template.request
    if "audience" in members:
        assert not {"only_current", "ignore_suppression"} & {*said}
        assert {name: said[name] for name in NONE_OUT} == NONE_OUT
    else:
        kept = {"exclude", "only_current", "sample", "ignore_suppression", "with_tag"} - {*members}
        assert {name: said[name] for name in kept} == {name: WHOLE[name] for name in kept}


def test_files_of_people_to_leave_out_take_the_place_of_tags_and_of_nothing_else(
    served: Served, edited: Callable[..., tuple[CampaignPlan, ...]]
) -> None:
    (served.folder / "staff.txt").write_text("o" + "A" * 27 + "\n")
    by_command, by_http, _ = edited(("--exclude", "file:staff.txt"), {"exclude": []})

    found = by_command.template
    assert found.exclude_files == (str(served.folder / "staff.txt"),)
    assert replace(found, exclude_files=()) == by_http.template
