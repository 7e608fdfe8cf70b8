"""What a program asks for becomes a broadcast, once, or nothing at all; one database suffices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, func, select

from broadcast.errors import (
    AudienceError,
    BroadcastError,
    ConfirmationRequiredError,
    ConflictError,
    ContentError,
    InputError,
    PlanError,
    RequestError,
    SettingsError,
    UnknownIdError,
    WeChatAwayError,
)
from broadcast.rules.accounts import Account
from broadcast.rules.drafts import Mark, Marks
from broadcast.rules.plan import proof
from broadcast.rules.states import BroadcastState
from broadcast.views.program_words import refusal
from broadcast.views.texts import LANGUAGES, Language, Texts
from broadcast.wechat.api.tags import TagInfo
from models.every_table import BroadcastRow
from models.ledger.rows import lane_rows
from models.ledger.views import broadcast_reports
from producer.request import shape
from producer.request.door import SubmitService
from tests.integration.producer.conftest import QuotaStub, openids
from tests.kit import dates, follows
from tests.kit.receiver import SECRET

TEXT = {"msgtype": "text", "text": {"content": "您好"}}
DRAFT = {"msgtype": "mpnews", "mpnews": {"media_id": "D"}}

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@dataclass
class LooksStub:
    """WeChat, which has these tags and one draft, or is away for one of the two."""

    there: list[TagInfo] | None = field(
        default_factory=lambda: [
            TagInfo(id=2, name="星标组", count=3),
            TagInfo(id=101, name="空", count=0),
        ]
    )
    marks: Marks | BroadcastError | None = (Mark(title="Autumn\nsale"),)
    asked: list[str] = field(default_factory=list)

    def tags(self, account: Account) -> list[TagInfo] | None:
        self.asked.append(account.name)
        return self.there

    def draft(self, account: Account, media_id: str) -> Marks | None:
        self.asked.append(f"{account.name} {media_id}")
        if isinstance(self.marks, BroadcastError):
            raise self.marks
        return self.marks


def asked(**members: object) -> shape.Request:
    usual = {"account": "shop", "content": TEXT, "audience": {"openids": openids(5)}}
    return shape.parse({**usual, **members})


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(BroadcastRow)) or 0


@sqlite
def test_a_request_is_a_broadcast_as_the_command_would_make_it(
    door: SubmitService, engine: Engine
) -> None:
    request = asked(
        audience={"openids": [*openids(5), "bad", openids(1)[0]]},
        title="Sale",
        priority=5,
        at=dates.typed(dates.ahead(30)),
        late_by="1h",
        sample="4",
        spread_days=True,
    )

    made = door.submit(request, key="order-1", who="crm")

    told = broadcast_reports.report(engine, made.id)
    assert (told.key, told.created_by, told.title) == ("order-1", "crm", "Sale")
    assert (told.account, told.state) == ("shop", BroadcastState.SCHEDULED)
    assert (told.audience["read"], told.audience["malformed"], told.audience["duplicate"]) == (
        7,
        1,
        1,
    )


@sqlite
def test_the_same_key_and_body_are_one_broadcast_and_another_body_is_refused(
    door: SubmitService, engine: Engine
) -> None:
    first = door.submit(asked(), key="k", who="crm")
    again = door.submit(asked(), key="k", who="crm")

    assert (again.id, first.created, again.created) == (first.id, True, False)
    with pytest.raises(ConflictError):
        door.submit(asked(audience={"openids": openids(6)}), key="k", who="crm")
    assert stored(engine) == 1


@sqlite
@pytest.mark.parametrize(
    ("members", "error", "field"),
    [
        ({"account": "none"}, SettingsError, None),
        ({"account": None}, SettingsError, None),
        ({"content": {"msgtype": "music"}}, ContentError, "content.msgtype"),
        ({"content": {"msgtype": "text", "text": {}}}, ContentError, "content.text.content"),
        (
            {"audience": {"to_all": True, "confirm_to_all": "club"}},
            RequestError,
            "audience.confirm_to_all",
        ),
        ({"audience": {"openids": ["bad", "worse"]}}, AudienceError, "audience.openids"),
        ({"audience": {"openids": openids(1)}}, AudienceError, "audience.openids"),
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
)
def test_what_is_refused_stores_nothing(
    door: SubmitService,
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


@sqlite
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_without_an_openid_is_refused_by_its_field_with_the_first_values(
    door: SubmitService, language: Language
) -> None:
    said = ["", "a\n\x1b", "x" * 100, "fourth"]

    with pytest.raises(AudienceError) as caught:
        door.submit(asked(audience={"openids": said}), key="k", who="crm")

    told = refusal(caught.value.message, Texts(language))
    assert told.startswith("audience.openids")
    assert f"“”, “a??”, “{'x' * 31}…”" in told
    assert "fourth" not in told


@sqlite
@pytest.mark.parametrize("key", ["", " ", "k" * 129, "a\nb"])
def test_a_key_that_cannot_be_one_is_refused(door: SubmitService, engine: Engine, key: str) -> None:
    with pytest.raises(InputError):
        door.submit(asked(), key=key, who="crm")
    assert stored(engine) == 0


@sqlite
@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"audience": {"tag_id": 999}}, "error.tag.unknown"),
        ({"audience": {"followers": True}, "with_tag": 999}, "error.tag.unknown"),
        ({"exclude": ["tag:0"]}, "error.tag.unknown"),
        ({"audience": {"tag_id": 101}}, "error.tag.empty"),
    ],
)
def test_a_tag_that_reaches_nobody_is_refused_as_the_command_refuses_it(
    door: SubmitService, engine: Engine, members: dict[str, Any], told: str
) -> None:
    with engine.begin() as connection:
        lane_rows.ensure_lane(connection, door.settings.account("shop"))
    follows.listed(engine, "shop", sorted(openids(30)))
    looking = replace(door, looks=LooksStub())

    for do in (looking.submit, looking.plan):
        with pytest.raises(InputError) as caught:
            do(asked(**members), key="k", who="crm")
        assert (caught.value.message_id, stored(engine)) == (told, 0)


@sqlite
def test_a_tag_of_nobody_that_has_time_is_stored_with_a_notice(door: SubmitService) -> None:
    request = asked(audience={"tag_id": 101}, at=dates.typed(dates.ahead(30)))

    made = replace(door, looks=LooksStub()).submit(request, key="k", who="crm")

    assert [one.id for one in made.notices] == ["notice.tag.empty"]


@sqlite
def test_a_confirmed_list_of_strangers_is_stored_with_a_notice_of_this_account_alone(
    door: SubmitService, engine: Engine
) -> None:
    door.submit(asked(), key="before", who="crm")
    follows.listed(engine, "shop", [f"oFOLLOWS{n:020}" for n in range(9)])

    with pytest.raises(ConfirmationRequiredError) as refused:
        door.submit(asked(again=True), key="order-1", who="crm")
    confirmed = [str(refused.value.facts["id"])]
    made = door.submit(asked(again=True, confirm=confirmed), key="order-1", who="crm")

    [notice] = made.notices
    assert (notice.id, notice.facts["known"], notice.facts["other"]) == (
        "list_owner.unknown",
        0,
        None,
    )
    assert "0 are known as followers of account shop" in refusal(notice, Texts("en"))
    repeated = door.submit(asked(again=True), key="order-1", who="crm")
    assert (repeated.created, repeated.notices) == (False, ())


@sqlite
def test_the_draft_of_a_request_is_read_at_its_submit_and_gives_its_title(
    door: SubmitService, engine: Engine
) -> None:
    looks = LooksStub()
    looking = replace(door, looks=looks)

    made = looking.submit(asked(content=DRAFT), key="k", who="crm")
    again = looking.submit(asked(content=DRAFT), key="k", who="crm")

    told = broadcast_reports.report(engine, made.id)
    assert (told.title, made.notices, again.id) == ("Autumn sale", (), made.id)
    assert told.draft is not None
    assert told.draft.approved == looks.marks
    # What is stored already is asked for no second time.
    assert looks.asked == ["shop D"]


@sqlite
@pytest.mark.parametrize(
    ("marks", "told"),
    [
        (None, "notice.draft.none"),
        (WeChatAwayError("error.wechat.away", address="x", reason="y"), "notice.draft.unread"),
        (BroadcastError("error.wechat.refused"), "notice.draft.refused"),
    ],
)
def test_a_draft_that_cannot_be_read_is_stored_with_a_notice(
    door: SubmitService, marks: BroadcastError | None, told: str
) -> None:
    looking = replace(door, looks=LooksStub(marks=marks))

    planned = looking.plan(asked(content=DRAFT), key="k", who="crm")
    made = looking.submit(asked(content=DRAFT), key="k", who="crm")

    assert [[one.id for one in each.notices] for each in (planned, made)] == [[told], [told]]


@sqlite
def test_wechat_is_asked_nothing_more_where_it_is_away_or_the_plan_does_not_fit(
    door: SubmitService, engine: Engine
) -> None:
    looks = LooksStub(there=None)
    unknown = asked(audience={"tag_id": 999}, content=DRAFT)
    full = proof.Quota(daily_limit=100, used=100, remain=0)

    replace(door, looks=looks, quota=QuotaStub(None)).submit(unknown, key="a", who="crm")
    with pytest.raises(PlanError):
        replace(door, looks=looks, quota=QuotaStub(full)).submit(
            asked(content=DRAFT), key="b", who="crm"
        )
    assert looks.asked == []

    # Of its tags alone WeChat says nothing: the plan asks for the people.
    replace(door, looks=looks).submit(asked(exclude=["tag:999"]), key="c", who="crm")
    assert (looks.asked, stored(engine)) == (["shop"], 2)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_receiver_is_stored_with_its_broadcast_and_a_repeat_names_no_other(
    door: SubmitService, engine: Engine
) -> None:
    settings = door.settings.model_copy(update={"webhook_secrets": SecretStr(SECRET)})
    signing = replace(door, settings=settings)
    request = asked(notify={"url": "https://shop.example.com/hook"})
    made = signing.submit(request, key="k", who="tests")
    again = signing.submit(request, key="k", who="tests")
    with pytest.raises(ConflictError):
        signing.submit(asked(notify={"url": "https://b.example.com/"}), key="k", who="tests")

    assert (made.created, again.created, made.id) == (True, False, again.id)
    with engine.connect() as connection:
        urls = connection.scalars(select(BroadcastRow.notify_url)).all()
    assert urls == ["https://shop.example.com/hook"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_receiver_waits_for_a_file_of_secrets_that_can_sign(
    door: SubmitService, engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "secrets"
    settings = door.settings.model_copy(update={"webhook_secrets_file": file})
    signing = replace(door, settings=settings)
    request = asked(notify={"url": "https://shop.example.com/hook"})

    for text, problem in ((None, "secret_file"), ("", "secret_file_empty")):
        if text is not None:
            file.write_text(text)
        with pytest.raises(SettingsError) as error:
            signing.submit(request, key="k", who="tests")
        assert (error.value.message_id, stored(engine)) == (f"error.settings.{problem}", 0)
    file.write_text(SECRET)

    assert signing.submit(request, key="k", who="tests").created


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("notify", "field"),
    [
        ({"url": "http://shop.example.com/"}, "notify.url"),
        ({"url": "https://10.0.0.1/"}, "notify.url"),
        ({"url": "https://user@shop.example.com/"}, "notify.url"),
        # Nobody could verify it.
        ({"url": "https://shop.example.com/"}, "notify"),
    ],
)
def test_a_receiver_that_may_not_be_told_is_refused_and_nothing_is_stored(
    door: SubmitService, engine: Engine, notify: dict[str, str], field: str
) -> None:
    with pytest.raises(RequestError) as error:
        door.submit(asked(notify=notify), key="k", who="tests")

    assert error.value.facts["field"] == field
    assert stored(engine) == 0
