"""Official accounts: identity, kind, permissions, and everything that hangs on an account."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from simulator.core.counters import MinuteCounter, PeriodCounter
from simulator.core.followers import Followers
from simulator.core.ledger import Ledger
from simulator.core.parts import Owner
from simulator.core.tags import TagBook
from simulator.openid import Generator

Kind = Literal["service", "subscription", "test"]
PushMode = Literal["plain", "compatible", "safe"]
PushFormat = Literal["xml", "json"]
KINDS: tuple[str, ...] = get_args(Kind)

_FIELDS_NEEDED = 3
_FIELDS_WITH_KIND = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An account as it is named at the start."""

    name: str
    appid: str
    secret: str = field(repr=False)
    kind: Kind = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """The server that an account's owner has named; WeChat signs what it sends there."""

    url: str
    token: str = field(repr=False)
    mode: PushMode = "plain"
    format: PushFormat = "xml"
    aes_key: str | None = field(default=None, repr=False)
    """43 characters; without it nothing can be encrypted."""


@dataclass(slots=True, kw_only=True)
class Account(Owner):
    """One official account; the admin API may change every plain field."""

    name: str
    appid: str
    secret: str = field(repr=False)
    kind: Kind
    followers: Followers
    ledger: Ledger = field(default_factory=Ledger)
    # Permissions (section 5.1): an errcode that every mass call gets, and the agreement.
    permission_errcode: int | None = None
    agreement: bool = True
    frozen: bool = False
    send_protection: bool = False
    """The administrator is asked before an API send to all goes out (section 5.1)."""
    whitelist: tuple[str, ...] | None = None
    daily_limit: int = 100
    """Of mass sends; `daily_limits` are those of any path, instead of the declared ones."""
    daily_limits: dict[str, int] = field(default_factory=dict)
    calls_per_minute: int = 60
    """Of mass sends."""
    dead_media: set[str] = field(default_factory=set)
    wxnames: dict[str, str] = field(default_factory=dict)
    """WeChat ids of followers who may be previewed to, and their OpenIDs."""
    tags: TagBook = field(default_factory=TagBook)
    callback: Callback | None = None
    # Counters: calls by path, messages by name
    days: PeriodCounter = field(default_factory=PeriodCounter)
    months: PeriodCounter = field(default_factory=PeriodCounter)
    minutes: dict[str, MinuteCounter] = field(default_factory=dict)
    _parts: dict[Any, Any] = field(default_factory=dict)

    @property
    def original_id(self) -> str:
        """The account's `gh_…`, under which it receives events (section 6.4)."""
        return f"gh_{hashlib.sha256(self.appid.encode()).hexdigest()[:12]}"


def opened(
    registration: Registration, *, followers: int, seed: int, openids_of: str | None = None
) -> Account:
    """Open an account with so many generated followers and nothing sent yet."""
    generator = Generator.of(openids_of or registration.appid, seed=seed)
    return Account(
        name=registration.name,
        appid=registration.appid,
        secret=registration.secret,
        kind=registration.kind,
        followers=Followers(generator, generated=followers),
    )


def parse_registration(text: str) -> Registration:
    """Read `NAME:APPID:SECRET[:KIND]`.

    Raises:
        ValueError: the text is not of that form; the message never holds the text.
    """
    fields = text.split(":")
    if len(fields) not in {_FIELDS_NEEDED, _FIELDS_WITH_KIND} or not all(fields):
        message = "an account is NAME:APPID:SECRET or NAME:APPID:SECRET:KIND"
        raise ValueError(message)
    kind = fields[3] if len(fields) == _FIELDS_WITH_KIND else "service"
    if kind not in KINDS:
        message = f"an account's kind is one of {', '.join(KINDS)}"
        raise ValueError(message)
    name, appid, secret = fields[:3]
    return Registration(name=name, appid=appid, secret=secret, kind=kind)  # type: ignore[arg-type]


def invented_registration() -> Registration:
    """Make up an account of the form that WeChat gives out."""
    return Registration(
        name="default", appid=f"wx{secrets.token_hex(8)}", secret=secrets.token_hex(16)
    )
