"""What a pass over WeChat's list of followers says beside its bar."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime

import pytest

from broadcast.views.texts import Texts
from entrypoints.cli.sync_progress import FollowerProgress
from entrypoints.cli.terminal import Terminal
from models.ledger.followers.follower_syncs import Sync
from producer.followers import Outlook

NOW = datetime(2026, 11, 27, tzinfo=UTC)


class TerminalStream(io.TextIOWrapper):
    """Standard error of a person."""

    def isatty(self) -> bool:
        """Be a terminal."""
        return True


def test_a_line_stands_above_the_bar_and_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    screen = TerminalStream(written, encoding="utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal(Texts("en"))
    nothing = dict.fromkeys(Sync.__dataclass_fields__)
    known = {
        "id": 1,
        "account": "shop",
        "started_at": NOW,
        "started_by": "me",
        "tail": "",
        "pages": 3,
        "listed": 30_000,
    }
    sync = Sync(**{**nothing, **known})  # type: ignore[arg-type]  # what is not known is None
    outlook = Outlook(sync=sync, resumed=False, total=5_000_000, calls_left=400, calls_needed=497)

    with FollowerProgress(terminal, now=NOW) as progress:
        progress.begins(outlook)

    before, line, after = written.getvalue().decode().partition("497 calls of user/get")
    # The bar's own line was erased before, and it is drawn anew below.
    assert line, before
    assert before.endswith("\x1b[2K")
    assert after.splitlines()[1:], after
