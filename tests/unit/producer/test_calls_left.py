"""The calls that are left: WeChat's answers of the last minutes."""

from __future__ import annotations

import threading

import pytest

from broadcast.errors import WeChatAwayError
from broadcast.rules import accounts
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan.proof import Quota
from producer.wiring.metrics import CallsLeft
from tests.kit.wait import until

SHOP = accounts.make("shop", appid="wx0123456789abcdef", appsecret="0123456789abcdef")


class WeChat:
    """Answers for one path, and refuses the other."""

    def __init__(self) -> None:
        self.asked: list[SendPath] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def quota(self, account: Account, path: SendPath) -> Quota:
        self.asked.append(path)
        assert self.may_answer.wait(10)
        if path is SendPath.SENDALL:
            raise WeChatAwayError("error.wechat.away", account=account.name, reason="no")
        return Quota(daily_limit=100, used=7, remain=93)


def test_what_wechat_said_is_shown_until_it_is_asked_again() -> None:
    wechat = WeChat()
    left = CallsLeft(wechat.quota, {"shop": SHOP})
    until(left.figures, 10, "an answer")

    # The other path has none.
    assert left.figures() == {("shop", "mass_send"): 93}
    assert wechat.asked == list(SendPath), "asked anew at a scrape"


def test_nobody_waits_for_wechat() -> None:
    wechat = WeChat()
    wechat.may_answer.clear()
    left = CallsLeft(wechat.quota, {"shop": SHOP})

    assert left.figures() == {}
    assert left.figures() == {}

    wechat.may_answer.set()
    until(left.figures, 10, "an answer")


def test_an_answer_that_nobody_expected_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.wiring.metrics.ASKED_EVERY_S", 0.0)
    # The thread of the first try may end later than this test.
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    wechat = WeChat()
    first = [ZeroDivisionError()]

    def ask(account: Account, path: SendPath) -> Quota:
        if first:
            raise first.pop()
        return wechat.quota(account, path)

    left = CallsLeft(ask, {"shop": SHOP})

    until(left.figures, 10, "an answer")
    until(lambda: died, 10, "the end of the first try")


def test_it_is_asked_again_where_no_thread_was_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.wiring.metrics.ASKED_EVERY_S", 0.0)
    left = CallsLeft(WeChat().quota, {"shop": SHOP})

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert left.figures() == {}

    until(left.figures, 10, "an answer")
