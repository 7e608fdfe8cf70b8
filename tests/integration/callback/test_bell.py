"""The wake-up beside the answers: once for many rings, and never one less than is owed."""

from __future__ import annotations

from queue import SimpleQueue

import pytest

from callback import bell
from callback.bell import Bell


def test_who_rings_just_before_the_end_has_a_worker_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "PAUSE_S", 3_600.0)
    woken = SimpleQueue[None]()
    one = Bell(lambda: woken.put(None))

    one.ring()
    woken.get()
    one.ring()
    one.close()

    assert woken.qsize() == 1


def test_nobody_is_woken_at_the_end_for_nothing() -> None:
    woken = SimpleQueue[None]()
    one = Bell(lambda: woken.put(None))

    one.ring()
    woken.get()
    one.close()

    assert woken.empty()
