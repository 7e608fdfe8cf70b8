"""Launches counted against what WeChat allows: by day, and by month to the same people.

Days and months are Shanghai's; the limits are those of WeChat's page Batch_Sends.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby, islice
from typing import Any, Final

from broadcast import day
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import ALLOWANCES, AccountKind
from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.template import Template

#: All followers, by WeChat's list or by ours.
EVERYBODY: Final = "everybody"
#: Launches of a campaign that are counted: one that has more is over every limit by then.
_MOST: Final = 200


@frozen
class Send:
    """One send of an account."""

    at: datetime
    #: The campaign's, or a broadcast's id.
    name: str
    #: The same people have the same.
    whom: str
    #: By WeChat's own list of all.
    to_all: bool
    #: By a campaign, and not made yet.
    planned: bool = False
    #: Those that are left out, as `whom` names them.
    without: frozenset[str] = frozenset()


def whom(template: Template) -> str:
    """Return whom the runs of a template go to."""
    request = template.request
    audience: Mapping[str, Any] = request["audience"]
    tag = audience.get("tag_id", request.get("with_tag"))
    if tag is not None:
        return with_tag(tag)
    return template.audience_file or str(audience.get("openids", EVERYBODY))


def by_people(sends: Iterable[Send], templates: Iterable[Template]) -> Iterator[Send]:
    """Yield sends of which those to one list have one name, by a file or by the list's digest."""
    names: dict[str, str] = {}
    for one in templates:
        if one.audience_file is not None:
            digest = one.audience_digest or one.audience_file
            name = names.get(digest) or names.get(one.audience_file) or one.audience_file
            names |= {digest: name, one.audience_file: name}
    for each in sends:
        yield replace(each, whom=names.get(each.whom, each.whom))


def with_tag(tag_id: int | str) -> str:
    """Return the name of those who have a tag."""
    return f"tag {tag_id}"


def send(name: str, template: Template, *, at: datetime, planned: bool = False) -> Send:
    """Return a run of a campaign's template."""
    exclude = template.request.get("exclude", ())
    tags = [text.partition(":")[2] for text in exclude if text[:4] == "tag:"]
    return Send(
        at=at,
        name=name,
        whom=whom(template),
        to_all=template.to_all,
        planned=planned,
        without=frozenset(map(with_tag, tags)),
    )


def planned(name: str, plan: CampaignPlan, now: datetime) -> Iterator[Send]:
    """Yield the sends of a campaign up to the end of the next month."""
    end = day.month_turn(day.month_turn(now))
    for at in islice(plan.schedule.after(now), _MOST):
        if at >= end:
            return
        yield send(name, plan.template, at=at, planned=True)


def excesses(kind: AccountKind, sends: Iterable[Send]) -> Iterator[Message]:
    """Yield, with dates and campaigns, what is planned beyond a limit of WeChat's.

    Of each limit, day or month and people it is the first; the text's id names the limit.
    """
    ordered = sorted(sends, key=lambda each: each.at)
    days = groupby(ordered, key=lambda each: day.start(each.at))
    for _, of_month in groupby(days, key=lambda each: day.month_start(each[0])):
        yield from _of_month(kind, (list(of_day) for _, of_day in of_month))


def beside(kind: AccountKind, one: Send, sends: Iterable[Send]) -> Iterator[Message]:
    """Yield what else counts on the day of *one*, of which WeChat takes a single send.

    That is so of a subscription account. What is planned alone: what was sent counts with its
    messages.
    """
    if kind is not AccountKind.SUBSCRIPTION:
        return
    today = [
        each
        for each in sends
        if each.planned
        and day.start(each.at) == day.start(one.at)
        and (each.name, each.at) != (one.name, one.at)
    ]
    for each in sorted(today, key=lambda each: each.at)[:1]:
        name = "before" if each.at <= one.at else "after"
        most = ALLOWANCES[kind].most
        yield Message(f"launches.to_all_{name}", name=each.name, at=each.at, most=most)


def _of_month(kind: AccountKind, days: Iterable[Sequence[Send]]) -> Iterator[Message]:
    before: dict[str, list[Send]] = {}
    for of_day in days:
        for n, one in enumerate(of_day):
            today = islice(of_day, n)
            for limit, most, others in _limits(kind, one, today, before=before):
                beyond = _beyond(most, others)
                if one.planned and beyond:
                    dates = [
                        f"{each.at.astimezone(day.SHANGHAI):%m-%d} {each.name}"
                        for each in beyond[-most:]
                    ]
                    yield Message(
                        limit, name=one.name, at=one.at, most=most, n=len(beyond) + 1, others=dates
                    )
            before.setdefault(one.whom, []).append(one)


def _beyond(most: int, others: Iterable[Send]) -> Sequence[Send]:
    """Return the *others* where one more is the first planned beyond a limit, else nothing."""
    found: list[Send] = []
    for each in others:
        if each.planned and len(found) >= most:
            return ()
        found.append(each)
    return found if len(found) >= most else ()


def _limits(
    kind: AccountKind, one: Send, today: Iterable[Send], *, before: Mapping[str, Sequence[Send]]
) -> Iterator[tuple[str, int, Iterable[Send]]]:
    """Yield each limit, its number, and the sends that count with *one*.

    *today*: those of its day before it; *before*: those of its month, by their people.
    """
    if kind is AccountKind.SUBSCRIPTION:
        yield "launches.over_day", ALLOWANCES[kind].most, today
    if kind is AccountKind.SERVICE:
        group = one.whom
        if one.whom == EVERYBODY:
            # Those have most who had most before.
            others = [each for each in before if each not in {EVERYBODY, *one.without}]
            group = max(others, key=lambda each: len(before[each]), default="")
        same = heapq.merge(
            before.get(EVERYBODY, ()), before.get(group, ()), key=lambda each: each.at
        )
        counted = (each for each in same if one.whom not in each.without)
        yield "launches.over_month", ALLOWANCES[kind].most, counted
