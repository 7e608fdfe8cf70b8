"""The calls that are left: WeChat's answers, less what the ledger called since."""

from __future__ import annotations

import threading

import pytest

from broadcast.errors import WeChatAwayError
from broadcast.rules import accounts
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.metrics import Figures
from broadcast.rules.plan.proof import Quota
from producer.wiring.metrics import CallsLeft
from tests.kit.wait import until

SHOP = accounts.make("shop", appid="wx0123456789abcdef", appsecret="0123456789abcdef")
MADE: Figures = {
    ("shop", "mass_send", "accepted", "0"): 7.0,
    ("shop", "sendall", "unknown", ""): 2.0,
}
MORE: Figures = {
    ("shop", "mass_send", "not_called", ""): 50, ("shop", "sendall", "accepted", "0"): 3,
}  # fmt: skip


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


def test_calls_that_were_made_since_the_answer_are_taken_off() -> None:
    wechat = WeChat()
    left = CallsLeft(wechat.quota, {"shop": SHOP})
    until(lambda: left.figures(MADE), 10, "an answer")

    assert left.figures(MADE) == {("shop", "mass_send"): 93}
    # Both paths count against one number, unless the settings say otherwise.
    assert left.figures({**MADE, **MORE}) == {("shop", "mass_send"): 90}
    assert left.figures({("shop", "mass_send", "accepted", "0"): 900.0}) == {
        ("shop", "mass_send"): 0
    }
    assert wechat.asked == list(SendPath), "asked anew at a scrape"


def test_nobody_waits_for_wechat() -> None:
    wechat = WeChat()
    wechat.may_answer.clear()
    left = CallsLeft(wechat.quota, {"shop": SHOP})

    assert left.figures(MADE) == {}
    assert left.figures(MADE) == {}

    wechat.may_answer.set()
    until(lambda: left.figures(MADE), 10, "an answer")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_answer_that_nobody_expected_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.wiring.metrics.ASKED_EVERY_S", 0.0)
    wechat = WeChat()
    first = [ZeroDivisionError()]

    def ask(account: Account, path: SendPath) -> Quota:
        if first:
            raise first.pop()
        return wechat.quota(account, path)

    left = CallsLeft(ask, {"shop": SHOP})

    until(lambda: left.figures(MADE), 10, "an answer")


def test_it_is_asked_again_where_no_thread_was_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.wiring.metrics.ASKED_EVERY_S", 0.0)
    left = CallsLeft(WeChat().quota, {"shop": SHOP})

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert left.figures(MADE) == {}

    until(lambda: left.figures(MADE), 10, "an answer")
