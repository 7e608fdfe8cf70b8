"""China's public holidays beside the days of a campaign."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.due_times import Days, Schedule
from broadcast.rules.campaigns.launches import Policy
from broadcast.rules.campaigns.template import Template
from broadcast.settings.program_settings import Settings
from broadcast.views.texts import Language, Texts
from entrypoints.cli import public_holidays
from entrypoints.cli.campaign_lines import plan_lines
from entrypoints.cli.terminal import Terminal

NOW = datetime(2026, 9, 30, 4, tzinfo=UTC)
HOLIDAY = Days(first=date(2026, 10, 1), last=date(2026, 10, 7))


def shown(cron: str, lang: Language, **days: object) -> str:
    schedule = Schedule(zone="Asia/Shanghai", cron=cron, **days)  # type: ignore[arg-type]
    to_followers = Template(
        request={
            "account": "default",
            "audience": {"followers": {}},
            "content": {"msgtype": "text", "text": {"content": "Hello"}},
        }
    )
    plan = CampaignPlan(
        account="default", schedule=schedule, policy=Policy(), template=to_followers
    )
    times = [time for time, _ in zip(schedule.after(NOW), range(2), strict=False)]
    settings = Settings(_env_file=None)
    lines = plan_lines(plan, times, NOW, settings=settings)
    return "\n".join(Terminal(Texts(lang)).in_words(line) for line in lines)


def test_a_next_time_says_that_its_day_is_off_and_what_it_is_off_for() -> None:
    assert "2026-10-01 20:00" in shown("0 20 * * *", "en")
    assert "(day off: National Day)" in shown("0 20 * * *", "en")
    assert "（国庆节放假）" in shown("0 20 * * *", "zh")


def test_a_weekend_day_that_is_worked_for_a_holiday_is_named() -> None:
    assert "2026-10-10" in shown("0 20 * * 6", "zh", exceptions=(HOLIDAY,))
    assert "（国庆节调休，上班）" in shown("0 20 * * 6", "zh", exceptions=(HOLIDAY,))
    assert "(working day for National Day)" in shown("0 20 * * 6", "en", exceptions=(HOLIDAY,))


def test_days_that_are_left_out_say_so_too() -> None:
    left_out = Days(first=date(2026, 10, 10), last=date(2026, 10, 10))

    assert "2026-10-10 周六（国庆节调休，上班） 除外" in shown(
        "0 20 * * 5", "zh", exceptions=(left_out,)
    )


@pytest.mark.parametrize("day", [date(2026, 12, 4), date(2026, 12, 5), date(2999, 1, 1)])
def test_of_an_ordinary_day_and_of_a_year_not_yet_announced_nothing_is_said(day: date) -> None:
    assert public_holidays.beside("as it is", day) == "as it is"
