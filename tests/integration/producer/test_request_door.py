"""What a program asks for becomes a broadcast, once, or nothing at all; one database suffices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from broadcast.errors import (
    BroadcastError,
    ConflictError,
    ContentError,
    InputError,
    RequestError,
    SettingsError,
    UnknownIdError,
)
from broadcast.settings import Settings
from broadcast.states import BroadcastState
from models import BroadcastRow
from models.ledger.reading import reports
from producer.request import shape
from producer.request.door import Door
from tests.integration.producer.conftest import QuotaStub, WakerStub, openids

TEXT = {"msgtype": "text", "text": {"content": "您好"}}


@pytest.fixture
def door(engine: Engine, tmp_path: Path) -> Door:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(
        "".join(
            f'[accounts.{name}]\nappid = "wx000000000000000{n}"\nappsecret = "{"s" * 32}"\n'
            for n, name in enumerate(("shop", "club"), 1)
        )
    )
    settings = Settings(BROADCAST_ACCOUNTS_FILE=str(accounts))
    return Door(settings=settings, engine=engine, quota=QuotaStub(), waker=WakerStub())


def asked(**members: object) -> shape.Request:
    usual = {"account": "shop", "content": TEXT, "audience": {"openids": openids(5)}}
    return shape.parse({**usual, **members})


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(BroadcastRow)) or 0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_request_is_a_broadcast_as_the_command_would_make_it(door: Door, engine: Engine) -> None:
    request = asked(
        audience={"openids": [*openids(5), "bad", openids(1)[0]]}, title="Sale", priority=5,
        at="2027-01-05 20:00", late_by="1h", sample="4", spread_days=True,
    )  # fmt: skip

    made = door.submit(request, key="order-1", who="crm")

    told = reports.report(engine, made.id)
    assert (told.key, told.created_by, told.title) == ("order-1", "crm", "Sale")
    assert (told.account, told.state) == ("shop", BroadcastState.SCHEDULED)
    assert (told.audience["read"], told.audience["malformed"], told.audience["duplicate"]) == (
        7, 1, 1,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_same_key_and_body_are_one_broadcast_and_another_body_is_refused(
    door: Door, engine: Engine
) -> None:
    first = door.submit(asked(), key="k", who="crm")
    again = door.submit(asked(), key="k", who="crm")

    assert (again.id, first.created, again.created) == (first.id, True, False)
    with pytest.raises(ConflictError):
        door.submit(asked(audience={"openids": openids(6)}), key="k", who="crm")
    assert stored(engine) == 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("members", "error", "field"),
    [
        ({"account": "none"}, SettingsError, None),
        ({"account": None}, SettingsError, None),
        ({"content": {"msgtype": "music"}}, ContentError, "content.msgtype"),
        ({"content": {"msgtype": "text", "text": {}}}, ContentError, "content.text.content"),
        ({"audience": {"to_all": True, "confirm_to_all": "club"}}, RequestError,
         "audience.confirm_to_all"),
        ({"audience": {"openids": ["bad", "worse"]}}, InputError, None),
        ({"at": "tomorrow"}, InputError, None),
        ({"late_by": "5"}, RequestError, "late_by"),
        ({"title": " "}, InputError, None),
        ({"exclude": ["file:/etc/passwd"]}, RequestError, "exclude.0"),
        ({"exclude": ["tag:x"]}, RequestError, "exclude.0"),
        ({"exclude": ["broadcast:" + "x" * 33]}, RequestError, "exclude.0"),
        ({"exclude": ["broadcast:20260101-aaaaaa"]}, UnknownIdError, None),
        ({"sample": "0"}, RequestError, "sample"),
        ({"with_tag": 2}, RequestError, "with_tag"),
    ],
)  # fmt: skip
def test_what_is_refused_stores_nothing(
    door: Door,
    engine: Engine,
    members: dict[str, Any],
    error: type[BroadcastError],
    field: str | None,
) -> None:
    with pytest.raises(error) as caught:
        door.submit(asked(**members), key="k", who="crm")

    if field is not None:
        assert caught.value.facts["field"] == field
    assert stored(engine) == 0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("key", ["", " ", "k" * 129, "a\nb"])
def test_a_key_that_cannot_be_one_is_refused(door: Door, engine: Engine, key: str) -> None:
    with pytest.raises(InputError):
        door.submit(asked(), key=key, who="crm")
    assert stored(engine) == 0
