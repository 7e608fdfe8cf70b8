"""A tag that WeChat does not list has nobody, so leaving it out would protect nobody."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from broadcast.errors import InputError, OutOfReachError, WeChatAwayError
from broadcast.rules.plan.selection import Excluded, Exclusion, Selection
from broadcast.wechat.api.tags import TagInfo
from entrypoints.cli.run import Run
from entrypoints.cli.tag_lookup import Tags
from producer.submit.checks import ListedTag
from tests.kit import ledger

STAR = TagInfo(id=2, name="星标组", count=3)
SHOP = ledger.account("shop")


class Has:
    """WeChat, which has these tags, or is away."""

    def __init__(self, *tags: TagInfo, away: bool = False) -> None:
        self.tags, self.away, self.asked = list(tags), away, 0

    def ask(self, *_: Any) -> list[TagInfo]:
        self.asked += 1
        if self.away:
            raise WeChatAwayError("error.wechat.away", address="http://wechat", reason="refused")
        return self.tags


def tags_of(has: Has) -> Tags:
    return Tags(cast("Run", SimpleNamespace(wechat=has)), SHOP)


def look(tag_id: int, tags: Tags | None = None) -> list[ListedTag]:
    out = Exclusion(kind=Excluded.TAG, value=str(tag_id))
    body = replace(ledger.body(), selection=Selection(exclude=(out,)))
    return (tags or tags_of(Has(STAR))).look_up(body)


def test_a_tag_that_is_listed_is_shown() -> None:
    assert look(2) == [STAR]


@pytest.mark.parametrize("tag_id", [0, 1, 7])
def test_a_tag_that_is_not_listed_is_refused_be_it_wechat_s_own(tag_id: int) -> None:
    with pytest.raises(InputError) as caught:
        look(tag_id)

    assert caught.value.message_id == "error.tag.unknown"


def test_a_name_is_an_id_once_wechat_was_asked_and_it_is_asked_once() -> None:
    has = Has(STAR, TagInfo(id=102, name="会员", count=5))
    tags = tags_of(has)

    assert (tags.id_of("会员"), tags.id_of("星标组"), has.asked) == (102, 2, 1)
    assert look(102, tags) == has.tags[1:]
    assert has.asked == 1


@pytest.mark.parametrize(
    ("there", "word", "told"),
    [
        (
            [TagInfo(id=102, name="会员", count=1), TagInfo(id=103, name="会员", count=1)],
            "会员",
            "error.tags.same_name",
        ),
        ([TagInfo(id=103, name="学员", count=1)], "会员", "error.tags.unknown"),
        ([STAR], "会员", "error.tags.none"),
        ([], "会员", "error.tags.none"),
    ],
)
def test_a_name_that_no_tag_has_alone_is_refused(
    there: list[TagInfo], word: str, told: str
) -> None:
    with pytest.raises(InputError) as caught:
        tags_of(Has(*there)).id_of(word)

    assert caught.value.message_id == told


def test_a_number_that_is_the_name_of_another_tag_is_refused_and_its_name_is_not() -> None:
    has = Has(TagInfo(id=102, name="会员", count=1), TagInfo(id=103, name="102", count=1))
    by_number = tags_of(has)
    with pytest.raises(InputError) as caught:
        look(by_number.id_of("102"), by_number)
    assert caught.value.message_id == "error.tags.several"

    by_name = tags_of(has)
    assert look(by_name.id_of("会员"), by_name) == has.tags[:1]


def test_without_wechat_an_id_is_taken_and_a_name_is_not() -> None:
    tags = tags_of(Has(away=True))

    assert (tags.id_of("102"), look(102, tags)) == (102, [])
    with pytest.raises(OutOfReachError) as caught:
        tags.id_of("会员")
    assert caught.value.message_id == "error.tag.away"
