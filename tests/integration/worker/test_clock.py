"""A machine whose clock is off is told so when its worker starts."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from models.engine import open_engine
from worker import clock


class Shifted(datetime):
    """The time of a machine that is off."""

    by = timedelta(0)

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        """Return the time, off by so much."""
        del tz
        return datetime.now(UTC) + cls.by


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (timedelta(minutes=90), "5400 s ahead of"),
        (timedelta(minutes=-2), "120 s behind"),
        (timedelta(seconds=30), None),
    ],
)
def test_clock_that_is_off_by_more_than_a_minute_is_told_in_one_line(
    postgresql_url: str, by: timedelta, said: str | None,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("BROADCAST_LANG", "en")
    monkeypatch.setattr(Shifted, "by", by)
    monkeypatch.setattr(clock, "datetime", Shifted)
    engine = open_engine(postgresql_url)
    with caplog.at_level(logging.WARNING):
        clock.compare(engine)
    engine.dispose()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == (said is not None)
    assert said is None or said in lines[0]
    assert said is None or "NTP" in lines[0]


def test_database_that_is_away_is_no_reason_not_to_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone: Engine = open_engine("postgresql://u@127.0.0.1:1/x")
    clock.compare(gone)
    assert "not compared" in caplog.text
