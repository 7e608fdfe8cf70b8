"""Since when people follow: whoever is undated is asked about, and what was said stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from models.ledger.followers import follower_changes, follower_lists, follower_syncs, followers
from models.ledger.followers.follower_changes import ListReplacedError
from tests.integration.models.test_follower_syncs import LISTED, NOON, PEOPLE, synced
from tests.kit import follows, ledger

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from models.ledger.followers.followers import FollowerList

CAME = datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the list take several chunks."""
    monkeypatch.setattr(follower_lists, "CHUNK", 25)


def made(engine: Engine, *, minute: float = 0) -> FollowerList:
    synced(engine, LISTED, minute=minute)
    there = followers.newest(engine, "default")
    assert there is not None
    return there


def undated(engine: Engine, of: FollowerList) -> list[str]:
    return [
        who.decode()
        for one in follower_changes.everybody_without_details(engine, of)
        for who in one.ids.tolist()
    ]


def test_everybody_undated_is_asked_about_and_no_one_again_whom_wechat_dated(
    engine: Engine,
) -> None:
    there = made(engine)
    assert undated(engine, there) == PEOPLE
    first, *_ = follower_changes.everybody_without_details(engine, there)
    said = {PEOPLE[0]: CAME, PEOPLE[7]: CAME + timedelta(days=1)}

    follower_changes.store_details(engine, first.chunk_id, said)
    follower_changes.store_details(engine, first.chunk_id, {PEOPLE[9]: CAME, PEOPLE[0]: NOON})

    assert undated(engine, there) == [
        one for one in PEOPLE if one not in {PEOPLE[0], PEOPLE[7], PEOPLE[9]}
    ]
    for who, since in said.items():
        found = followers.of_openid(engine, "default", who)
        assert found is not None
        assert (found.follows, found.since, found.since_said) == (True, since, True)
    assert followers.count(engine, "default") == len(PEOPLE)


def test_the_next_list_keeps_since_when_people_follow(engine: Engine) -> None:
    there = made(engine)
    first, *_ = follower_changes.everybody_without_details(engine, there)
    follower_changes.store_details(engine, first.chunk_id, {PEOPLE[0]: CAME})

    again = made(engine, minute=100)

    assert undated(engine, again) == PEOPLE[1:]
    found = followers.of_openid(engine, "default", PEOPLE[0])
    assert found is not None
    assert (found.since, found.since_said) == (CAME, True)


def test_who_left_is_not_asked_about_and_a_push_of_a_subscription_dates(engine: Engine) -> None:
    ledger.account()
    follows.followed(engine, "default", PEOPLE[3], at=CAME)
    made(engine)
    synced(engine, [one for one in LISTED if one != PEOPLE[4]], minute=100)
    there = followers.newest(engine, "default")
    assert there is not None

    assert undated(engine, there) == [one for one in PEOPLE if one not in {PEOPLE[3], PEOPLE[4]}]


def test_who_came_back_after_they_were_listed_follows_since_then(engine: Engine) -> None:
    there = made(engine)
    first, *_ = follower_changes.everybody_without_details(engine, there)
    back = NOON + timedelta(days=2)
    follower_changes.store_details(engine, first.chunk_id, {PEOPLE[0]: back})

    # They had left before they came back, and WeChat says that late.
    follows.left(engine, "default", PEOPLE[0], at=back - timedelta(hours=1))

    found = followers.of_openid(engine, "default", PEOPLE[0])
    assert found is not None
    assert (found.follows, found.since) == (True, back)


def test_a_list_that_was_replaced_takes_nothing(engine: Engine) -> None:
    there = made(engine)
    first, *_ = follower_changes.everybody_without_details(engine, there)
    made(engine, minute=100)
    made(engine, minute=200)
    follower_syncs.clear(engine, "default", keep=1)

    with pytest.raises(ListReplacedError):
        follower_changes.store_details(engine, first.chunk_id, {PEOPLE[0]: CAME})
    with pytest.raises(ListReplacedError):
        list(follower_changes.everybody_without_details(engine, there))
