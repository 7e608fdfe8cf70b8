"""Whether what a message asks for is late: by the longest time that it may have waited."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.rules.gates import lateness
from broadcast.settings.program_settings import Settings
from models.ledger.rows.transaction import present
from models.ledger.views import broadcast_reports
from producer.submit.recent_quotas import RecentQuotas
from tests.kit import ledger
from worker import enqueue, planner

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
#: Minutes ago that the queue was found empty; `late_by`; whether it was passed on, and is late.
AGES = [
    (5, "2m", False, True),
    (5, "10m", False, False),
    (5, None, False, False),
    (16, None, False, True),
    (None, "10m", False, True),
    (None, None, False, False),
    (0, "10m", True, True),
    (0, None, True, False),
    (0, "1m", False, False),
]


@pytest.mark.parametrize(("minutes", "late_by", "passed_on", "is_late"), AGES)
def test_a_message_is_late_by_the_longest_time_that_it_may_have_waited(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int | None,
    late_by: str | None,
    *,
    passed_on: bool,
    is_late: bool,
) -> None:
    settings = Settings(WECHAT_APPID="wx0123456789abcdef", WECHAT_APPSECRET="0" * 32)
    parts = SimpleNamespace(
        settings=settings,
        engine=engine,
        accounts=settings.accounts(),
        quotas=RecentQuotas(lambda *_: None),
        wechat=None,
    )
    monkeypatch.setattr(enqueue, "parts", lambda: parts)
    monkeypatch.setattr(planner, "plan", lambda *_, **__: None)
    asked: dict[str, Any] = {
        "key": "k",
        "content": {"msgtype": "text", "text": {"content": "您好"}},
        "audience": {"openids": ledger.openids(3)},
    }
    asked |= {} if late_by is None else {"late_by": late_by}
    asked |= {enqueue.FORWARDED: [1, "gen1@shop"]} if passed_on else {}
    since = None if minutes is None else present(engine) - timedelta(minutes=minutes)

    made = enqueue.submit_message(
        enqueue.TaskMessage.from_arguments(
            (), asked, task_id="1", origin=None, unanswered=True, sent_after=since
        )
    )

    first = broadcast_reports.report(engine, made["id"]).first_call
    assert first is not None
    assert lateness.is_late(first, present(engine)) is is_late
