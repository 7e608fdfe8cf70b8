"""To every follower by the queue: only where the operator allows it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.settings.program_settings import Settings
from models.ledger.boxes import dead_letters as boxes_dead_letters
from producer.submit.recent_quotas import RecentQuotas
from worker import dead_letters as worker_dead_letters
from worker import enqueue, planner

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
ASKED = {
    "key": "k",
    "content": {"msgtype": "text", "text": {"content": "您好"}},
    "audience": {"to_all": True, "confirm_to_all": "default"},
}


@pytest.fixture
def allowed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A worker; its operator may change whether it is allowed."""
    settings = Settings(WECHAT_APPID="wx0123456789abcdef", WECHAT_APPSECRET="0" * 32)
    parts = SimpleNamespace(
        settings=settings,
        engine=engine,
        accounts=settings.accounts(),
        quotas=RecentQuotas(lambda *_: None),
        wechat=None,
    )
    monkeypatch.setattr(enqueue, "parts", lambda: parts)
    monkeypatch.setattr(worker_dead_letters, "parts", lambda: parts)
    monkeypatch.setattr(planner, "plan", lambda *_, **__: None)
    return parts


def come(parts: SimpleNamespace, said: str | None) -> dict[str, Any]:
    """Take the message where the setting says this."""
    words: Any = {} if said is None else {"BROADCAST_ENQUEUE_TO_ALL": said}
    parts.settings = Settings(WECHAT_APPID="wx0123456789abcdef", WECHAT_APPSECRET="0" * 32, **words)
    message = enqueue.TaskMessage.from_arguments(
        (), ASKED, task_id="1", origin=None, unanswered=True
    )
    return enqueue.submit_message(message)


@pytest.mark.parametrize("said", [None, "no"])
def test_a_message_to_everybody_is_a_dead_letter_that_names_the_setting(
    engine: Engine, allowed: SimpleNamespace, said: str | None
) -> None:
    answer = come(allowed, said)

    assert answer["id"] is None
    assert (answer["error"]["code"], answer["error"]["field"]) == (
        "error.dead.to_all",
        "audience.to_all",
    )
    assert "BROADCAST_ENQUEUE_TO_ALL" in answer["error"]["text"]
    (letter,) = boxes_dead_letters.newest(engine, state=None, most=5)
    assert (letter.id, letter.key) == (answer["dead_letter"], "k")


def test_where_the_operator_says_yes_it_is_taken_and_a_repeat_is_answered_whatever_he_says_later(
    allowed: SimpleNamespace,
) -> None:
    made = come(allowed, "yes")
    again = come(allowed, "no")

    assert made["created"] is True
    assert (again["id"], again["created"]) == (made["id"], False)
