"""Official accounts: identity, kind, permissions, and everything that hangs on an account."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Literal, get_args

from simulator.followers import Followers
from simulator.ledger import Ledger
from simulator.openid import Generator, Rows
from simulator.quotas import DailyCounter, MinuteCounter, MonthlyCounter

Kind = Literal["service", "subscription", "test"]
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


@dataclass(slots=True, kw_only=True)
class Account:
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
    whitelist: tuple[str, ...] | None = None
    daily_limit: int = 100
    calls_per_minute: int = 60
    dead_media: set[str] = field(default_factory=set)
    tags: dict[int, Rows] = field(default_factory=dict)
    # Counters
    mass_day: DailyCounter = field(default_factory=DailyCounter)
    mass_minute: MinuteCounter = field(default_factory=MinuteCounter)
    token_day: DailyCounter = field(default_factory=DailyCounter)
    token_minute: MinuteCounter = field(default_factory=MinuteCounter)
    stable_day: DailyCounter = field(default_factory=DailyCounter)
    stable_minute: MinuteCounter = field(default_factory=MinuteCounter)
    force_day: DailyCounter = field(default_factory=DailyCounter)
    message_day: DailyCounter = field(default_factory=DailyCounter)
    message_month: MonthlyCounter = field(default_factory=MonthlyCounter)


def opened(registration: Registration, *, followers: int, seed: int) -> Account:
    """Open an account with so many generated followers and nothing sent yet."""
    generator = Generator.of(registration.appid, seed=seed)
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
