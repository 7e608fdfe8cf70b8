"""A log for machines: one JSON object a line, with the event's name and what it is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from broadcast import redaction
from broadcast.errors import OutOfReachError
from broadcast.logs import log_facts, log_format, request_ids
from broadcast.views.texts import Language
from tools import log_events


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that gives what was logged as JSON since the test began."""
    monkeypatch.setenv(log_format.VARIABLE, "json")
    written = StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    before, level = root.handlers, root.level
    root.handlers = []
    redaction.install()
    log_format.set_up(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    redaction.uninstall()
    root.handlers, root.level = before, level


def test_a_line_names_its_event_its_reason_and_what_it_is_about(lines: Any) -> None:
    log = logging.getLogger("worker.delivery.lane")
    token = request_ids.current.set("r-1")

    with log_facts.about(account="main", broadcast="20261201-abc", batch=3, rid=None):
        away = OutOfReachError("error.database.away", cause="refused")
        log.warning("account %s: calls wait: %s", "main", away)
    request_ids.current.reset(token)
    log.info("batch %d", 4)

    first, second = lines()
    assert first.pop("time").endswith("Z")
    assert "cannot be reached" in first.pop("message")
    assert first == {
        "level": "warning",
        "logger": "worker.delivery.lane",
        "event": "account_calls_wait",
        "reason": "error.database.away",
        "request": "r-1",
        "account": "main",
        "broadcast": "20261201-abc",
        "batch": 3,
    }
    assert second.keys() == {"time", "level", "logger", "event", "message"}


def test_a_traceback_and_a_line_break_stay_in_one_line(lines: Any) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("x").exception("nothing\nworks")

    (line,) = lines()
    assert (line["event"], line["message"]) == ("nothing_works", "nothing\nworks")
    assert line["trace"].startswith("Traceback")
    assert line["error"] == "ZeroDivisionError: division by zero"


def test_a_secret_is_masked_and_the_event_keeps_its_name(lines: Any) -> None:
    redaction.remember("sesame-open")

    logging.getLogger("x").warning("key %s was refused", "sesame-open")

    (line,) = lines()
    assert line["message"] == "key *** was refused"
    assert line["event"] == "key_was_refused"


def test_no_member_of_a_line_shows_a_secret(lines: Any) -> None:
    secret = "0123456789abcdef"
    redaction.remember(secret)
    log = logging.getLogger("x")
    token = request_ids.current.set(secret)

    with log_facts.about(account=secret, rid=secret, broadcast=f"b{secret}"):
        log.warning("plain", extra={"data": {"name": secret, "id": secret}})
    request_ids.current.reset(token)
    log.error(f"no login with {secret} at redis://:hunter2hunter2@h:1/0")  # noqa: G004 - as libraries do
    log.error(OSError("redis://:hunter2hunter2@h:1/0"))

    plain, login, error = lines()
    shown = str((plain, login, error))
    assert secret not in shown
    assert "hunter2" not in shown
    assert (plain["request"], plain["account"], plain["task_id"]) == ("***", "***", "***")
    assert login["event"] == "no_login_with_at_redis_h_1_0"
    assert error["event"] == "redis_h_1_0"


def test_the_request_of_a_line_of_text_shows_no_secret() -> None:
    redaction.remember("0123456789abcdef")
    record = logging.makeLogRecord({"msg": "plain"})
    token = request_ids.current.set("0123456789abcdef")

    log_format.Described().filter(record)
    request_ids.current.reset(token)

    assert getattr(record, "request") == " request=***"  # noqa: B009 - added by the filter


def test_facts_end_with_their_block_and_with_their_task() -> None:
    log_facts.begin(task="broadcast.plan")
    with log_facts.about(batch=1):
        assert log_facts.now() == {"task": "broadcast.plan", "batch": 1}
    assert log_facts.now() == {"task": "broadcast.plan"}
    log_facts.begin()

    assert log_facts.now() == {}


@pytest.mark.parametrize("language", log_events.FILES)
def test_the_pages_list_every_event(language: Language) -> None:
    page = log_events.FILES[language].read_text("utf-8")

    assert page == log_events.document(language), "make cli-docs"
    assert "| `account_calls_wait` | warning | `worker.delivery.lane` |" in page
