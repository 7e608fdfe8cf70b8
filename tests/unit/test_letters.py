"""What a worker puts off while it cannot keep a dead letter."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from worker import dead_letters


def test_what_waits_for_later_runs_once_after_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[threading.Timer] = []

    class Timer(threading.Timer):
        def start(self) -> None:
            timers.append(self)
            super().start()

    monkeypatch.setattr(dead_letters, "threading", SimpleNamespace(Timer=Timer))
    monkeypatch.setattr(dead_letters, "PAUSE_S", 0.05)
    asked_at, ran_at = time.monotonic(), list[float]()

    dead_letters.try_later(lambda: ran_at.append(time.monotonic()))

    [timer] = timers
    timer.join(60)
    [once] = ran_at
    assert once - asked_at >= dead_letters.PAUSE_S
