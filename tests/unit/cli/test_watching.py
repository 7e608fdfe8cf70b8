"""What is said beside the progress: each thing once, and a new moment anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from broadcast.gates.blockers import Blocker, Cause
from broadcast.states import BroadcastState
from cli.following import _Watch
from tests.unit.cli.test_report import NOW, told

DOUBT = Blocker(
    cause=Cause.UNKNOWN_FIRST, command="broadcast watch 20261127-abcdef",
    until=NOW + timedelta(seconds=10), broadcasts=("20261127-abcdef",), batch=1,
)  # fmt: skip


class Heard:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, told: object) -> None:
        """Show no figures."""

    def tell(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)


def test_a_wait_is_said_once_and_again_when_it_ends_at_another_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    heard = Heard()
    watch = _Watch(progress=heard, redis_problem=lambda: None)
    later = replace(DOUBT, until=NOW + timedelta(minutes=10))

    for one in (DOUBT, DOUBT, later, later):
        watch._say([one], told(BroadcastState.SENDING))

    assert ["in 10 s" in line for line in heard.lines] == [True, False]
    assert "in 10 min" in heard.lines[1]
