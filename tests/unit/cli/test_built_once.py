"""Parts that many threads need first at the same moment, and a broker that comes back meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broadcast.built_once import built_once
from broadcast.errors import BrokerAwayError
from broadcast.settings.program_settings import Settings
from producer.waking import CeleryWaker, RestingWaker
from producer.wiring import wechat

THREADS = 8


class Slow:
    """Something that takes as long to build as all threads need to ask for it."""

    def __init__(self) -> None:
        self.built = 0
        self.asked = threading.Barrier(THREADS)

    def build(self, *_: object, **__: object) -> object:
        self.built += 1
        # Whoever does not wait for a lock comes here too.
        threading.Event().wait(0.05)
        return object()


class Holder:
    """It has one part."""

    def __init__(self, slow: Slow) -> None:
        self.slow = slow

    @built_once
    def part(self) -> object:
        """Return it."""
        return self.slow.build()


def everybody(slow: Slow, ask: Any) -> set[int]:
    def one(_: int) -> int:
        slow.asked.wait()
        return id(ask())

    with ThreadPoolExecutor(THREADS) as threads:
        return set(threads.map(one, range(THREADS)))


def test_a_part_is_built_once_for_all_threads() -> None:
    slow = Slow()
    holder = Holder(slow)

    assert len(everybody(slow, lambda: holder.part)) == 1
    assert slow.built == 1
    assert vars(holder)["part"] is holder.part


def test_a_client_of_wechat_is_built_once_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(wechat, "WeChatClient", slow.build)
    ask = wechat.WeChat(Settings(), on_drift=print)

    assert len(everybody(slow, lambda: ask._client("https://api.weixin.qq.com"))) == 1
    assert slow.built == 1


def test_a_broker_that_another_thread_finds_back_meanwhile_is_no_bug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Racing(RestingWaker):
        """Each second look at why the broker is away finds that it is not."""

        looks = 0

        @property
        def _why(self) -> BrokerAwayError | None:
            self.looks += 1
            return BrokerAwayError("error.broker.away", reason="x") if self.looks == 1 else None

        @_why.setter
        def _why(self, value: BrokerAwayError | None) -> None:
            del value

    monkeypatch.setattr(CeleryWaker, "connect", lambda _: None)
    waker = Racing("redis://nowhere")
    waker._away_until = float("inf")

    assert waker.is_away()
