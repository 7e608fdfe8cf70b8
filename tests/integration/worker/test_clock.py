"""A machine whose clock is off is told so when its worker starts."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from broadcast.message import Message
from models.engine import open_engine
from worker import celery_parts


class Shifted(datetime):
    """The time of a machine that is off."""

    by = timedelta(0)

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        """Return the time, off by so much."""
        del tz
        return datetime.now(UTC) + cls.by


@pytest.mark.parametrize(
    ("by", "facts"),
    [
        (timedelta(minutes=90), {"seconds": 5400, "way": Message("worker.clock.ahead")}),
        (timedelta(minutes=-2), {"seconds": 120, "way": Message("worker.clock.behind")}),
        (timedelta(seconds=30), None),
    ],
)
def test_clock_that_is_off_by_more_than_a_minute_is_told_in_one_line(
    postgresql_url: str,
    by: timedelta,
    facts: dict[str, object] | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Shifted, "by", by)
    monkeypatch.setattr("models.engine.datetime", Shifted)
    engine = open_engine(postgresql_url)
    with caplog.at_level(logging.WARNING):
        celery_parts.compare_clocks(engine)
    engine.dispose()
    told = [record.args for record in caplog.records]
    assert told == ([(Message("worker.clock", **facts),)] if facts else [])


def test_database_that_is_away_is_no_reason_not_to_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone: Engine = open_engine("postgresql://u@127.0.0.1:1/x")
    celery_parts.compare_clocks(gone)
    assert "was not compared" in caplog.text
