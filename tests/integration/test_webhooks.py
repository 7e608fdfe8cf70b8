"""``broadcast webhooks``: what was told, what was given up and why, and how it is told again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.message import Message
from broadcast.rules.calls.waits import Waits
from models.ledger.boxes import webhooks
from models.ledger.steer import operator
from models.ledger.submit import submits
from tests.kit import ledger
from tests.kit.command_line import CommandLine

URL = "https://hooks.example.com/broadcasts?token=hidden"
DOWN = Message("webhook.problem.unanswered", reason=Message("transport.read_timeout"))


def told(engine: Engine, *, given_up: bool = False, delivered: bool = False) -> str:
    """Store a webhook, tried once if its end is named; return its id."""
    body = ledger.body(size=20)
    broadcast_id = ledger.upload(engine, body)
    submits.publish(
        engine,
        broadcast_id,
        body,
        figures=ledger.figures(size=20, batches=1),
        terms=replace(ledger.terms(batches=1), notify_url=URL),
        quota=ledger.PLENTY,
    )
    operator.cancel(engine, broadcast_id, who="tests")
    taken = webhooks.reserve_next_event(engine, busy=(), put_off=timedelta(minutes=1))
    assert taken is not None
    if given_up:
        webhooks.mark_failed(engine, taken, DOWN, http_status=None, waits=Waits(), is_final=True)
    if delivered:
        webhooks.mark_delivered(engine, taken, 200)
    return taken.event_id


def test_without_webhooks_it_says_so(line: CommandLine) -> None:
    assert line.run("webhooks", "list").out == "Every webhook was delivered.\n"
    assert "notify" in line.run("webhooks", "list", "--all").out
    assert line.run("webhooks", "list", "--json").json == {"webhooks": [], "more": 0, "error": None}
    assert line.run("webhooks", "retry", "--all").out == "No webhook was given up.\n"
    assert "webhooks list" not in line.run("status").err


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ("given up, 1 try", "did not answer: no reply in time", "webhooks retry"),
        ),
        ("zh", ("已放弃，投递 1 次", "接收程序没有应答", "webhooks retry 编号")),
    ],
)
def test_what_was_given_up_is_listed_with_why_and_counted_by_status(
    line: CommandLine, language: str, words: tuple[str, ...]
) -> None:
    with line.ledger() as engine:
        lost = told(engine, given_up=True)
        told(engine, delivered=True)

    done = line.run("webhooks", "list", BROADCAST_LANG=language)

    shown = " ".join(f"{done.out} {done.err}".split())
    for word in (lost, "broadcast.cancelled", "https://hooks.example.com/broadcasts?…", *words):
        assert word in shown
    assert "hidden" not in f"{done.out}{done.err}"
    assert "1 webhook to another program was given up: broadcast webhooks list" in (
        line.run("status").err
    )
    assert len(line.run("webhooks", "list", "--all", "--json").json["webhooks"]) == 2
    of_it = line.run("status", lost.rpartition("-")[0], BROADCAST_LANG=language)
    assert lost in of_it.err
    assert words[0] in " ".join(of_it.err.split())


def test_one_webhook_or_all_that_were_given_up_are_delivered_again(line: CommandLine) -> None:
    with line.ledger() as engine:
        lost = [told(engine, given_up=True) for _ in range(2)]
        there = told(engine, delivered=True)

    done = line.run("webhooks", "retry", lost[0][9:], "--json")
    (one,) = done.json["webhooks"]

    assert (one["id"], one["state"], one["tries"], one["closed_at"]) == (
        lost[0],
        "waiting",
        0,
        None,
    )
    assert done.status == 0
    assert one["give_up_at"] > one["next_try_at"]
    assert "1 webhook will be delivered again" in line.run("webhooks", "retry", "--all").out
    assert [one["state"] for one in line.run("webhooks", "list", "--json").json["webhooks"]] == [
        "waiting",
        "waiting",
    ]
    # The receiver may have lost what it took.
    assert line.run("webhooks", "retry", there, "--json").json["webhooks"][0]["state"] == "waiting"


def test_bad_usage_is_one_line_with_status_2(line: CommandLine) -> None:
    with line.ledger() as engine:
        told(engine)
        told(engine)

    for words in (["retry"], ["retry", "x", "--all"], ["retry", "nothing"], ["retry", "2026"]):
        refused = line.run("webhooks", *words)
        assert (refused.status, len(refused.lines)) == (2, 1), refused.err


@pytest.mark.parametrize("page", ["json.md", "json.zh.md"])
def test_every_key_is_in_the_document(line: CommandLine, page: str) -> None:
    with line.ledger() as engine:
        told(engine, given_up=True)
    root = Path(__file__).parents[2] / "docs"
    rows = (root / page).read_text("utf-8").splitlines()
    row = next(row for row in rows if "`webhooks list`" in row)

    (one,) = line.run("webhooks", "list", "--json").json["webhooks"]

    assert {key for key in {*one, *one["problem"]} if f"`{key}`" not in row} == set()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"WECHAT_NOTIFY_URL": "https://10.0.0.1/x"}, "leads to a private address"),
        ({"WECHAT_NOTIFY_URL": "http://example.com/x"}, "does not begin with https://"),
        ({"WECHAT_NOTIFY_URL": "https://u:hidden@example.com/x"}, "without a user name"),
        ({"BROADCAST_WEBHOOK_SECRETS": "hidden"}, "whsec_"),
        ({"BROADCAST_WEBHOOK_NETWORKS": "10.0.0.1/8"}, "10.0.3.0/24"),
        ({"BROADCAST_WEBHOOK_TIMEOUT": "0"}, "from 1 to 60"),
    ],
)
def test_a_wrong_setting_is_one_line_with_status_2(
    line: CommandLine, settings: dict[str, Any], words: str
) -> None:
    file = line.folder / "list.txt"
    file.write_text("\n".join(ledger.openids(3)))
    refused = line.run("send", "--openids", str(file), "--text", "x", **settings)

    assert (refused.status, len(refused.lines)) == (2, 1), refused.err
    assert words in refused.err
    assert "hidden" not in refused.err
