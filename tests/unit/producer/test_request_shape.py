"""The form of a program's request: what is taken, and the one error that names what is not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from broadcast.errors import RequestError
from broadcast.views.texts import LANGUAGES, Texts
from producer.request import shape
from producer.request.shape import FollowerList, OpenIDList, TagMembers, ToAll

TEXT = {"msgtype": "text", "text": {"content": "您好"}}
PEOPLE = {"openids": ["o1", "o2"]}


def body(**members: object) -> dict[str, Any]:
    return {"content": TEXT, "audience": PEOPLE, **members}


@pytest.mark.parametrize(
    ("audience", "kind"),
    [
        (PEOPLE, OpenIDList),
        ({"followers": True}, FollowerList),
        ({"tag_id": 2}, TagMembers),
        ({"group_id": 2}, TagMembers),
        ({"to_all": True, "confirm_to_all": "shop"}, ToAll),
    ],
)
def test_every_kind_of_audience_is_taken(audience: object, kind: type) -> None:
    assert isinstance(shape.parse(body(audience=audience)).audience, kind)


def test_what_is_left_out_has_the_defaults_of_the_command() -> None:
    request = shape.parse(body())

    assert (request.priority, request.spread_days, request.again) == (0, False, False)
    assert (request.account, request.at, request.exclude) == (None, None, [])


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """To JSON 2.0 is 2, and some languages know no other numbers."""
    assert shape.parse(body(priority=2.0)) == shape.parse(body(priority=2))
    for wrong in (2.5, 1e300, float(2**53)):
        with pytest.raises(RequestError):
            shape.parse(body(priority=wrong))


@pytest.mark.parametrize(
    ("wrong", "field", "message_id"),
    [
        ([], "", "error.request.no_object"),
        ({"content": TEXT}, "audience", "error.request.no_audience"),
        ({"audience": PEOPLE}, "content", "error.request.missing"),
        (body(audience=[]), "audience", "error.request.wrong"),
        (body(audience={}), "audience", "error.request.no_audience"),
        (body(audience={"open_ids": []}), "audience.open_ids", "error.request.unknown_near"),
        (body(audience={"whom": 1}), "audience.whom", "error.request.unknown"),
        (body(audience={**PEOPLE, "tag_id": 2}), "audience", "error.request.two_audiences"),
        (body(audience={"tag_id": 1, "group_id": 2}), "audience", "error.request.two_audiences"),
        (body(audience={**PEOPLE, "more": 1}), "audience.more", "error.request.unknown"),
        (body(audience={"openids": []}), "audience.openids", "error.request.wrong"),
        (body(notify={}), "notify.url", "error.request.missing"),
        (body(notify={"url": 7}), "notify.url", "error.request.wrong"),
        (body(notify={"uri": "x", "url": "x"}), "notify.uri", "error.request.unknown_near"),
        (body(notify="https://x.example/"), "notify", "error.request.wrong"),
        (body(audience={"openids": "o1"}), "audience.openids", "error.request.wrong"),
        (body(audience={"openids": ["o", 1]}), "audience.openids.1", "error.request.wrong"),
        (body(audience={"tag_id": "2"}), "audience.tag_id", "error.request.wrong"),
        (body(audience={"tag_id": -1}), "audience.tag_id", "error.request.wrong"),
        (body(audience={"tag_id": True}), "audience.tag_id", "error.request.wrong"),
        (body(audience={"to_all": True}), "audience.confirm_to_all", "error.request.missing"),
        (
            body(audience={"to_all": False, "confirm_to_all": "a"}),
            "audience.to_all",
            "error.request.wrong",
        ),
        (body(audience={"followers": 1}), "audience.followers", "error.request.wrong"),
        (body(key="x"), "key", "error.request.key_beside"),
        (
            body(audience={"openids": ["o"] * 100_001}),
            "audience.openids",
            "error.request.long_list",
        ),
        (body(titles="x"), "titles", "error.request.unknown_near"),
        (body(text="x"), "text", "error.request.unknown"),
        (body(content="您好"), "content", "error.request.wrong"),
        (body(priority=101), "priority", "error.request.wrong"),
        (body(priority="1"), "priority", "error.request.wrong"),
        (body(again=1), "again", "error.request.wrong"),
        (body(at=1_700_000_000), "at", "error.request.at"),
        (body(exclude=["tag:1"] * 21), "exclude", "error.request.wrong"),
        (body(exclude="tag:1"), "exclude", "error.request.wrong"),
        (body(title=None, account=7), "account", "error.request.wrong"),
        (body(account="a" * 65), "account", "error.request.wrong"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(wrong: object, field: str, message_id: str) -> None:
    with pytest.raises(RequestError) as caught:
        shape.parse(wrong)

    assert (caught.value.facts["field"], caught.value.message_id) == (field, message_id)
    for language in LANGUAGES:
        line = Texts(language)(caught.value)
        assert "\n" not in line
        assert not re.search(r"\{\w", line)


def test_a_hostile_name_is_shown_in_one_bounded_line() -> None:
    with pytest.raises(RequestError) as caught:
        shape.parse(body(**{"a\n\x1b[31m" + "x" * 500: 1}))

    field = str(caught.value.facts["field"])
    assert field.isprintable()
    assert len(field) <= 60
