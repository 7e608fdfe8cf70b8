"""A migrated database, an account, and ports that remember what they were asked."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from broadcast.errors import BrokerAwayError
from broadcast.rules import content
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan import proof
from broadcast.rules.plan.submission import Terms
from broadcast.settings.program_settings import Settings
from producer.audience import openid_list
from producer.request.door import SubmitService
from producer.submit.order import Order
from producer.submit.prepare import prepare
from producer.submit.store import store
from tests.kit import media

LETTERS = string.ascii_letters + string.digits + "_-"


@dataclass
class QuotaStub:
    """Answers like WeChat would; None is WeChat away."""

    answer: proof.Quota | None = field(
        default_factory=lambda: proof.Quota(daily_limit=100, used=0, remain=100)
    )
    asked: int = 0

    def quota(self, account: Account, path: SendPath) -> proof.Quota | None:
        self.asked += 1
        return self.answer


@dataclass
class WakerStub:
    """Remembers for what it woke; can be away."""

    away: bool = False
    woken: list[str] = field(default_factory=list)

    def wake_planner(self, broadcast_id: str) -> None:
        if self.away:
            raise BrokerAwayError("error.broker.away", reason="refused")
        self.woken.append(broadcast_id)


@pytest.fixture
def account() -> Account:
    return Account(name="shop", appid="wx0000000000000001", appsecret=SecretStr("s" * 32))


@pytest.fixture
def door(engine: Engine, tmp_path: Path) -> SubmitService:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(
        "".join(
            f'[accounts.{name}]\nappid = "wx000000000000000{n}"\nappsecret = "{"s" * 32}"\n'
            for n, name in enumerate(("shop", "club"), 1)
        )
    )
    settings = Settings(BROADCAST_ACCOUNTS_FILE=str(accounts))
    return SubmitService(settings=settings, engine=engine, quota=QuotaStub(), waker=WakerStub())


def openids(count: int, *, seed: int = 1) -> list[str]:
    dice = random.Random(seed)
    return ["o" + "".join(dice.choices(LETTERS, k=27)) for _ in range(count)]


def order(
    account: Account,
    key: str = "k1",
    *,
    text: str = "您好",
    again: bool = False,
    batch_size: int = 10_000,
    **values: Any,
) -> Order:
    return Order(
        account=account,
        key=key,
        content=content.of_text(text, limit=600),
        terms=Terms(who="test", again=again, batch_size=batch_size),
        **values,
    )


def send(engine: Engine, wanted: Any, people: list[str], **ports: Any) -> Any:
    """Prepare and store an order."""
    with openid_list.read(people) as audience:
        quota = ports.get("quota") or QuotaStub()
        prepared = prepare(wanted, audience, engine=engine, quota=quota)
        return store(prepared, engine=engine, waker=ports.get("waker") or WakerStub())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture."""
    file = tmp_path / "photo.jpg"
    file.write_bytes(media.picture())
    return file
