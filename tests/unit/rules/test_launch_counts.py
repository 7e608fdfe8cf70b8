"""Launches beyond what WeChat allows are named with their dates and campaigns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from broadcast import day
from broadcast.rules.accounts import AccountKind
from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launch_counts import (
    EVERYBODY,
    Send,
    beside,
    excesses,
    planned,
    whom,
    with_tag,
)
from broadcast.rules.campaigns.launch_counts import send as one_run
from broadcast.rules.campaigns.launches import Policy
from broadcast.rules.campaigns.template import Template

#: Noon of the first of December in Shanghai.
FIRST = datetime(2026, 12, 1, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SERVICE, SUBSCRIPTION = AccountKind.SERVICE, AccountKind.SUBSCRIPTION


def send(at: datetime, whom: str, *, name: str = "c", to_all: bool = False) -> Send:
    return Send(at=at, name=name, whom=whom, to_all=to_all, planned=True)


def made(at: datetime, whom: str) -> Send:
    return Send(at=at, name="20261201-a", whom=whom, to_all=False)


def over(kind: AccountKind, *sends: Send) -> list[tuple[object, ...]]:
    """Return of each excess its text, its campaign, and those that count with it."""
    return [
        (one.id.rpartition(".")[2], one.facts["name"], one.facts["others"])
        for one in excesses(kind, sends)
    ]


def template(audience: dict[str, object], file: str | None = None, **request: object) -> Template:
    return Template(request={"audience": audience, **request}, audience_file=file)


def test_the_fifth_message_of_a_month_to_the_same_people_is_named_once() -> None:
    six = [send(FIRST + n * DAY, "list.txt", name=f"c{n}") for n in range(6)]

    assert over(SERVICE, *six[:4]) == []
    assert over(SERVICE, *six) == [
        ("over_month", "c4", ["12-01 c0", "12-02 c1", "12-03 c2", "12-04 c3"])
    ]
    # In January people get four more.
    assert over(SERVICE, *six[:4], send(FIRST + 31 * DAY, "list.txt")) == []
    # Others have had none.
    assert over(SERVICE, *six[:4], send(FIRST + 5 * DAY, "other.txt")) == []


def test_what_was_sent_already_counts_and_is_no_excess_itself() -> None:
    sent = [made(FIRST + n * HOUR, "list.txt") for n in range(6)]

    assert over(SERVICE, *sent) == []
    found = over(SERVICE, *sent, *(send(FIRST + n * DAY, "list.txt") for n in (1, 2)))
    assert [(text, name) for text, name, _ in found] == [("over_month", "c")]
    [only] = excesses(SERVICE, [*sent, send(FIRST + DAY, "list.txt")])
    assert only.facts["n"] == 7


def test_a_send_to_everybody_counts_for_each_group() -> None:
    groups = [send(FIRST + n * HOUR, with_tag(7), name="seven") for n in range(3)]
    everybody = send(FIRST + DAY, EVERYBODY, name="all")

    assert over(SERVICE, *groups, everybody) == []
    last = send(FIRST + 2 * DAY, with_tag(7), name="seven")
    [(text, name, others)] = over(SERVICE, *groups, everybody, last)
    assert (text, name, len(others)) == ("over_month", "seven", 4)  # type: ignore[arg-type]
    # And the other way round.
    late = send(FIRST + 3 * DAY, EVERYBODY, name="all")
    [(text, name, _)] = over(SERVICE, *groups, send(FIRST + 4 * HOUR, with_tag(7)), late)
    assert (text, name) == ("over_month", "all")


def test_a_send_to_everybody_counts_for_no_group_that_it_leaves_out() -> None:
    groups = [send(FIRST + n * HOUR, with_tag(7), name="seven") for n in range(4)]
    others = replace(send(FIRST + DAY, EVERYBODY, name="all"), without=frozenset({with_tag(7)}))

    assert over(SERVICE, *groups, others) == []
    assert over(SERVICE, *groups[:3], others, send(FIRST + 2 * DAY, with_tag(7))) == []
    said = template({"followers": True}, exclude=["tag:7", "file:a.txt"])
    assert one_run("x", said, at=FIRST).without == {with_tag(7)}


def test_a_subscription_account_s_second_send_of_a_day_is_named_whoever_gets_it() -> None:
    first, second = send(FIRST, with_tag(1)), send(FIRST + HOUR, with_tag(2), name="second")

    assert over(SUBSCRIPTION, first, second) == [("over_day", "second", ["12-01 c"])]
    assert over(SUBSCRIPTION, first, send(FIRST + DAY, with_tag(2))) == []
    assert over(AccountKind.TEST, *[first, second] * 5) == []


def test_whom_a_campaign_goes_to_is_known_by_its_request() -> None:
    said = [
        (template({"to_all": True}), EVERYBODY),
        (template({"followers": True}), EVERYBODY),
        (template({"followers": True}, with_tag=2), with_tag(2)),
        (template({"tag_id": 2}), with_tag(2)),
        (template({"upload": True}, "list.txt"), "list.txt"),
    ]

    assert [whom(one) for one, _ in said] == [known for _, known in said]
    assert whom(template({"openids": ["oA", "oB"]})) not in {known for _, known in said}


def test_sends_of_a_campaign_are_counted_up_to_the_end_of_the_next_month() -> None:
    weekly = CampaignPlan(
        account="default",
        policy=Policy(),
        template=template({"to_all": True}),
        schedule=Schedule(zone="Asia/Shanghai", cron="0 20 * * 5"),
    )

    found = list(planned("weekly", weekly, FIRST))
    assert [f"{one.at:%m-%d}" for one in found] == [
        "12-04",
        "12-11",
        "12-18",
        "12-25",
        "01-01",
        "01-08",
        "01-15",
        "01-22",
        "01-29",
    ]
    assert over(SERVICE, *found) == [
        ("over_month", "weekly", ["01-01 weekly", "01-08 weekly", "01-15 weekly", "01-22 weekly"])
    ]


def test_a_day_is_asked_for_once_of_each_send(monkeypatch: pytest.MonkeyPatch) -> None:
    hourly = [
        send(FIRST + n * HOUR + k * timedelta(minutes=1), EVERYBODY, name=f"c{k}", to_all=True)
        for n in range(100)
        for k in range(10)
    ]
    asked = Mock(wraps=day.start)
    monkeypatch.setattr(day, "start", asked)

    assert ("over_month", "c4") in {(limit, name) for limit, name, _ in over(SERVICE, *hourly)}
    assert asked.call_count == len(hourly)


def test_what_else_goes_to_everybody_on_its_day_is_said_of_a_send_to_everybody() -> None:
    one = Send(at=FIRST, name="", whom=EVERYBODY, to_all=True)
    sent = Send(at=FIRST - HOUR, name="20261201-a", whom=EVERYBODY, to_all=True)
    tomorrow, other = send(FIRST + DAY, EVERYBODY, to_all=True), send(FIRST, "tag 2")
    later = send(FIRST + HOUR, EVERYBODY, name="later", to_all=True)

    def said(kind: AccountKind, *sends: Send) -> list[tuple[str, object]]:
        return [(m.id, m.facts["name"]) for m in beside(kind, one, [*sends, tomorrow])]

    assert said(SUBSCRIPTION, later) == [("launches.to_all_after", "later")]
    assert said(SUBSCRIPTION, replace(one, planned=True)) == []
    # Nothing that WeChat writes limits a service account's sends of a day.
    assert said(SERVICE, later, sent) == []
    assert said(AccountKind.TEST, later, sent) == []
    # What it sent, it is told by the number of its messages.
    assert said(SUBSCRIPTION, sent) == []
    assert said(SUBSCRIPTION, sent, other) == [("launches.to_all_before", "c")]
