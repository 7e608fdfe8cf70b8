from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cli import words

NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)  # Friday 14:00 in Beijing


@pytest.mark.parametrize(
    ("lang", "away", "wanted"),
    [
        ("zh", timedelta(hours=6), "2026-11-27 周五 20:00（北京时间，6 小时后）"),
        ("en", timedelta(hours=6), "Fri 2026-11-27 20:00 Beijing time (in 6 h)"),
        ("zh", timedelta(0), "2026-11-27 周五 14:00（北京时间，现在）"),
        ("en", timedelta(seconds=-90), "Fri 2026-11-27 13:58 Beijing time (90 s ago)"),
        ("zh", timedelta(minutes=30), "2026-11-27 周五 14:30（北京时间，30 分钟后）"),
        ("zh", timedelta(days=3, hours=10), "2026-12-01 周二 00:00（北京时间，3 天后）"),
    ],
)
def test_a_moment_is_told_in_beijing_time_with_its_distance(
    monkeypatch: pytest.MonkeyPatch, lang: str, away: timedelta, wanted: str
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", lang)

    assert words.moment(NOW + away, NOW) == wanted


@pytest.mark.parametrize(
    ("many", "wanted"),
    [(10, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"), (11, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 … (11 in all)")],
)
def test_of_many_the_first_are_named_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch, many: int, wanted: str
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")

    assert words.shortened(range(1, many + 1)) == wanted
