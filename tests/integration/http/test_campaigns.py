"""Campaigns by HTTP: added, looked at, changed, stopped, run, and whose they are."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from broadcast.rules.campaigns.launches import LaunchState, Verdict, Why
from broadcast.views.objects import utc
from models.campaign_tables import CampaignRow, LaunchRow
from models.ledger.campaigns import campaign_rows, launch_rows
from tests.integration.http.conftest import Served
from tests.kit import dates
from tests.kit.api import Program

FRIDAYS = {"cron": "0 20 * * 5"}
TEXT = {"content": {"msgtype": "text", "text": {"content": "Live on {weekday_en}"}}}
TO_TAG = {"audience": {"tag_id": 2}}
EVERYBODY = {"audience": {"to_all": True, "confirm_to_all": "shop"}}
FAR_DAYS = f"{datetime.now(UTC).year + 4}-01-01..{datetime.now(UTC).year + 4}-02-01"
YEARS_AHEAD = str(datetime.now(UTC).date() + timedelta(days=1_000))
WEEKLY = {"account": "shop", **FRIDAYS, **TEXT, **TO_TAG}


def added(program: Program, members: Mapping[str, object] = WEEKLY) -> str:
    """Add a campaign; return its name."""
    name = f"weekly {secrets.token_hex(4)}"
    told = program.ask("POST", "/v1/campaigns", {"name": name, **members})
    assert told.status_code == 201, told.text
    shown = program.get(told.headers["Location"]).json()
    assert {**shown, "notices": told.json()["notices"]} == told.json()
    return name


def code_of(told: Any) -> tuple[int, str]:
    """The status of a refusal, and its id."""
    return told.status_code, told.json()["type"].partition("#error.")[2]


def test_a_campaign_is_added_changed_stopped_and_removed(program: Program) -> None:
    name = added(program)
    path = f"/v1/campaigns/{name}"
    made = program.get(path).json()

    assert (made["state"], made["cron"], made["timezone"]) == (
        "enabled",
        "0 20 * * 5",
        "Asia/Shanghai",
    )
    assert len(made["next"]) == 5
    assert all("T12:00:00" in one for one in made["next"])
    assert made["request"] == {"account": "shop", **TEXT, **TO_TAG}
    edited = program.ask(
        "PATCH",
        path,
        {
            "cron": "30 9 1 * *",
            "from": "2026-01-01",
            "except": [FAR_DAYS],
            "missed": "late",
            "late_by": "2h",
            "size_brake": "0",
            "title": "{date}",
            "version": 1,
        },
    ).json()
    assert (edited["version"], edited["from"]) == (2, "2026-01-01")
    assert edited["except"] == [FAR_DAYS]
    assert (edited["missed"], edited["late_by_s"], edited["size_brake"]) == ("late", 7200, 0)
    assert edited["request"] == {**made["request"], "title": "{date}"}
    for same in ({}, {"missed": "late"}):
        assert program.ask("PATCH", path, same).json()["version"] == 2
    assert code_of(program.ask("PATCH", path, {"version": 1})) == (409, "campaign.edited")
    plain = program.ask("PATCH", path, {"from": "none", "except": []}).json()
    assert (plain["from"], plain["except"]) == (None, [])
    assert program.ask("POST", f"{path}/disable").json()["next"] == []
    assert program.ask("POST", f"{path}/enable").json()["state"] == "enabled"
    assert program.ask("DELETE", path).json()["state"] == "removed"
    assert code_of(program.get(path)) == (404, "api.no_campaign")


def test_what_a_broadcast_of_its_content_is_warned_of_is_named_of_a_campaign_too(
    program: Program,
) -> None:
    name = f"weekly {secrets.token_hex(4)}"
    long = {"content": {"msgtype": "text", "text": {"content": "{date}" + "x" * 295}}}

    made = program.ask("POST", "/v1/campaigns", {**WEEKLY, **long, "name": name}).json()
    edited = program.ask("PATCH", f"/v1/campaigns/{name}", TEXT).json()

    # What others plan is named, too.
    assert made["notices"][0]["code"] == "notice.content.long"
    assert "notice.content.long" not in [one["code"] for one in edited["notices"]]


def test_another_audience_is_refused_where_it_would_lose_who_is_left_out(program: Program) -> None:
    narrowed = {"exclude": ["tag:3"], "sample": "10%"}
    name = added(program, {**WEEKLY, "audience": {"followers": True}, **narrowed})
    path = f"/v1/campaigns/{name}"

    lost = program.ask("PATCH", path, TO_TAG)
    no_sample = program.ask("PATCH", path, {**TO_TAG, "exclude": []})
    same = program.ask("PATCH", path, {"audience": {"followers": True}}).json()["request"]

    assert code_of(lost) == (422, "campaign.loses_exclude")
    assert "tag:3" in lost.json()["detail"]
    assert '"exclude"' in lost.json()["detail"]
    assert code_of(no_sample) == (422, "campaign.loses_sample")
    assert (same["exclude"], same["sample"]) == (["tag:3"], "10%")


def test_another_audience_has_its_own_narrowing_and_another_content_is_whole(
    program: Program,
) -> None:
    name = added(
        program, {**WEEKLY, "audience": {"followers": True}, "exclude": ["tag:3"], "sample": "10%"}
    )
    path = f"/v1/campaigns/{name}"

    nobody: dict[str, Any] = {**TO_TAG, "exclude": [], "sample": None}
    tag = program.ask("PATCH", path, nobody).json()["request"]
    draft = program.ask("PATCH", path, {"draft": "News {date}"}).json()
    text = program.ask("PATCH", path, TEXT).json()

    assert tag == {"account": "shop", **TEXT, **nobody}
    assert (draft["draft_title"], draft["request"]["content"]) == ("News {date}", {})
    assert (text["draft_title"], text["request"]) == (None, tag)


def test_what_is_planned_beyond_wechats_limits_is_stored_and_named(program: Program) -> None:
    name = f"twice {secrets.token_hex(4)}"
    twice = {**WEEKLY, **EVERYBODY, "name": name, "cron": "0 10,20 * * *"}

    made = program.ask("POST", "/v1/campaigns", twice).json()
    over = [one["text"] for one in made["notices"] if one["code"] == "launches.over_month"]
    path = f"/v1/campaigns/{name}"
    less = program.ask("PATCH", path, {"cron": "0 20 1 * *", **TO_TAG}).json()["notices"]

    assert any(name in text for text in over)
    assert [one for one in less if one["text"] in over] == []


def test_of_two_changes_of_one_version_the_second_is_refused(program: Program) -> None:
    path = f"/v1/campaigns/{added(program)}"
    change = {"cron": "0 19 * * 5", "version": 1}

    assert program.ask("PATCH", path, change).status_code == 200
    assert code_of(program.ask("PATCH", path, change)) == (409, "campaign.edited")
    assert program.get(path).json()["version"] == 2


def test_the_list_has_held_runs_and_runs_are_listed_newest_first(
    served: Served, program: Program
) -> None:
    name = added(program)
    held = held_run(served, name)

    found = program.get("/v1/campaigns", account="shop").json()["campaigns"]
    listed = next(one for one in found if one["name"] == name)
    assert [run["state"] for run in listed["held"]] == ["held"]
    assert listed["held"][0]["reason"]["code"] == "launch.missed"
    released = program.ask("POST", f"/v1/campaigns/{name}/run", {"due": held}).json()
    assert (released["state"], released["released_by"]) == ("begun", "api")
    again = program.ask("POST", f"/v1/campaigns/{name}/run", {"due": held})
    assert code_of(again) == (409, "launch.begun")
    now = run_now(program, name, key="order-1", again=True).json()
    shown = program.get(f"/v1/campaigns/{name}/runs").json()["runs"]
    assert [one["due_at"] for one in shown] == [now["due_at"], released["due_at"]]
    assert len(program.get(f"/v1/campaigns/{name}/runs", limit=1).json()["runs"]) == 1


def test_a_run_that_a_restore_held_is_released_where_the_body_says_so(
    served: Served, program: Program
) -> None:
    name = added(program)
    held = held_run(served, name, Why.RESTORED)

    refused = run_now(program, name, key=None, due=held)
    released = run_now(program, name, key=None, due=held, maybe_sent=True).json()

    assert code_of(refused) == (409, "launch.maybe_sent")
    assert '"maybe_sent": true' in refused.json()["detail"]
    assert released["state"] == "begun"


def held_run(served: Served, name: str, why: Why = Why.MISSED) -> str:
    """Let a due time of a campaign be held; return it."""
    at = datetime.now(UTC) - timedelta(hours=2)
    with served.engine.begin() as connection:
        connection.execute(
            update(CampaignRow)
            .where(CampaignRow.used_name == name)
            .values(next_due_at=at, decided_until=at - timedelta(hours=1))
        )
        campaign = campaign_rows.named_in(connection, name)
        launch_rows.add(
            connection,
            campaign,
            at,
            moment=at,
            verdict=Verdict(state=LaunchState.HELD, why=why),
        )
    return utc(at)


def run_now(program: Program, name: str, *, key: str | None, **members: object) -> Any:
    """Ask for a run of now."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return program.ask("POST", f"/v1/campaigns/{name}/run", members, headers=headers)


def test_a_run_of_now_is_begun_once_for_its_key(served: Served, program: Program) -> None:
    name = added(program)

    first, again = (run_now(program, name, key="order-1").json() for _ in range(2))

    assert (first["state"], first["released_by"]) == ("begun", "api")
    assert again == first
    with served.engine.connect() as connection:
        mine = LaunchRow.campaign_id == campaign_rows.named(served.engine, name).id
        assert len(connection.execute(select(LaunchRow.id).where(mine)).all()) == 1
    assert code_of(run_now(program, name, key=None)) == (422, "api.no_idempotency_key")
    alone = run_now(program, name, key="k", edited=True)
    assert (code_of(alone), alone.json()["field"]) == ((422, "usage.belongs_to"), "edited")
    unknown = run_now(program, name, key=None, due="2026-01-01T20:00:00+08:00")
    assert code_of(unknown) == (422, "launch.none")
    unreadable = run_now(program, name, key=None, due="foo").json()
    assert unreadable["field"] == "due"
    assert "broadcast campaigns" not in unknown.json()["detail"] + unreadable["detail"]


LATER = dates.ahead(80)
#: What is wrong with a campaign, its status and its error.
WRONG: list[tuple[dict[str, object], int, str]] = [
    ({"cron": None}, 422, "campaign.no_time"),
    ({"at": f"{LATER:%Y-%m-%dT%H:%M:%S}"}, 422, "campaign.two_times"),
    ({"cron": "0 20 * *"}, 422, "campaign.cron_fields"),
    ({"cron": "0 25 * * *"}, 422, "campaign.cron"),
    ({"cron": "0 0 */31 * 2#2"}, 422, "campaign.cron_never"),
    ({"until": "2020-01-01"}, 422, "campaign.day_range"),
    (
        {"until": str(datetime.now(UTC).date() - timedelta(days=2)), **FRIDAYS},
        422,
        "campaign.never_due",
    ),
    ({"from": "0001-01-01"}, 422, "campaign.day_range"),
    ({"from": "9999-12-31"}, 422, "campaign.day_range"),
    ({"except": [f"{dates.ahead(1).date()}..9999-12-31"]}, 422, "campaign.day_range"),
    (
        {"cron": None, "timezone": "America/New_York", "at": "9999-12-31T23:59"},
        422,
        "campaign.day_range",
    ),
    ({"cron": None, "at": "9999-12-31T23:59"}, 422, "campaign.day_range"),
    ({"timezone": "Asia/Peking"}, 422, "campaign.zone"),
    ({"timezone": ""}, 422, "campaign.zone"),
    ({"cron": None, "at": "2020-01-01T20:00"}, 422, "campaign.at_past"),
    ({"cron": None, "at": "tomorrow 20:00"}, 422, "at.unreadable"),
    ({"cron": None, "at": f"{YEARS_AHEAD}T20:00"}, 422, "campaign.far"),
    ({"from": YEARS_AHEAD, **FRIDAYS}, 422, "campaign.far"),
    (
        {"cron": None, "timezone": "Europe/Berlin", "at": f"{dates.last_sunday_of(3)}T02:30"},
        422,
        "campaign.time_skipped",
    ),
    (
        {"cron": None, "timezone": "Europe/Berlin", "at": f"{dates.last_sunday_of(10)}T02:30"},
        422,
        "campaign.time_twice",
    ),
    (
        {"cron": None, "at": f"{LATER:%Y-%m-%dT%H:%M}", "from": str(dates.ahead(9).date())},
        422,
        "usage.belongs_to",
    ),
    ({"except": ["2026-13-01"]}, 422, "campaign.day"),
    (
        {"except": [f"{dates.ahead(3).date()}..{dates.ahead(1).date()}"]},
        422,
        "campaign.days_backwards",
    ),
    ({"missed": "maybe"}, 422, "campaign.word"),
    ({"overlap": "maybe"}, 422, "campaign.word"),
    ({"size_brake": "much"}, 422, "campaign.brake"),
    ({"late_by": "5"}, 422, "request.late_by"),
    ({"title": " "}, 422, "title.empty"),
    ({"name": "a/b"}, 422, "campaign.name"),
    ({"name": " "}, 422, "campaign.name"),
    ({"name": "--yes"}, 422, "campaign.name"),
    ({"name": 7}, 422, "request.wrong"),
    ({"crn": "0 20 * * 5"}, 422, "request.unknown_near"),
    ({"again": True}, 422, "request.unknown"),
    ({"audience": {"openids": ["oA", "oB"]}}, 422, "campaign.list"),
    ({"audience": {"upload": True}}, 422, "campaign.list"),
    ({"audience": None}, 422, "request.no_audience"),
    ({"audience_file": "/etc/passwd"}, 422, "request.unknown_near"),
    ({"exclude": ["file:list.txt"]}, 422, "request.exclude"),
    ({"content": {}}, 422, "content.msgtype"),
    ({"content": {"msgtype": "text", "text": {"content": "{dat}"}}}, 422, "campaign.variable_near"),
    ({"content": {"msgtype": "text", "text": {"content": "{优惠}"}}}, 422, "campaign.variable"),
    ({"content": {"msgtype": "text", "text": {"content": "{date"}}}, 422, "campaign.braces"),
    (
        {"content": {"msgtype": "text", "text": {"content": "｛date｝"}}},
        422,
        "campaign.wide_braces",
    ),
    ({"title": "{dat}"}, 422, "campaign.variable_near"),
    ({"cron": "0 20 31 2 *"}, 422, "campaign.cron_no_day"),
    ({"from": "tomorrow"}, 422, "campaign.day"),
    ({"until": "tomorrow"}, 422, "campaign.day"),
    (
        {"content": {"msgtype": "mpnews", "mpnews": {"media_id": "M" * 43}}},
        422,
        "campaign.fixed_draft",
    ),
    ({"content": {}, "draft": "News {days}"}, 422, "campaign.variable_near"),
    ({"draft": "News {date}", **TEXT}, 422, "content.unknown"),
    ({"account": "nobody"}, 404, "api.no_account"),
    ({"account": None}, 422, "api.which_account"),
    ({"notify": {"url": "nowhere"}}, 422, "request.wrong"),
]


@pytest.mark.parametrize(("members", "status", "code"), WRONG)
def test_a_campaign_that_could_not_run_is_refused_and_nothing_is_stored(
    served: Served, program: Program, members: dict[str, object], status: int, code: str
) -> None:
    before = len(campaign_rows.every(served.engine))

    told = program.ask("POST", "/v1/campaigns", {"name": "wrong", **WEEKLY, **members})

    assert code_of(told) == (status, code), told.text
    # The last member of each row is the wrong one.
    assert str(told.json()["field"]).partition(".")[0] == [*members][-1]
    assert "--" not in told.json()["detail"]
    assert len(campaign_rows.every(served.engine)) == before


def test_an_excluded_broadcast_that_no_id_is_like_is_refused_without_a_guess(
    program: Program,
) -> None:
    list_ = {"audience": {"followers": True}, "exclude": ["broadcast:x"], "name": "x"}
    told = program.ask("POST", "/v1/campaigns", {**WEEKLY, **list_})

    assert code_of(told) == (422, "broadcast.unknown")
    assert "Did you mean" not in told.json()["detail"]


def test_a_campaign_has_a_content_or_the_title_of_a_draft(program: Program) -> None:
    bare = {"name": "bare", "account": "shop", **FRIDAYS, **TO_TAG}

    assert code_of(program.ask("POST", "/v1/campaigns", bare)) == (422, "request.missing")


def test_a_name_is_taken_once_and_an_account_is_kept(program: Program) -> None:
    name = added(program)

    taken = program.ask("POST", "/v1/campaigns", {"name": name, **WEEKLY})
    moved = program.ask("PATCH", f"/v1/campaigns/{name}", {"account": "main"})

    assert code_of(taken) == (409, "campaign.name_taken")
    assert "broadcast campaigns" not in taken.json()["detail"]
    assert "used once in an installation" in taken.json()["detail"]
    assert code_of(moved) == (422, "campaign.account")


def test_a_key_without_rights_for_its_account_neither_sees_nor_changes_a_campaign(
    served: Served, program: Program
) -> None:
    theirs, mine = added(program, {**WEEKLY, "account": "main"}), added(program)
    path, limited = f"/v1/campaigns/{theirs}", served.program("of-shop-key-0123")

    listed = [one["name"] for one in limited.get("/v1/campaigns").json()["campaigns"]]
    assert mine in listed
    assert theirs not in listed
    assert limited.get("/v1/campaigns", account="main").status_code == 404
    for method, rest, body in (
        ("GET", "", None),
        ("GET", "/runs", None),
        ("PATCH", "", {"cron": "0 1 * * *"}),
        ("DELETE", "", None),
        ("POST", "/disable", None),
        ("POST", "/enable", None),
        ("POST", "/run", {"due": "2026-12-04T20:00:00+08:00"}),
    ):
        told = limited.ask(method, path + rest, body)
        assert code_of(told) == (404, "api.no_campaign"), method
    added_there = {**WEEKLY, "name": "x", "account": "main"}
    assert limited.ask("POST", "/v1/campaigns", added_there).status_code == 404
    assert program.get(path).json()["version"] == 1


def test_each_act_needs_its_scope_and_everybody_needs_one_more(
    served: Served, program: Program
) -> None:
    name = added(program)
    everybody = added(program, {**WEEKLY, **EVERYBODY})
    path = f"/v1/campaigns/{name}"
    reader, submitter = served.program("reader-key-0123"), served.program("submitter-key-0123")
    controller = served.program("controller-key-0123")

    for one, method, rest, body in (
        (submitter, "GET", "", None),
        (controller, "PATCH", "", FRIDAYS),
        (reader, "PATCH", "", {}),
        (submitter, "POST", "/disable", None),
        (submitter, "DELETE", "", None),
        (reader, "POST", "/run", {}),
        (controller, "POST", "/run", {}),
        (submitter, "PATCH", "", EVERYBODY),
    ):
        assert code_of(one.ask(method, path + rest, body)) == (403, "api.scope"), (method, rest)
    for told in (
        submitter.ask("POST", "/v1/campaigns", {**WEEKLY, **EVERYBODY, "name": "all"}),
        submitter.ask("PATCH", f"/v1/campaigns/{everybody}", {"title": "x"}),
        run_now(submitter, everybody, key="k"),
        submitter.ask("POST", f"/v1/campaigns/{everybody}/rehearse"),
        controller.ask("POST", f"/v1/campaigns/{everybody}/enable"),
    ):
        assert code_of(told) == (403, "api.scope")
    assert controller.ask("POST", f"/v1/campaigns/{everybody}/disable").status_code == 200
    assert reader.get(path).json()["version"] == 1
    assert submitter.ask("PATCH", path, {"title": "x"}).json()["edited_by"] == "submitter"


def test_a_held_run_to_everybody_needs_its_right_after_its_campaign_goes_to_others(
    served: Served, program: Program
) -> None:
    name = added(program, {**WEEKLY, **EVERYBODY})
    held = {"due": held_run(served, name)}
    path, submitter = f"/v1/campaigns/{name}", served.program("submitter-key-0123")
    assert program.ask("PATCH", path, TO_TAG).status_code == 200

    assert code_of(submitter.ask("POST", f"{path}/run", held)) == (403, "api.scope")
    edited = submitter.ask("POST", f"{path}/run", {**held, "edited": True})
    assert edited.json()["state"] == "begun"


@pytest.mark.parametrize("name", ["%00", "..", "a%0Ab", "%ED%A0%80", "x" * 200, "' OR 1=1--"])
def test_what_is_no_name_of_a_campaign_is_not_found(program: Program, name: str) -> None:
    assert program.ask("GET", f"/v1/campaigns/{name}/runs").status_code == 404
