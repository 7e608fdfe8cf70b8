"""``--wait`` gives up on a part that stays away: exit 3, and the command that repeats it safely."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.rules.states import Reason
from entrypoints.cli import following
from tests.integration.test_which import said
from tests.kit import ledger
from tests.servers.valkey import Valkey


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after a moment."""
    monkeypatch.setattr(following, "AWAY_PATIENCE_S", 0.2)
    monkeypatch.setattr(following, "STALLED_S", 0.05)


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """A send that waits."""
    people = tmp_path / "list.txt"
    people.write_text("\n".join(ledger.openids(3)), "ascii")
    return ("send", "--openids", str(people), "--text", "hello", "--key", "june", "--wait")


@pytest.mark.usefixtures("here", "impatient")
def test_with_redis_and_wechat_away_a_send_that_waits_ends_and_a_repeat_sends_nothing_twice(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    first = said(capsys, *words, status=3)
    again = said(capsys, *words, status=3)

    for shown in (first, again):
        assert "is stored and nothing is lost" in shown
        assert f"broadcast {' '.join(words)}" in shown.splitlines()[-1]
        assert "REDIS_URL" in shown.splitlines()[-1]
    assert "was submitted before as" in again


@pytest.mark.usefixtures("impatient")
def test_a_broker_that_is_not_redis_and_wechat_end_the_wait_as_well(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    valkey: Valkey,
) -> None:
    monkeypatch.setenv("REDIS_URL", valkey.url)
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    broker = said(capsys, *words, status=3)
    ledger.wait(
        here, until=datetime.now(UTC) + timedelta(minutes=9), reason=Reason.WECHAT_NOT_READY
    )
    wechat = said(capsys, "watch", "@last", status=3)

    assert "broker cannot be reached" in broker
    assert "WeChat cannot be reached or is not ready. Broadcast" in wechat
    assert ": broadcast watch " in wechat.splitlines()[-1]


@pytest.mark.usefixtures("impatient")
def test_what_waits_for_its_minute_at_wechat_is_not_given_up(
    here: Engine, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    said(capsys, *words, status=3)
    ledger.wait(here, until=datetime.now(UTC) + timedelta(seconds=2), reason=Reason.THROTTLED)

    shown = said(capsys, "watch", "@last", status=3)

    # Redis is away all the time, and looked at only once the wait is over.
    assert shown.index("Waiting: ") < shown.index("Redis")
