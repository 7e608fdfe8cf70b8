"""When a run is rehearsed, and what a rehearsal makes a finding of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from broadcast.message import Message
from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import CampaignState, Policy
from broadcast.rules.campaigns.rehearsals import (
    Stage,
    fresh_from,
    in_the_way,
    is_telling,
    is_to_be_known,
    nobody_at_work,
    runs_ahead,
)
from broadcast.rules.campaigns.template import NOTHING

NOON = datetime(2026, 12, 4, 4, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def campaign(**schedule: object) -> Campaign:
    zoned = Schedule(zone="Asia/Shanghai", **schedule)  # type: ignore[arg-type]
    plan = CampaignPlan(account="default", schedule=zoned, policy=Policy(), template=NOTHING)
    return Campaign(
        id="campaign-1",
        name="c",
        state=CampaignState.ENABLED,
        version=1,
        plan=plan,
        decided_until=NOON,
        next_due_at=None,
        created_at=NOON,
        created_by="a",
        edited_at=NOON,
        edited_by="a",
    )


def test_a_run_is_rehearsed_from_a_day_and_again_from_an_hour_before_it() -> None:
    once = campaign(at=NOON)

    def stages(ahead: timedelta) -> list[Stage]:
        return [run.stage for run in runs_ahead(once, NOON - ahead)]

    assert stages(DAY + SECOND) == []
    assert stages(DAY) == stages(HOUR + SECOND) == [Stage.DAY]
    assert stages(HOUR) == stages(61 * SECOND) == [Stage.HOUR]
    assert stages(59 * SECOND) == stages(-SECOND) == []


def test_each_run_of_the_next_day_has_its_own_and_of_very_many_the_next_fifty() -> None:
    hourly = list(runs_ahead(campaign(cron="0 * * * *"), NOON))
    assert [run.due_at - NOON for run in hourly] == [n * HOUR for n in range(1, 25)]
    assert [run.stage for run in hourly] == [Stage.HOUR] + [Stage.DAY] * 23

    assert len(list(runs_ahead(campaign(cron="* * * * *"), NOON))) == 50


def test_workers_that_were_not_seen_for_minutes_and_a_list_of_last_week_are_findings() -> None:
    assert nobody_at_work(NOON - 6 * timedelta(minutes=1), NOON)
    assert not nobody_at_work(NOON - timedelta(minutes=4), NOON)
    assert nobody_at_work(None, NOON)
    assert fresh_from(NOON) == NOON - 7 * DAY


def test_a_notice_of_what_would_be_refused_is_a_finding_and_one_of_a_warning_is_none() -> None:
    told = ("notice.draft.unread", "notice.messages.month", "notice.tag.empty")
    assert all(is_telling(Message(one)) for one in told)
    assert not is_telling(Message("notice.submit.overlap"))
    # WeChat is asked whether it is an older material.
    assert not is_telling(Message("notice.draft.none"))
    assert in_the_way([Message("notice.media.gone")])


def test_that_a_person_will_be_asked_is_a_finding_that_is_in_the_way_of_nothing() -> None:
    asked = Message("notice.administrator_asked")

    assert is_telling(asked)
    assert not in_the_way([asked])
    assert not is_to_be_known([asked])
    assert in_the_way([asked, Message("notice.tag.empty")])


def test_with_a_note_a_run_is_sent_all_the_same_and_it_is_to_be_known() -> None:
    for one in ("rehearsal.stale", "rehearsal.stale_then", "notice.draft.refused"):
        assert not in_the_way([Message(one)])
        assert is_to_be_known([Message(one)])
