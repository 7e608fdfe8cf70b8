"""The wake-up beside the answers: once for many asks, and never one less than is owed."""

from __future__ import annotations

from queue import SimpleQueue

import pytest

from entrypoints.callback import push_queue
from entrypoints.callback.push_queue import WakerThread


def test_who_asks_just_before_the_end_has_a_worker_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_queue, "PAUSE_S", 3_600.0)
    woken = SimpleQueue[None]()
    one = WakerThread(lambda: woken.put(None))

    one.wake_soon()
    woken.get()
    one.wake_soon()
    one.close()

    assert woken.qsize() == 1


def test_nobody_is_woken_at_the_end_for_nothing() -> None:
    woken = SimpleQueue[None]()
    one = WakerThread(lambda: woken.put(None))

    one.wake_soon()
    woken.get()
    one.close()

    assert woken.empty()
