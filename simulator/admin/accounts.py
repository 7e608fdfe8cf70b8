"""Accounts as the admin API shows and changes them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.admin.request import AdminError, AdminRequest, Answer, Routes
from simulator.core.accounts import (
    Account,
    Callback,
    Kind,
    PushFormat,
    PushMode,
    Registration,
)
from simulator.core.bounds import Count, Followers
from simulator.core.cipher import KEY_FORM
from simulator.core.messages import push_each
from simulator.core.tokens import Space
from simulator.core.world import World
from simulator.endpoints.mass import counter
from simulator.endpoints.mass.checks import SEND

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
    "send_protection",
    "daily_limit",
    "calls_per_minute",
)


class CallbackOrder(BaseModel):
    """URL and mode of an account's pushes; the token signs them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")]
    token: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{3,32}$", repr=False)]
    mode: PushMode = "plain"
    format: PushFormat = "xml"
    aes_key: Annotated[str | None, Field(pattern=KEY_FORM)] = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.mode != "plain" and self.aes_key is None:
            message = f"mode {self.mode} needs an aes_key of 43 letters and digits"
            raise ValueError(message)
        return self


class AccountChange(BaseModel):
    """Changes of an account; members left out stay as they are."""

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
    send_protection: bool = False
    """True: an API send to all waits for the administrator."""
    whitelist: list[str] | None = None
    """IPs that may fetch tokens, null for all; else 40164."""
    daily_limit: Count = 100
    """Mass calls of a day."""
    used: Count = 0
    """Mass calls that were made today."""
    daily_limits: dict[str, Count] = Field(default_factory=dict)
    """Calls of a day by path, instead of what the endpoint declares."""
    used_today: dict[str, Count] = Field(default_factory=dict)
    """Calls that were made today, by path, and messages to many."""
    calls_per_minute: Count = 60
    """Mass calls; 0 means no limit."""
    dead_media: list[str] = Field(default_factory=list)
    """media_ids that get 40007."""
    wxnames: dict[str, str] = Field(default_factory=dict)
    """WeChat ids of followers, and their OpenIDs, for previews."""
    followers: Followers = 0
    """How many followers are generated."""
    callback: CallbackOrder | None = None
    """Null: nothing is pushed."""


class Invalidation(BaseModel):
    """Order to invalidate tokens. `sticky`: stable_token goes on giving out the dead one."""

    model_config = ConfigDict(extra="forbid")

    space: Literal["both", "classic", "stable"] = "both"
    sticky: bool = False


async def change(request: AdminRequest) -> Answer:
    """Change an account, or open one (then with a secret)."""
    order = AccountChange(**await request.json())
    account = change_account(request.world, request.named["appid"], order)
    return account_summary(request.world, account)


async def invalidate_token(request: AdminRequest) -> Answer:
    """Make an account's tokens 40001 from now on."""
    how, world = Invalidation(**await request.json()), request.world
    number = world.tokens.invalidate(
        request.account.appid, _SPACES[how.space], now=world.now(), sticky=how.sticky
    )
    return {"invalidated": number}


async def add_followers(request: AdminRequest) -> Answer:
    """Add the OpenIDs of the body to the account's followers."""
    account, world = request.account, request.world
    came = account.followers.add(await request.rows(), moment=world.now())
    push_each(world, account, "subscribe", numbers=came)
    return {"followers": len(account.followers)}


async def remove_followers(request: AdminRequest) -> Answer:
    """Unsubscribe the OpenIDs of the body."""
    account, world = request.account, request.world
    gone = account.followers.remove(await request.rows())
    push_each(world, account, "unsubscribe", numbers=gone)
    return {"followers": len(account.followers)}


async def set_tag(request: AdminRequest) -> Answer:
    """Set the members of a tag to the OpenIDs of the body."""
    account = request.account
    numbers = account.followers.named(await request.rows())
    tag = account.tags.put(int(request.named["tag_id"]), numbers)
    return {"count": len(tag.members)}


async def add_refusing(request: AdminRequest) -> Answer:
    """Add the OpenIDs of the body to those who refuse messages to many."""
    followers = request.account.followers
    followers.refusing.add(followers.named(await request.rows()))
    return {"refusing": len(followers.refusing)}


async def remove_refusing(request: AdminRequest) -> Answer:
    """Remove the OpenIDs of the body from those who refuse messages to many."""
    followers = request.account.followers
    followers.refusing.remove(followers.known(await request.rows()))
    return {"refusing": len(followers.refusing)}


ROUTES: Routes = (
    ("POST", "accounts/{appid}", change),
    ("POST", "accounts/{appid}/invalidate-token", invalidate_token),
    ("POST", "accounts/{appid}/followers", add_followers),
    ("DELETE", "accounts/{appid}/followers", remove_followers),
    ("POST", "accounts/{appid}/refusing", add_refusing),
    ("DELETE", "accounts/{appid}/refusing", remove_refusing),
    ("POST", "accounts/{appid}/tags/{tag_id:int}", set_tag),
)


def account_summary(world: World, account: Account) -> Answer:
    """Return an account for the admin API: no secret."""
    calls = account.days.all(period=world.today())
    return {
        "appid": account.appid,
        "original_id": account.original_id,
        "name": account.name,
        **{name: getattr(account, name) for name in _PLAIN},
        "used": calls.get(counter(world.switches, SEND), 0),
        "daily_limits": account.daily_limits,
        "used_today": calls,
        "whitelist": account.whitelist,
        "dead_media": sorted(account.dead_media),
        "wxnames": account.wxnames,
        "tags": {str(tag.tag_id): len(tag.members) for tag in account.tags},
        "blocked": len(account.followers.blocked),
        "refusing": len(account.followers.refusing),
        "followers": len(account.followers),
        "callback": account.callback.url if account.callback else None,
    }


def change_account(world: World, appid: str, change: AccountChange) -> Account:
    """Change an account, or open one."""
    named = change.model_fields_set
    account = world.accounts.get(appid) or _opened(world, appid, change)
    for name in named.intersection(_PLAIN):
        setattr(account, name, getattr(change, name))
    if "whitelist" in named:
        account.whitelist = None if change.whitelist is None else tuple(change.whitelist)
    if "dead_media" in named:
        account.dead_media = set(change.dead_media)
    if "wxnames" in named:
        account.wxnames = change.wxnames
    if "followers" in named:
        account.followers.generate(change.followers)
    if "callback" in named:
        account.callback = Callback(**dict(change.callback)) if change.callback else None
    account.daily_limits |= change.daily_limits
    _set_counters(world, account, change)
    if change.secret is not None and change.secret != account.secret:
        account.secret = change.secret
        # Section 1.3: what a reset of the AppSecret does to the tokens.
        dying = _SPACES[world.switches.appsecret_reset_kills]
        world.tokens.invalidate(appid, dying, now=world.now(), sticky=False)
    return account


def _set_counters(world: World, account: Account, change: AccountChange) -> None:
    calls = change.used_today
    if "used" in change.model_fields_set:
        calls |= {counter(world.switches, SEND): change.used}
    for path, used in calls.items():
        account.days.set(path, used, period=world.today())


def _opened(world: World, appid: str, change: AccountChange) -> Account:
    if change.secret is None:
        message = f"no account has the appid {appid}; with a secret one is opened"
        raise AdminError(message)
    registration = Registration(
        name=change.name, appid=appid, secret=change.secret, kind=change.kind
    )
    return world.open(registration)
