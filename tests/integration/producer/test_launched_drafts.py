"""The article of a launch becomes one draft, however often the launch is tried."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from sqlalchemy import Engine

from broadcast.errors import OutOfReachError
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns.template import Template
from models.ledger.campaigns import due_launches, launch_rows
from models.ledger.campaigns.launch_rows import ReservedLaunch
from producer.campaigns import campaign_drafts, launching
from tests.integration.models.campaign_world import HOUR, MINUTE, SECOND, World, plan
from tests.integration.models.still_clock import StillClock
from tests.kit import ledger

if TYPE_CHECKING:
    from producer.wiring.wechat import WeChat


class Box:
    """A draft box at WeChat, which may say nothing of what it added."""

    def __init__(self) -> None:
        self.made = 0
        self.answers = True
        #: When it was changed, by media_id: each has the article's title.
        self.drafts: dict[str, datetime] = {}

    def add(self, *_: object, **__: object) -> str:
        """Add a draft."""
        self.made += 1
        if not self.answers:
            raise OutOfReachError("error.draft.maybe_added", problem="-")
        return f"made {self.made}"

    def titled(self, *_: object, **__: object) -> list[SimpleNamespace]:
        """Return the drafts."""
        return [SimpleNamespace(media_id=id_, updated_at=at) for id_, at in self.drafts.items()]


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Box:
    box = Box()
    article = SimpleNamespace(written=SimpleNamespace(title="New"))
    monkeypatch.setattr(campaign_drafts, "articles_of", lambda _: [article])
    monkeypatch.setattr(campaign_drafts, "_made", box.add)
    monkeypatch.setattr(campaign_drafts, "_titled", box.titled)
    return box


@pytest.fixture
def world(still: tuple[Engine, StillClock]) -> World:
    """A ledger in which the run of a campaign that sends an article is begun."""
    world = World(*still)
    request = {"account": "default", "audience": {"followers": True}, "content": {}}
    said = plan("0 * * * *")
    template = Template(request=request, article_file="new.md")
    world.add(
        "c",
        type(said)(
            account=said.account, schedule=said.schedule, policy=said.policy, template=template
        ),
    )
    world.clock.pass_(HOUR)
    due_launches.decide_due(world.engine)
    return world


def reserved(world: World) -> ReservedLaunch:
    [launch_id] = due_launches.to_launch(world.engine, accounts=["default"])
    taken = due_launches.reserve_launch(world.engine, launch_id)
    assert taken is not None
    return taken


def drafted(world: World, taken: ReservedLaunch) -> str:
    """Return the draft of a launch, as its worker finds or makes it."""
    account: Account = ledger.account()
    whole = launching.with_draft(taken, account, engine=world.engine, wechat=cast("WeChat", None))
    stored = launch_rows.current(world.engine, taken.launch.id)
    assert stored.template == whole.launch.template
    media_id: str = whole.launch.template.request["content"]["mpnews"]["media_id"]
    return media_id


def test_what_was_made_is_kept_with_the_launch_before_it_is_submitted(
    world: World, box: Box
) -> None:
    first = reserved(world)
    assert drafted(world, first) == "made 1"
    # Its worker was killed.
    world.clock.pass_(31 * SECOND)

    assert drafted(world, reserved(world)) == "made 1"
    assert box.made == 1


@pytest.mark.parametrize(
    ("age", "expected"),
    [(timedelta(), "added"), (2 * MINUTE, "made 2")],
    ids=["of this run", "of a run before"],
)
def test_a_draft_that_may_have_been_added_is_looked_for_before_another_is_made(
    world: World, box: Box, age: timedelta, expected: str
) -> None:
    box.drafts["added"] = world.clock.now - age
    taken = reserved(world)
    box.answers = False
    with pytest.raises(OutOfReachError):
        drafted(world, taken)
    due_launches.give_back(world.engine, taken)
    box.answers = True
    world.clock.pass_(5 * SECOND)

    assert drafted(world, reserved(world)) == expected


def test_a_first_try_looks_for_none(world: World, box: Box) -> None:
    box.drafts["another one"] = world.clock.now

    assert drafted(world, reserved(world)) == "made 1"
