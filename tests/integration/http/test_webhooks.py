"""Webhooks by HTTP: what was not delivered is shown, and delivered once more."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from broadcast.message import Message
from broadcast.rules.states import WebhookState
from models.every_table import WebhookRow
from tests.integration.http.conftest import Served
from tests.kit import api
from tests.kit.api import Program

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def events(served: Served) -> list[str]:
    """An event that was given up, and one that was delivered, of a broadcast of this test."""
    key = f"hook {secrets.token_hex(4)}"
    made = served.program().submit(api.people(2, seed=key), key=key, account="main").json()
    same = {
        "broadcast_id": made["id"],
        "account": "main",
        "kind": "broadcast.completed",
        "body": "{}",
        "url": "https://hooks.example.com/of-main?token=secret",
        "origin": "https://hooks.example.com",
        "tries": 3,
        "created_at": AT,
        "tried_at": AT,
        "due_at": None,
        "since": AT,
        "closed_at": AT,
    }
    down = Message("webhook.problem.status", status=500)
    with served.engine.begin() as connection:
        connection.execute(
            insert(WebhookRow),
            [
                same
                | {
                    "version": 7,
                    "state": WebhookState.GIVEN_UP,
                    "http_status": 500,
                    "problem": down,
                },
                same
                | {
                    "version": 8,
                    "state": WebhookState.DELIVERED,
                    "http_status": 204,
                    "problem": None,
                },
            ],
        )
    return [f"{made['id']}-7", f"{made['id']}-8"]


def test_what_was_not_delivered_is_listed_and_shown_with_why(
    program: Program, events: list[str]
) -> None:
    given_up, delivered = events

    listed = program.get("/v1/webhooks").json()
    every = program.get("/v1/webhooks", delivered="true").json()
    shown = program.get(f"/v1/webhooks/{given_up}").json()

    mine = [[one for one in some["webhooks"] if one["id"] in events] for some in (listed, every)]
    assert mine[0] == [shown]
    assert [one["id"] for one in mine[1]] == [delivered, given_up]
    assert (shown["state"], shown["http_status"], shown["tries"]) == ("given_up", 500, 3)
    assert shown["problem"]["code"] == "webhook.problem.status"
    assert "secret" not in shown["url"]
    pages = program.pages("/v1/webhooks", limit=1, delivered="true", account="main")
    found = [one["id"] for page in pages for one in page["webhooks"]]
    assert len(set(found)) == len(found) == len(pages)
    assert [one for one in found if one in events] == [delivered, given_up]
    for cursor in ("WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsIngiXQ==", "abc"):
        assert program.get("/v1/webhooks", cursor=cursor).status_code == 422


def test_nobody_sees_or_repeats_those_of_other_accounts(served: Served, events: list[str]) -> None:
    limited = served.program("of-shop-key-0123")

    assert limited.get("/v1/webhooks", delivered="true").json()["webhooks"] == []
    assert limited.get("/v1/webhooks", account="main").status_code == 404
    for method, path in (("GET", events[0]), ("POST", f"{events[0]}/retry")):
        assert limited.ask(method, f"/v1/webhooks/{path}").status_code == 404
    assert (
        served.program("reader-key-0123").ask("POST", f"/v1/webhooks/{events[0]}/retry").status_code
        == 403
    )


@pytest.mark.parametrize("name", ["7", "nothing", "x-1", "20261127-", "' OR 1=1--"])
def test_a_part_of_an_id_is_no_id(program: Program, events: list[str], name: str) -> None:
    assert program.get(f"/v1/webhooks/{name}").status_code == 404


def test_a_retry_has_it_delivered_anew(served: Served, program: Program, events: list[str]) -> None:
    told = program.ask("POST", f"/v1/webhooks/{events[1]}/retry")

    assert (told.status_code, told.json()["state"], told.json()["tries"]) == (200, "waiting", 0)
    with served.engine.connect() as connection:
        query = select(WebhookRow.state, WebhookRow.due_at).where(
            WebhookRow.broadcast_id == told.json()["broadcast_id"], WebhookRow.version == 8
        )
        row = connection.execute(query).one()
    assert row.state is WebhookState.WAITING
    assert row.due_at is not None
