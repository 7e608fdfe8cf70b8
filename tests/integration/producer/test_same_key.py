"""One key of a program: the same request has the same answer, and another one is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from broadcast.errors import InputError
from broadcast.settings import Settings
from models.ledger import awaited_lists
from producer.request import shape
from producer.request.door import Door
from tests.integration.producer.conftest import openids
from tests.kit import ledger
from tests.kit.receiver import SECRET

TEXT = {"msgtype": "text", "text": {"content": "您好"}}
LIST = {"openids": openids(5)}

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def asked(**members: object) -> shape.Request:
    return shape.parse({"account": "shop", "content": TEXT, "audience": LIST, **members})


@pytest.fixture
def signing(door: Door) -> Door:
    """A door whose webhooks are signed."""
    secret = {"webhook_secrets": SecretStr(SECRET)}
    return replace(door, settings=door.settings.model_copy(update=secret))


def later(door: Door) -> Door:
    """The same door after somebody changed all that may refuse a request."""
    file = door.settings.accounts_file
    assert file is not None
    file.write_text(file.read_text().replace("appid", 'account_kind = "subscription"\nappid'))
    return replace(
        door, settings=Settings(BROADCAST_ACCOUNTS_FILE=str(file), BROADCAST_TEXT_LIMIT="1")
    )


def submit(door: Door, _: Path, **members: object) -> tuple[str, bool]:
    made = door.submit(asked(**members), key="k", who="crm")
    return made.id, made.created


def reserve(door: Door, _: Path, **members: object) -> tuple[str, bool]:
    return door.reserve(asked(audience={"upload": True}, **members), key="k", who="crm")


def upload(door: Door, folder: Path, **members: object) -> tuple[str, bool]:
    broadcast_id, _ = reserve(door, folder, **members)
    awaited = awaited_lists.of(door.engine, broadcast_id)
    assert awaited is not None
    file = folder / "list"
    file.write_text("\n".join(openids(5)))
    made = door.submit_list(awaited, file, who="crm")
    return made.id, made.created


Doing = Callable[..., tuple[str, bool]]


@pytest.mark.parametrize("do", [submit, reserve, upload])
def test_a_repeat_is_answered_as_the_first_one_whatever_changed_since(
    signing: Door, engine: Engine, tmp_path: Path, do: Doing
) -> None:
    others = asked(audience={"openids": openids(9, seed=2)})
    earlier = signing.submit(others, key="earlier", who="crm").id
    members = {
        "exclude": [f"broadcast:{earlier}"],
        "notify": {"url": "https://shop.example.com/hook"},
    }
    first = do(signing, tmp_path, **members)
    ledger.prune(engine, earlier)
    changed = later(signing)

    again = do(changed, tmp_path, **members)

    assert (first[1], again) == (True, (first[0], False))
    with pytest.raises(InputError):
        changed.submit(asked(**members), key="another", who="crm")
