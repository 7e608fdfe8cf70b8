"""Followers come and go by pushes in any order, and are read as one sorted list."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from broadcast import openid
from models.every_table import FollowerSync
from models.ledger.followers import followers
from tests.kit import follows, ledger
from tests.kit.openids import split

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
ANNA, BEN, *OTHERS = ledger.openids(40)


def names(pieces: Iterable[bytes]) -> list[str]:
    return [one for piece in pieces for one in split(openid.unpack(piece))]


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_pushes_may_come_doubled_late_and_in_any_order(engine: Engine) -> None:
    said = [
        (follows.followed, 1),
        (follows.left, 2),
        (follows.followed, 3),
        (follows.left, 1),
    ]
    for one, order in zip(OTHERS, itertools.permutations(range(4)), strict=False):
        for n in (*order, *order):
            say, minute = said[n]
            say(engine, "default", one, at=at(minute))

        known = followers.of_openid(engine, "default", one)

        assert known is not None
        assert (known.follows, known.since, known.since_said) == (True, at(3), True)


def test_who_left_is_in_the_other_list_and_accounts_stand_apart(engine: Engine) -> None:
    follows.followed(engine, "default", ANNA, at=at(1))
    follows.left(engine, "default", ANNA, at=at(5))
    follows.left(engine, "default", OTHERS[0], at=at(5))
    follows.followed(engine, "default", BEN, at=at(1))
    follows.followed(engine, "other", ANNA, at=at(1))

    assert names(followers.current(engine, "default")) == [BEN]
    assert names(followers.left(engine, "default")) == [ANNA, OTHERS[0]]
    gone = followers.of_openid(engine, "default", ANNA)
    assert gone is not None
    assert (gone.since, gone.left_at, gone.left_said) == (at(1), at(5), True)
    assert followers.of_openid(engine, "other", BEN) is None


@pytest.mark.every_database
def test_a_whole_pass_and_the_pushes_since_tell_who_is_known_and_another_pass_nothing(
    engine: Engine,
) -> None:
    ledger.broadcast(engine)
    drawn = "".join([ANNA, BEN, *OTHERS[:6]]).encode()
    unsynced = followers.known_among(engine, "default", drawn)
    follows.listed(engine, "default", OTHERS[2:])
    follows.followed(engine, "default", ANNA, at=at(1))
    follows.left(engine, "default", OTHERS[5], at=at(1))

    found = followers.known_among(engine, "default", drawn)

    assert (unsynced, found) == (None, 5)
    there, last = followers.newest(engine, "default"), sorted(OTHERS[2:])[-2:]
    assert there is not None
    [piece] = followers.chunks(engine, there, after=last[0])
    assert [str(one, "ascii") for one in piece.ids] == last[1:]
    with engine.begin() as connection:
        connection.execute(update(FollowerSync).values(ended="shrunk"))
    assert followers.known_among(engine, "default", drawn) is None


def test_more_pushes_than_are_read_at_once_come_sorted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followers, "CHANGES_AT_ONCE", 7)
    for one in OTHERS:
        follows.followed(engine, "default", one, at=at(1))

    assert names(followers.current(engine, "default")) == sorted(OTHERS)


def test_two_pushes_about_one_new_person_at_once_are_both_kept(engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        for one in OTHERS[:8]:
            first = pool.submit(follows.followed, engine, "default", one, at=at(1))
            second = pool.submit(follows.left, engine, "default", one, at=at(2))
            first.result(), second.result()

    assert names(followers.left(engine, "default")) == OTHERS[:8]
    assert all(
        known is not None and known.since == at(1)
        for known in (followers.of_openid(engine, "default", one) for one in OTHERS[:8])
    )


def test_what_is_no_openid_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="no OpenID"):
        follows.followed(engine, "default", "oTooShort", at=at(1))


def test_a_moment_that_no_clock_shows_keeps_nobody_from_being_read(engine: Engine) -> None:
    follows.left(engine, "default", ANNA, at=datetime.fromtimestamp(9_999_999_999, UTC))
    follows.followed(engine, "default", BEN, at=at(1))

    assert names(followers.current(engine, "default")) == [BEN]
    assert followers.count(engine, "default") == 1
    gone = followers.of_openid(engine, "default", ANNA)
    assert gone is not None
    assert not gone.follows


def test_who_left_is_told_from_a_moment_on(engine: Engine) -> None:
    follows.left(engine, "default", ANNA, at=at(1))
    follows.left(engine, "default", BEN, at=at(2))

    assert names(followers.left(engine, "default", since=at(2))) == [BEN]
