"""Broadcasts by HTTP: submitted once, listed, looked at, stopped and gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.http.conftest import Served
from tests.kit import api, dates
from tests.kit.api import Program
from tests.kit.wait import until


@pytest.fixture(scope="module")
def several(served: Served) -> list[str]:
    """Seven broadcasts of one account, the oldest first."""
    made = [
        served.program().submit(api.people(2, seed=f"l{n}"), key=f"listed {n}", account="shop")
        for n in range(7)
    ]
    return [one.json()["id"] for one in made]


def test_the_same_key_and_body_are_one_broadcast(program: Program) -> None:
    mine = api.people(3, seed="same")
    first = program.submit(mine, key="same", account="main", title="周五")
    again = program.submit(mine, key="same", account="main", title="周五")
    other = program.submit(mine[:2], key="same", account="main", title="周五")

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json()["id"] == again.json()["id"]
    assert first.headers["Location"] == f"/v1/broadcasts/{first.json()['id']}"
    assert first.json()["audience"]["planned"] == 3
    assert other.json()["field"] == "Idempotency-Key"
    assert first.json()["id"] in other.json()["detail"]


def test_keys_are_apart_for_each_account(program: Program) -> None:
    made = [
        program.submit(api.people(2, seed="apart"), key="apart", account=name)
        for name in ("main", "shop")
    ]

    assert [one.status_code for one in made] == [201, 201]
    assert made[0].json()["id"] != made[1].json()["id"]


def test_the_same_send_under_another_key_is_refused_unless_it_is_meant(program: Program) -> None:
    mine = api.people(2, seed="twice")
    program.submit(mine, key="once", account="main")
    refused = program.submit(mine, key="twice", account="main")
    meant = program.submit(mine, key="twice", account="main", again=True)

    assert (refused.status_code, meant.status_code) == (409, 201)
    assert "again" in refused.json()["fix"]


def test_one_of_several_accounts_must_be_named(program: Program) -> None:
    told = program.submit(api.people(2), key="which")

    assert told.status_code == 422
    assert told.json()["field"] == "account"
    assert program.submit(api.people(2), key="which", account="none").status_code == 404


def test_a_time_without_zone_is_beijings_and_the_answer_says_so(program: Program) -> None:
    at = dates.ahead(80, "09:30")
    told = program.submit(
        api.people(2, seed="at"), key="at", account="main", at=dates.typed(at)
    ).json()

    assert told["state"] == "scheduled"
    assert told["scheduled_at"] == dates.in_utc(at, timespec="milliseconds")


@pytest.mark.every_database
@pytest.mark.parametrize(
    "members",
    [
        {"title": "周五", "priority": 3, "late_by": "2h", "spread_days": True},
        {"at": dates.typed(dates.ahead(80))},
        {"audience": {"tag_id": 7}},
        {"content": {"msgtype": "image", "images": {"media_ids": ["picture"]}}},
        {"audience": {"openids": ["no OpenID", *api.people(2), *api.people(10_001)]}},
    ],
)
def test_the_answer_to_a_submit_is_what_a_look_shows(
    program: Program, members: dict[str, object]
) -> None:
    halted = program.ask("POST", "/v1/accounts/shop/halt", {"why": "a look"})
    body = {"content": api.TEXT, "audience": {"openids": api.people(3)}, "again": True, **members}
    made = program.ask(
        "POST",
        "/v1/broadcasts",
        {"account": "shop", **body},
        headers={"Idempotency-Key": f"shown: {api.people(1, seed=str(members))[0]}"},
    )
    assert made.status_code == 201, made.text
    shown = program.get(f"/v1/broadcasts/{made.json()['id']}")
    program.ask("POST", "/v1/accounts/shop/unhalt", {})

    assert (halted.status_code, shown.status_code) == (200, 200)
    answer = made.json()
    assert answer.pop("notices")
    assert answer["blockers"]
    assert without_moments(answer) == without_moments(shown.json())


def without_moments(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out what tells when it was looked."""
    return {name: said for name, said in answer.items() if name not in {"now", "driven"}}


def test_fifty_at_once_with_one_key_are_one_broadcast(fresh_url: str, tmp_path: Path) -> None:
    mine = api.people(500, seed="fifty")
    with api.started(tmp_path, api.settings(fresh_url)) as process:
        where = api.url_of(process)

        def ask(_: int) -> tuple[int, str]:
            told = Program(url=where).submit(mine, key="fifty")
            return told.status_code, told.json().get("id", told.text)

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(ask, range(50)))
        listed = Program(url=where).get("/v1/broadcasts", key="fifty").json()["broadcasts"]

    assert sorted(status for status, _ in answers) == [200] * 49 + [201]
    assert len({one for _, one in answers}) == 1
    assert [one["id"] for one in listed] == [answers[0][1]]
    assert listed[0]["audience"]["planned"] == 500


def test_pages_name_every_broadcast_once(program: Program, several: list[str]) -> None:
    pages = program.pages("/v1/broadcasts", account="shop", limit=2)
    found = [one["id"] for page in pages for one in page["broadcasts"]]
    assert all("batch_list" not in one for page in pages for one in page["broadcasts"])

    assert len(set(found)) == len(found)
    assert [one for one in found if one in several] == several[::-1]


def test_lists_are_filtered_by_key_and_state(program: Program, several: list[str]) -> None:
    program.ask("POST", f"/v1/broadcasts/{several[2]}/pause")
    by_key = program.get("/v1/broadcasts", key="listed 3").json()["broadcasts"]
    paused = program.get("/v1/broadcasts", account="shop", state="paused").json()
    one = program.get("/v1/broadcasts", account="shop", state="paused", limit=1).json()

    assert [one["id"] for one in by_key] == [several[3]]
    assert several[2] in [one["id"] for one in paused["broadcasts"]]
    assert {one["state"] for one in paused["broadcasts"]} == {"paused"}
    assert paused["next"] is None
    assert len(one["broadcasts"]) == 1


def test_recipients_come_as_lines_and_as_a_table(program: Program) -> None:
    mine = api.people(2_500, seed="rows")
    told = program.submit([*mine, "not-an-openid"], key="rows", account="main").json()
    where = f"/v1/broadcasts/{told['id']}/recipients"

    lines = program.get(where, set="waiting")
    table = program.ask("GET", f"{where}?set=waiting&set=accepted", headers={"Accept": "text/csv"})
    skipped = program.get(where, set="skipped", format="jsonl")

    assert lines.headers["Content-Type"].startswith("application/jsonl")
    rows = [json.loads(line) for line in lines.text.splitlines()]
    assert sorted(row["openid"] for row in rows) == sorted(mine)
    assert {row["state"] for row in rows} == {"planned"}
    assert table.headers["Content-Type"].startswith("text/csv")
    assert len(table.content.decode("utf-8-sig").splitlines()) == 2_501
    assert [json.loads(line)["text"] for line in skipped.text.splitlines()] == ["not-an-openid"]
    assert program.get(where).status_code == 422
    assert program.get(where, set="everybody").json()["field"] == "set"
    assert program.ask("GET", f"{where}?set=skipped&set=waiting").status_code == 422


def test_who_gets_a_sample_is_nobody_s_to_read_before_its_plan_nor_after_a_cancel(
    program: Program,
) -> None:
    told = program.submit(
        api.people(4, seed="sample"),
        key="sample",
        account="main",
        sample="50%",
        at=(datetime.now(UTC) + timedelta(hours=2)).isoformat(),
    ).json()
    where = f"/v1/broadcasts/{told['id']}"

    early = program.get(f"{where}/recipients", set="waiting")
    cancelled = program.ask("POST", f"{where}/cancel").json()
    late = [
        program.ask("GET", f"{where}/recipients?set=cancelled{more}")
        for more in ("", "&format=csv", "&set=accepted")
    ]

    assert told["selection"]["sample"]["size"] == "50%"
    for one in (told, cancelled):
        assert one["audience"]["planned"] is None
        assert set(one["recipients"].values()) == {None}
    assert early.status_code == 409
    assert early.json()["type"].endswith("#error.recipients.unplanned")
    for answer in late:
        assert answer.status_code == 409
        assert answer.json()["type"].endswith("#error.recipients.never_planned")
        assert "submit the same list again" in answer.json()["detail"]
    assert program.get(f"{where}/recipients", set="accepted").text == ""


def test_words_on_a_broadcast_may_be_said_twice(program: Program) -> None:
    told = program.submit(api.people(2, seed="words"), key="words", account="main").json()
    where = f"/v1/broadcasts/{told['id']}"
    said = [
        (word, answer.status_code, answer.json().get("changed"), answer.json().get("state"))
        for word in ("pause", "pause", "resume", "resume", "cancel", "cancel", "resume", "retry")
        for answer in [program.ask("POST", f"{where}/{word}", {"why": "为何"})]
    ]

    assert said == [
        ("pause", 200, True, "paused"),
        ("pause", 200, False, "paused"),
        ("resume", 200, True, "planning"),
        ("resume", 200, False, "planning"),
        ("cancel", 200, True, "cancelled"),
        ("cancel", 200, False, "cancelled"),
        ("resume", 409, None, None),
        ("retry", 409, None, None),
    ]
    assert program.get(f"{where}/audit").json()["ok"] is True


def test_a_word_in_the_wrong_form_changes_nothing(program: Program) -> None:
    told = program.submit(api.people(2, seed="form"), key="form", account="main").json()
    where = f"/v1/broadcasts/{told['id']}"

    wrong = program.ask("POST", f"{where}/pause", {"wy": "x"})
    verdicts = [
        program.ask("POST", f"{where}/resolve", body)
        for body in (
            {"batch": 1},
            {"batch": "1", "sent": True},
            {"batch": 0, "sent": True},
            {"batch": 1, "sent": False, "msg_id": 7},
            {"batch": 9, "sent": True},
        )
    ]

    assert wrong.json()["detail"].endswith("Did you mean why?")
    assert [one.status_code for one in verdicts] == [422] * 5
    assert [one.json()["field"] for one in verdicts] == [
        "sent",
        "batch",
        "batch",
        "msg_id",
        "batch",
    ]
    assert program.get(where).json()["state"] == "planning"


def test_an_account_is_halted_and_goes_on(program: Program) -> None:
    halted = program.ask("POST", "/v1/accounts/main/halt", {"why": "wrong text"})
    there = program.get("/v1/accounts").json()["accounts"]
    again = program.ask("POST", "/v1/accounts/main/halt")
    lifted = program.ask("POST", "/v1/accounts/main/unhalt")

    assert halted.json()["changed"] is True
    assert halted.json()["halted"]["why"] == "wrong text"
    assert {one["name"]: bool(one["halted"]) for one in there} == {"main": True, "shop": False}
    assert again.json()["changed"] is False
    assert lifted.json() | {"halted": None} == lifted.json()
    assert program.ask("POST", "/v1/accounts/nobody/halt").status_code == 404
    assert "secret-of-nobody" not in json.dumps(there)


def test_a_plan_stores_nothing(program: Program) -> None:
    body = {"account": "main", "content": api.TEXT, "audience": {"openids": api.people(5)}}
    told = program.ask("POST", "/v1/plans", body)
    wrong = program.ask("POST", "/v1/plans", {**body, "at": "2020-01-01 10:00"})

    assert told.status_code == 200
    plan = told.json()
    assert (plan["recipients"], plan["calls"], plan["existing"]) == (5, 1, None)
    assert plan["fits"] is True
    assert any("remaining calls are unknown" in line["text"] for line in plan["notices"])
    assert wrong.status_code == 422
    listed = program.get("/v1/broadcasts", limit=200).json()["broadcasts"]
    assert not [one for one in listed if one["key"].startswith("auto-")]


def test_readiness_says_what_is_missing(program: Program) -> None:
    told = program.ask("GET", "/readyz", headers={"Authorization": ""})

    assert told.status_code == 200
    assert told.json() == {"ready": True, "missing": [], "away": ["broker", "redis"], "full": []}


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Program]:
    """A program whose API has a database that goes away."""
    from tests.kit import template

    file = tmp_path / "broadcast.db"
    template.migrated(f"sqlite:///{file}").dispose()
    with api.started(tmp_path, api.settings(f"sqlite:///{file}")) as process:
        yield Program(url=api.url_of(process))


def test_without_a_database_the_answer_is_to_come_again(lonely: Program, tmp_path: Path) -> None:
    assert lonely.get("/readyz").json()["ready"] is True
    for file in tmp_path.glob("broadcast.db*"):
        file.rename(file.with_suffix(".gone" + file.suffix))

    until(lambda: lonely.get("/readyz").status_code == 503, 10, "the database to be missed")
    told = lonely.submit(api.people(2), key="away")
    stranger = Program(url=lonely.url, key="made-up-key-0123456789").get("/v1/accounts")

    assert lonely.get("/healthz").status_code == 200
    assert told.status_code == 503
    assert int(told.headers["Retry-After"]) > 0
    assert told.json()["fix"]
    # The driver's own words are for the log: they may name host, port and file.
    assert stranger.status_code == 503
    assert stranger.json()["detail"].startswith("The database file cannot be used (…).")
