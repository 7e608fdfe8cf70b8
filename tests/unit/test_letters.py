"""What a worker puts off while it cannot keep a dead letter."""

from __future__ import annotations

import threading

import pytest

from worker import letters


def test_what_waits_for_later_runs_once_after_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "PAUSE_S", 0)
    ran = threading.Event()

    letters.later(ran.set)

    assert ran.wait(60)
