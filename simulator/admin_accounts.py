"""Accounts as the admin API shows and changes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.accounts import Account, Kind, Registration
from simulator.mass_checks import SEND, quota_name
from simulator.tokens import Space
from simulator.world import World

_SPACES: dict[str, tuple[Space, ...]] = {
    "both": ("classic", "stable"),
    "classic": ("classic",),
    "stable": ("stable",),
    "none": (),
}
_PLAIN = (
    "kind",
    "permission_errcode",
    "agreement",
    "frozen",
    "daily_limit",
    "calls_per_minute",
)
Count = Annotated[int, Field(ge=0)]


class AccountChange(BaseModel):
    """What to change; what is not named stays."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kind: Kind = "service"
    name: str = "default"
    secret: str | None = Field(default=None, repr=False)
    permission_errcode: int | None = None
    """Every mass call gets it: 48001, 48004, 50002 ..."""
    agreement: bool = True
    """False: 48003."""
    frozen: bool = False
    """True: 40243 on token calls."""
    whitelist: list[str] | None = None
    """IPs that may fetch tokens, null for all; else 40164."""
    daily_limit: Count = 100
    used: Count = 0
    """Mass calls that were made today."""
    calls_per_minute: Count = 60
    """0 means no limit."""
    dead_media: list[str] = Field(default_factory=list)
    """media_ids that get 40007."""
    followers: Count = 0
    """How many followers are generated."""


class Invalidation(BaseModel):
    """Which tokens die. `sticky`: stable_token goes on giving out the dead one."""

    model_config = ConfigDict(extra="forbid")

    space: Literal["both", "classic", "stable"] = "both"
    sticky: bool = False


def changed(world: World, appid: str, change: AccountChange) -> Account:
    """Change an account; one that does not exist is opened.

    Raises:
        ValueError: it does not exist and no secret is given.
    """
    named = change.model_fields_set
    account = world.accounts.get(appid) or _opened(world, appid, change)
    for name in named.intersection(_PLAIN):
        setattr(account, name, getattr(change, name))
    if "whitelist" in named:
        account.whitelist = None if change.whitelist is None else tuple(change.whitelist)
    if "dead_media" in named:
        account.dead_media = set(change.dead_media)
    if "followers" in named:
        account.followers.generate(change.followers)
    if "used" in named:
        account.mass_day.set(change.used, quota_name(SEND, world), day=world.today())
    if change.secret is not None and change.secret != account.secret:
        account.secret = change.secret
        # Section 1.3: what a reset of the AppSecret does to the tokens.
        dying = _SPACES[world.switches.appsecret_reset_kills]
        world.tokens.invalidate(appid, dying, now=world.now(), sticky=False)
    return account


def invalidated(world: World, appid: str, how: Invalidation) -> int:
    """Make tokens superseded; return how many lived."""
    return world.tokens.invalidate(appid, _SPACES[how.space], now=world.now(), sticky=how.sticky)


def account_summary(world: World, account: Account) -> dict[str, Any]:
    """Return what the admin API shows of an account: no secret."""
    used = account.mass_day.used(quota_name(SEND, world), day=world.today())
    return {
        "appid": account.appid,
        "name": account.name,
        **{name: getattr(account, name) for name in _PLAIN},
        "used": used,
        "whitelist": account.whitelist,
        "dead_media": sorted(account.dead_media),
        "tags": {str(tag_id): len(rows) for tag_id, rows in account.tags.items()},
        "followers": len(account.followers),
        "tokens_fetched_today": account.token_day.used(day=world.today()),
        "stable_calls_today": account.stable_day.used(day=world.today()),
        "force_refreshes_today": account.force_day.used(day=world.today()),
    }


def _opened(world: World, appid: str, change: AccountChange) -> Account:
    if change.secret is None:
        message = f"no account has the appid {appid}; with a secret one is opened"
        raise ValueError(message)
    registration = Registration(
        name=change.name, appid=appid, secret=change.secret, kind=change.kind
    )
    return world.open(registration)
