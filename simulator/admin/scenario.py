"""Scenario files: what shall hold in the world from the start on, as TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.admin.accounts import AccountChange, change_account
from simulator.admin.request import what_is_wrong
from simulator.admin.sends import NextJobs, order_jobs
from simulator.core.accounts import Account
from simulator.core.bounds import Followers
from simulator.core.faults import FaultOrder
from simulator.core.switches import Switches
from simulator.core.world import World
from simulator.endpoints.draft.box import Article, DraftBox
from simulator.openid import Numbers

EVERY = "*"


class ScenarioError(ValueError):
    """The file is no scenario; the message says where and why."""


class AccountScene(AccountChange):
    """An account of the start: what the admin API can change, and who its followers are."""

    unsubscribed: Followers = 0
    """So many of the generated followers have left, the last ones."""
    refusing: Followers = 0
    """So many refuse messages to many, the first ones."""
    blocked: Followers = 0
    """So many are on the blacklist, the first ones."""
    tags: dict[str, Followers] = Field(default_factory=dict)
    """Tags by name, and how many bear them: the first ones."""
    drafts: list[dict[str, Any]] = Field(default_factory=list)
    """Articles with `title` and `content`, each a draft of its own."""
    next_jobs: list[NextJobs] = Field(default_factory=list)
    """How the first jobs end."""


class Scenario(BaseModel):
    """A whole file. Accounts go by their names; `*` is every account."""

    model_config = ConfigDict(extra="forbid")

    about: str
    """What it is for, in a sentence."""
    switches: dict[str, Any] = Field(default_factory=dict)
    faults: list[FaultOrder] = Field(default_factory=list)
    accounts: dict[str, AccountScene] = Field(default_factory=dict)

    def prepare(self, world: World) -> None:
        """Apply all of it to this world.

        Raises:
            ScenarioError: it names an account that is not there.
        """
        world.switches = Switches(**world.switches.model_dump() | self.switches)
        for order in self.faults:
            world.faults.add(order)
        for name, scene in self.accounts.items():
            found = [one for one in world.accounts.values() if name in {EVERY, one.name}]
            if not found:
                known = ", ".join(one.name for one in world.accounts.values())
                message = f"no account has the name {name}; there is {known}"
                raise ScenarioError(message)
            for account in found:
                _set(world, account, scene)


def read(path: Path) -> Scenario:
    """Read a file.

    Raises:
        ScenarioError: it cannot be read, is no TOML, or holds what no scenario has.
    """
    try:
        scenario = Scenario(**tomllib.loads(path.read_text(encoding="utf-8")))
        Switches(**scenario.switches)
    except ValidationError as error:
        message = f"{path}: {what_is_wrong(error)}"
        raise ScenarioError(message) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{path}: {getattr(error, 'strerror', None) or error}"
        raise ScenarioError(message) from error
    return scenario


def _set(world: World, account: Account, scene: AccountScene) -> None:
    change_account(world, account.appid, scene)
    followers = account.followers
    everyone = followers.everyone()

    def first(count: int) -> Numbers:
        return np.arange(min(count, len(everyone)), dtype=np.int64)

    gone = everyone[len(everyone) - min(scene.unsubscribed, len(everyone)) :]
    followers.leave(gone)
    followers.refusing.add(first(scene.refusing))
    followers.blocked.add(first(scene.blocked))
    for name, count in scene.tags.items():
        account.tags.create(name).members.add(first(count))
    for fields in scene.drafts:
        account.part(DraftBox).add([_article(fields)], now=world.now())
    order_jobs(account, scene.next_jobs)


def _article(fields: dict[str, Any]) -> Article:
    kept = {"article_type": "news", "author": "", "digest": "", "content_source_url": ""}
    flags = {"need_open_comment": 0, "only_fans_can_comment": 0, "show_cover_pic": 0}
    return kept | flags | {"thumb_media_id": "scenario-cover"} | fields
