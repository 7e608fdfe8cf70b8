"""One key of a program: the same request has the same answer, and another one is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from broadcast.errors import ConflictError, InputError, RepeatedSendError
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.settings.program_settings import Settings
from models.ledger.steer import operator
from models.ledger.submit import awaited_lists
from producer.request import shape
from producer.request.door import SubmitService
from tests.integration.producer.conftest import openids, order, send
from tests.kit import dates, ledger
from tests.kit.receiver import SECRET

TEXT = {"msgtype": "text", "text": {"content": "您好"}}
LIST = {"openids": openids(5)}

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def asked(**members: object) -> shape.Request:
    return shape.parse({"account": "shop", "content": TEXT, "audience": LIST, **members})


@pytest.fixture
def signing(door: SubmitService) -> SubmitService:
    """A door whose webhooks are signed."""
    secret = {"webhook_secrets": SecretStr(SECRET)}
    return replace(door, settings=door.settings.model_copy(update=secret))


def later(door: SubmitService) -> SubmitService:
    """The same door after somebody changed all that may refuse a request."""
    file = door.settings.accounts_file
    assert file is not None
    file.write_text(file.read_text().replace("appid", 'account_kind = "subscription"\nappid'))
    return replace(
        door, settings=Settings(BROADCAST_ACCOUNTS_FILE=str(file), BROADCAST_TEXT_LIMIT="1")
    )


def submit(door: SubmitService, _: Path, **members: object) -> tuple[str, bool]:
    made = door.submit(asked(**members), key="k", who="crm")
    return made.id, made.created


def reserve(door: SubmitService, _: Path, **members: object) -> tuple[str, bool]:
    return door.reserve(asked(audience={"upload": True}, **members), key="k", who="crm")


def upload(door: SubmitService, folder: Path, **members: object) -> tuple[str, bool]:
    broadcast_id, _ = reserve(door, folder, **members)
    awaited = awaited_lists.awaited_submission(door.engine, broadcast_id)
    assert awaited is not None
    file = folder / "list"
    file.write_text("\n".join(openids(5)))
    with file.open("rb") as source:
        made = door.submit_list(awaited, source, who="crm")
    return made.id, made.created


Doing = Callable[..., tuple[str, bool]]


@pytest.mark.parametrize("do", [submit, reserve, upload])
def test_a_repeat_is_answered_as_the_first_one_whatever_changed_since(
    signing: SubmitService, engine: Engine, tmp_path: Path, do: Doing
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


def plan(door: SubmitService, _: Path, **members: object) -> tuple[str, bool]:
    return str(door.plan(asked(**members), key="k", who="crm").existing), False


@pytest.mark.parametrize("do", [submit, reserve, plan])
def test_a_broadcast_whose_list_is_still_to_come_cannot_be_excluded(
    door: SubmitService, engine: Engine, tmp_path: Path, do: Doing
) -> None:
    awaited, _ = door.reserve(asked(audience={"upload": True}), key="awaited", who="crm")
    members = {
        "content": {"msgtype": "text", "text": {"content": "another"}},
        "exclude": ["tag:2", f"broadcast:{awaited}"],
    }

    with pytest.raises(InputError) as caught:
        do(door, tmp_path, **members)

    facts = {"id": awaited, "field": "exclude.1"}
    assert (caught.value.message_id, caught.value.facts) == ("error.exclude.awaited", facts)
    operator.cancel(engine, awaited, who="crm")
    # It has nobody, and never will.
    do(door, tmp_path, **members)


DRAFT = {"msgtype": "mpnews", "mpnews": {"media_id": "D"}}
IMAGES = {"media_ids": ["M"]}
FILM = {"media_id": "V"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (DRAFT, {**DRAFT, "send_ignore_reprint": 0}),
        (
            {"msgtype": "image", "images": IMAGES},
            {
                "msgtype": "image",
                "images": {
                    **IMAGES,
                    "recommend": "",
                    "need_open_comment": 0,
                    "only_fans_can_comment": 0,
                },
            },
        ),
        (
            {"msgtype": "mpvideo", "mpvideo": FILM},
            {"msgtype": "mpvideo", "mpvideo": {**FILM, "title": "", "description": ""}},
        ),
    ],
    ids=lambda content: content["msgtype"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_default_that_is_written_out_makes_no_other_send(
    door: SubmitService, first: Any, second: Any, *, turned: bool
) -> None:
    one, two = (second, first) if turned else (first, second)
    door.submit(asked(content=one), key="a", who="crm")

    with pytest.raises(RepeatedSendError):
        door.submit(asked(content=two), key="b", who="crm")


HOOK = {"notify": {"url": "https://shop.example.com/hook"}}
LATER = dates.ahead(30)
AT = {"at": dates.typed(LATER)}


@pytest.mark.parametrize("do", [submit, reserve, upload])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"title": None, "priority": 0, "again": False, "exclude": [], "notify": None}),
        ({}, {"content": {"text": {"content": "您好"}, "msgtype": "text"}}),
        ({"content": DRAFT}, {"content": {**DRAFT, "send_ignore_reprint": 0}}),
        (
            {"content": {"msgtype": "image", "images": {**IMAGES, "need_open_comment": 0}}},
            {"content": {"msgtype": "image", "images": {**IMAGES, "only_fans_can_comment": 0}}},
        ),
        (AT, {"at": dates.in_utc(LATER)}),
        ({"late_by": "60m"}, {"late_by": "1h"}),
        ({}, {"late_by": "15m"}),
        ({"late_by": "900s"}, {}),
        ({"exclude": ["tag:2", "tag:1"]}, {"exclude": ["tag:01", "tag:2", "tag:1"]}),
        ({"sample": "60%"}, {"sample": "60.0%"}),
    ],
)
def test_what_says_the_same_is_the_same_request(
    signing: SubmitService, tmp_path: Path, do: Doing, first: Any, second: Any
) -> None:
    there = do(signing, tmp_path, **first)

    assert do(signing, tmp_path, **second) == (there[0], False)


@pytest.mark.parametrize("do", [submit, reserve, upload])
@pytest.mark.parametrize(
    "members",
    [
        {"title": "Sale"},
        {"priority": 1},
        {"late_by": "1h"},
        {"spread_days": True},
        {"again": True},
        HOOK,
        AT,
        {"only_current": True},
        {"ignore_suppression": True},
        {"exclude": ["tag:1"]},
        {"sample": "60%"},
        {"content": {"msgtype": "text", "text": {"content": "你好"}}},
    ],
    ids=lambda members: next(iter(members)),
)
def test_every_member_is_part_of_what_a_key_stands_for(
    signing: SubmitService, tmp_path: Path, do: Doing, members: dict[str, Any]
) -> None:
    do(signing, tmp_path)
    with pytest.raises(ConflictError) as caught:
        do(signing, tmp_path, **members)

    # Of another time the text has both.
    assert [caught.value.facts.get("differs", "at")] == list(members)


def test_of_a_command_and_a_program_is_compared_what_each_of_them_can_say(
    door: SubmitService, account: Account
) -> None:
    people = openids(5)
    by_hand = send(door.engine, order(account, "hand"), people)
    told = door.submit(asked(again=True), key="program", who="crm")
    titled = asked(title="Sale")

    assert door.submit(titled, key="hand", who="crm").id == by_hand.id
    assert send(door.engine, order(account, "program"), people).id == told.id
    with pytest.raises(ConflictError):
        send(door.engine, order(account, "program", text="别的"), people)


@pytest.mark.parametrize("do", [submit, reserve, upload])
def test_all_that_differs_is_named(signing: SubmitService, tmp_path: Path, do: Doing) -> None:
    do(signing, tmp_path, title="Sale", late_by="1h", again=True, **HOOK, **AT)

    with pytest.raises(ConflictError) as caught:
        do(signing, tmp_path, title="Sold", late_by="2h", priority=1)

    assert caught.value.facts["differs"] == "at, title, priority, late_by, again, notify"


def test_a_written_default_stays_the_same_request_when_the_default_changes(
    door: SubmitService, tmp_path: Path
) -> None:
    there = submit(door, tmp_path, late_by="15m")
    other = replace(door, settings=door.settings.model_copy(update={"late_by": timedelta(hours=1)}))

    assert submit(other, tmp_path, late_by="15m") == (there[0], False)
    with pytest.raises(ConflictError) as caught:
        submit(other, tmp_path)
    assert caught.value.facts["differs"] == "late_by"


@pytest.mark.parametrize("do", [submit, upload])
def test_a_changed_default_written_out_is_another_request(
    door: SubmitService, tmp_path: Path, do: Doing
) -> None:
    there = do(door, tmp_path)
    other = replace(door, settings=door.settings.model_copy(update={"late_by": timedelta(hours=1)}))

    with pytest.raises(ConflictError) as caught:
        do(other, tmp_path, late_by="1h")
    assert caught.value.facts["differs"] == "late_by"
    for same in ({}, {"late_by": "15m"}):
        assert do(other, tmp_path, **same) == (there[0], False)


def receive(door: SubmitService) -> None:
    """Let the account name a receiver of its own."""
    file = door.settings.accounts_file
    assert file is not None
    receiver = f'notify_url = "{HOOK["notify"]["url"]}"\nappid'
    file.write_text(file.read_text().replace("appid", receiver, 1))


@pytest.mark.parametrize("do", [submit, reserve, upload])
def test_the_accounts_own_receiver_may_be_written_out(
    signing: SubmitService, tmp_path: Path, do: Doing
) -> None:
    receive(signing)
    there = do(signing, tmp_path)

    assert do(signing, tmp_path, **HOOK) == (there[0], False)


@pytest.mark.parametrize("do", [submit, reserve, upload])
def test_a_receiver_that_the_account_names_since_is_another_request(
    signing: SubmitService, tmp_path: Path, do: Doing
) -> None:
    there = do(signing, tmp_path)
    receive(signing)

    with pytest.raises(ConflictError) as caught:
        do(signing, tmp_path, **HOOK)
    assert caught.value.facts["differs"] == "notify"
    assert do(signing, tmp_path) == (there[0], False)


def test_once_its_broadcast_is_gone_a_key_says_only_that_something_differs(
    door: SubmitService, engine: Engine, tmp_path: Path
) -> None:
    there, _ = submit(door, tmp_path, title="Sale")
    ledger.prune(engine, there)

    for members, differs in [({}, "option"), (AT, "unknown")]:
        with pytest.raises(ConflictError) as caught:
            submit(door, tmp_path, **members)
        assert caught.value.facts["differs"] == Message(f"submit.differs.{differs}")
    assert submit(door, tmp_path, title="Sale") == (there, False)
