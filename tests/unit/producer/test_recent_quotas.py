"""WeChat's answers that requests of the HTTP API share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

import pytest

from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan.proof import Quota
from producer.submit.recent_quotas import RecentQuotas
from tests.kit import ledger
from tests.kit.wait import until

OLD, NEW = Quota(daily_limit=100, used=0, remain=100), Quota(daily_limit=100, used=1, remain=99)


def asking(answer: Callable[[], Quota | None]) -> Callable[[], Quota | None]:
    shared = RecentQuotas(lambda _account, _path: answer())
    return lambda: shared.quota(ledger.account(), SendPath.MASS_SEND)


def test_nobody_waits_for_wechat_while_there_is_an_answer_of_seconds_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("producer.submit.recent_quotas.ANSWER_FOR_S", 0.0)
    answers, came, goes_on = iter([OLD]), threading.Event(), threading.Event()

    def answer() -> Quota:
        if (first := next(answers, None)) is not None:
            return first
        came.set()
        assert goes_on.wait(60)
        return NEW

    quota = asking(answer)

    assert (quota(), quota()) == (OLD, OLD)
    assert came.wait(60)
    assert quota() == OLD
    goes_on.set()
    until(lambda: quota() == NEW, 60, "the answer that was asked for aside")


def test_nobody_waits_for_a_wechat_that_gave_no_answer_in_the_last_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ANSWER_FOR_S", "USABLE_S"):
        monkeypatch.setattr(f"producer.submit.recent_quotas.{name}", 0.0)
    first, goes_on = iter([None]), threading.Event()

    def answer() -> Quota | None:
        for nothing in first:
            return nothing
        assert goes_on.wait(60)
        return NEW

    quota = asking(answer)

    assert (quota(), quota(), quota()) == (None, None, None)
    goes_on.set()
    until(lambda: quota() == NEW, 60, "the answer that was asked for aside")


def test_the_answer_of_a_day_that_is_over_serves_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([OLD, NEW])
    quota = asking(lambda: next(answers))

    assert (quota(), quota()) == (OLD, OLD)
    monkeypatch.setattr("producer.submit.recent_quotas._today", lambda: date(2000, 1, 1))
    assert quota() == NEW


def test_an_answer_over_which_the_day_turned_serves_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer() -> Quota:
        monkeypatch.setattr("producer.submit.recent_quotas._today", lambda: date(2000, 1, 1))
        return OLD

    assert asking(answer)() is None


def test_a_process_without_a_thread_to_spare_asks_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.submit.recent_quotas.ANSWER_FOR_S", 0.0)
    answers = iter([OLD, NEW])
    quota = asking(lambda: next(answers))

    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    assert quota() == OLD
    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", no_thread)
        assert quota() == OLD
    until(lambda: quota() == NEW, 60, "the answer that was asked for later")
