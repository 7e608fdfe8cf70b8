"""Campaigns of Python programs: what is wrong raises, names its member, and stores nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from sqlalchemy import Engine

from broadcast.rules.campaigns.launches import LaunchState, Verdict, Why
from broadcast.views.objects import utc
from models.ledger.campaigns import campaign_rows, launch_rows
from models.ledger.rows.transaction import write
from producer import ConflictError, InputError, Producer, UnknownIdError
from producer.campaigns.library_campaigns import CampaignArguments, Campaigns
from tests.integration.producer.conftest import QuotaStub

TEXT = {"msgtype": "text", "text": {"content": "Live on {weekday_en}"}}
WEEKLY: Any = {"cron": "0 20 * * 5", "content": TEXT, "audience": {"tag_id": 2}}


@pytest.fixture
def campaigns(here: Engine) -> Iterator[Campaigns]:
    """Campaigns of a program on the settings of the environment; its broker is away."""
    del here
    with Producer("shop", quota=QuotaStub()) as shop:
        yield shop.campaigns


def test_a_campaign_is_added_edited_stopped_and_removed(campaigns: Campaigns) -> None:
    made = campaigns.add("weekly", WEEKLY)
    edited = campaigns.edit("weekly", {"timezone": "Europe/Berlin"}, version=made.version)

    assert (made.created_by, made.plan.account) == ("python shop", "default")
    assert (edited.version, edited.plan.schedule.zone) == (2, "Europe/Berlin")
    assert campaigns.get("weekly") == edited
    assert campaigns.edit("weekly", {"timezone": "Europe/Berlin"}) == edited
    assert campaigns.disable("weekly").next_due_at is None
    assert campaigns.enable("weekly").next_due_at is not None
    begun = campaigns.run("weekly", key="order-1")
    assert [one.id for one in campaigns.runs("weekly")] == [begun.id]
    campaigns.remove("weekly")
    assert list(campaigns.list()) == []


def test_a_run_that_a_restore_held_is_released_where_that_is_meant(
    campaigns: Campaigns, here: Engine
) -> None:
    campaigns.add("weekly", WEEKLY)
    run = campaigns.run("weekly", key="order-1")
    restored = Verdict(state=LaunchState.HELD, why=Why.RESTORED)
    assert write(here, lambda c: launch_rows.move(c, run, restored, moment=run.due_at))

    with pytest.raises(InputError) as refused:
        campaigns.run("weekly", due=utc(run.due_at))
    released = campaigns.run("weekly", due=utc(run.due_at), maybe_sent=True)

    assert refused.value.message_id == "error.launch.maybe_sent"
    assert released.state is LaunchState.BEGUN


@pytest.mark.parametrize(
    ("members", "message_id"),
    [
        ({"cron": "0 20 * *"}, "error.campaign.cron_fields"),
        ({"cron": None}, "error.campaign.no_time"),
        ({"cron": None, "at": "2020-01-01T20:00"}, "error.campaign.at_past"),
        ({"audience": {"openids": ["oA", "oB"]}}, "error.campaign.list"),
        (
            {"content": {"msgtype": "mpnews", "mpnews": {"media_id": "M" * 43}}},
            "error.campaign.fixed_draft",
        ),
        ({"form": "2026-12-01"}, "error.request.unknown_near"),
        ({"account": "nobody"}, "error.settings.unknown_account"),
    ],
)
def test_what_is_wrong_raises_and_stores_nothing(
    campaigns: Campaigns, here: Engine, members: dict[str, Any], message_id: str
) -> None:
    with pytest.raises(InputError) as caught:
        campaigns.add("weekly", cast("CampaignArguments", {**WEEKLY, **members}))

    assert caught.value.message_id == message_id
    assert campaign_rows.every(here) == []


def test_a_name_that_is_none_or_a_second_one_is_refused(campaigns: Campaigns) -> None:
    for name, said in ((cast("str", None), WEEKLY), ("weekly", WEEKLY | {"name": "monthly"})):
        with pytest.raises(InputError) as refused:
            campaigns.add(name, said)
        assert refused.value.facts["field"] == "name"

    assert list(campaigns.list()) == []


def test_a_campaign_that_another_one_edited_is_taken_or_unknown_is_refused(
    campaigns: Campaigns,
) -> None:
    campaigns.add("weekly", WEEKLY)
    campaigns.edit("weekly", {"title": "Friday"})

    with pytest.raises(ConflictError, match="edited"):
        campaigns.edit("weekly", {"title": "Fridays"}, version=1)
    with pytest.raises(ConflictError, match="name_taken"):
        campaigns.add("weekly", WEEKLY)
    with pytest.raises(UnknownIdError, match="unknown_near"):
        campaigns.run("weakly")
    assert campaigns.get("weekly").version == 2


def test_what_is_planned_beyond_wechats_limits_is_named(campaigns: Campaigns) -> None:
    everybody = {"to_all": True, "confirm_to_all": "default"}
    twice = {**WEEKLY, "cron": "0 10,20 * * *", "audience": everybody}
    campaigns.add("twice", cast("CampaignArguments", twice))

    assert "launches.over_month" in {one.id for one in campaigns.over_limits()}
