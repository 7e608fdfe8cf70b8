"""A pass over WeChat's list: whatever comes in between, it ends with who follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, delete, func, select

from broadcast import openid
from broadcast.sorted_openids import IDs, sorted_page
from models.every_table import FollowerChange, FollowerChunk, FollowerPage
from models.ledger.followers import follower_lists, follower_syncs, followers
from models.ledger.followers.follower_syncs import (
    Ended,
    StoredPage,
    Sync,
    SyncLoopError,
    SyncTakenOverError,
)
from models.ledger.rows import transaction
from tests.kit import follows, ledger
from tests.kit.openids import split

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
PEOPLE = ledger.openids(60)
# WeChat's order is not ours.
LISTED = PEOPLE[1::2] + PEOPLE[0::2]
SIZE = 7


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lists take several ranges, chunks, pages and transactions."""
    monkeypatch.setattr(follower_lists, "CHUNK", 11)
    monkeypatch.setattr(follower_lists, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(follower_syncs, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(follower_lists, "PAGES_AT_ONCE", 3)
    monkeypatch.setattr("broadcast.sorted_openids.SAMPLED", 2)
    monkeypatch.setattr(follower_lists, "SAMPLED", 2)
    monkeypatch.setattr(
        "broadcast.sorted_openids.ranges.__kwdefaults__", {"beside": None, "most": 9}
    )


def names(pieces: Iterable[bytes]) -> list[str]:
    return [one for piece in pieces for one in split(openid.unpack(piece))]


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def page(some: Sequence[str], *, total: int, minute: float, goes_on: bool = True) -> StoredPage:
    return StoredPage(
        openids=sorted_page(some),
        size=len(some),
        tail="".join(some[-3:]),
        total=total,
        next_openid=some[-1] if goes_on and some else "",
        asked_at=at(minute),
        elapsed_ms=20,
    )


def pages(
    engine: Engine, people: Sequence[str], *, minute: float, total: int | None = None
) -> Sync:
    """Take all pages of a pass that begins at a minute, one a minute."""
    sync, _ = follower_syncs.begin(engine, ledger.account(), who="tests")
    for n, start in enumerate(range(0, len(people) + 1, SIZE)):
        said = len(people) if total is None else total
        some = people[start : start + SIZE]
        sync = follower_syncs.store_page(engine, sync, page(some, total=said, minute=minute + n))
    if sync.next_openid is not None:
        sync = follower_syncs.store_page(
            engine, sync, page([], total=total or 0, minute=minute + 20)
        )
    return sync


def synced(engine: Engine, people: Sequence[str], *, minute: float) -> Sync:
    return follower_lists.make(engine, pages(engine, people, minute=minute))


def test_a_pass_lists_everybody_and_the_next_one_shows_who_left(engine: Engine) -> None:
    first = synced(engine, LISTED, minute=0)
    second = synced(engine, LISTED[5:], minute=100)

    assert (first.ended, first.followers, first.joined, first.left) == ("complete", 60, 60, 0)
    assert (second.followers, second.joined, second.left) == (55, 0, 5)
    assert names(followers.current(engine, "default")) == sorted(LISTED[5:])
    assert names(followers.left(engine, "default")) == sorted(LISTED[:5])
    gone = followers.of_openid(engine, "default", LISTED[0])
    assert gone is not None
    assert (gone.since, gone.since_said, gone.left_said) == (at(0), False, False)
    assert gone.left_at == second.paged_at


def test_pushes_of_the_time_of_a_pass_count_whatever_its_pages_say(engine: Engine) -> None:
    synced(engine, LISTED, minute=0)
    sync = pages(engine, LISTED[2:], minute=100)
    # 0 subscribed again meanwhile, 1 did so before; 2 left after his page, 59 before hers.
    follows.followed(engine, "default", LISTED[0], at=at(102))
    follows.followed(engine, "default", LISTED[1], at=at(90))
    follows.left(engine, "default", LISTED[2], at=at(103))
    follows.left(engine, "default", LISTED[59], at=at(99))

    follower_lists.make(engine, sync)

    assert set(PEOPLE) - set(names(followers.current(engine, "default"))) == {LISTED[1], LISTED[2]}
    follows.left(engine, "default", LISTED[3], at=at(200))
    assert LISTED[3] in names(followers.left(engine, "default"))


def test_what_a_list_holds_is_forgotten_of_the_pushes_and_what_came_since_is_kept(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_lists, "_SETTLED", timedelta(0))
    for one in LISTED[:20]:
        follows.followed(engine, "default", one, at=at(-5))
    sync = pages(engine, LISTED, minute=0)
    list_of = follower_syncs.finish

    def finish(*args: object) -> Sync:
        follows.left(engine, "default", LISTED[7], at=at(50))
        return list_of(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(follower_syncs, "finish", finish)
    follower_lists.make(engine, sync)

    with transaction.read(engine) as connection:
        assert connection.scalars(select(FollowerChange.openid)).all() == [LISTED[7]]
    assert names(followers.left(engine, "default")) == [LISTED[7]]
    known = followers.of_openid(engine, "default", LISTED[0])
    assert known is not None
    assert (known.since, known.since_said) == (at(-5), True)


def test_of_two_that_make_one_list_the_second_one_forgets_nothing_of_the_pushes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list that counts was made before somebody left; the other one holds that."""
    monkeypatch.setattr(follower_lists, "_SETTLED", timedelta(0))
    sync = pages(engine, LISTED, minute=0)
    list_of, made = follower_syncs.finish, list[Ended]()

    def finish(engine: Engine, sync: Sync, ended: Ended) -> Sync:
        made.append(ended)
        if len(made) == 1:
            follows.left(engine, "default", LISTED[7], at=at(50))
            follower_lists.make(engine, sync)
        return list_of(engine, sync, made[0] if len(made) == 2 else ended)

    monkeypatch.setattr(follower_syncs, "finish", finish)
    follower_lists.make(engine, sync)

    assert LISTED[7] not in names(followers.current(engine, "default"))


def test_a_pass_that_lists_clearly_fewer_than_wechat_counts_shows_nobody_as_left(
    engine: Engine,
) -> None:
    synced(engine, LISTED, minute=0)

    short = follower_lists.make(engine, pages(engine, LISTED[20:], minute=100, total=60))

    assert (short.ended, short.left, short.followers) == ("short", 0, 60)
    assert names(followers.current(engine, "default")) == PEOPLE


@pytest.mark.every_database
@pytest.mark.parametrize("listed", [[], LISTED[31:]], ids=["nobody", "less than half"])
def test_a_pass_that_lists_less_than_half_of_who_followed_shows_nobody_as_left(
    engine: Engine, listed: list[str]
) -> None:
    """WeChat counts no more than that itself, as in an empty answer."""
    synced(engine, LISTED, minute=0)

    shrunk = synced(engine, listed, minute=100)

    assert (shrunk.ended, shrunk.left, shrunk.followers) == ("shrunk", 0, 60)
    assert names(followers.current(engine, "default")) == PEOPLE
    # Once WeChat was asked about each, it is believed.
    made = follower_lists.make(
        engine, pages(engine, listed, minute=200), ask=lambda _: np.empty(0, "S28")
    )
    assert (made.ended, made.left) == ("complete", 60 - len(listed))
    assert names(followers.current(engine, "default")) == sorted(listed)


def test_who_left_by_pushes_is_believed_however_many_they_are(engine: Engine) -> None:
    synced(engine, LISTED, minute=0)
    for one in LISTED[:40]:
        follows.left(engine, "default", one, at=at(50))

    made = synced(engine, LISTED[41:], minute=100)

    assert (made.ended, made.left, made.followers) == ("complete", 41, 19)


def test_who_is_on_no_page_is_looked_up_where_that_is_asked_for(engine: Engine) -> None:
    synced(engine, LISTED, minute=0)
    asked: list[str] = []

    def still_follow(ids: IDs) -> IDs:
        asked.extend(one.decode() for one in ids.tolist())
        return np.sort(ids[ids == LISTED[3].encode()])

    sync = pages(engine, LISTED[5:], minute=100)
    made = follower_lists.make(engine, sync, ask=still_follow)

    assert sorted(asked) == sorted(LISTED[:5])
    assert (made.followers, made.left) == (56, 4)
    assert LISTED[3] in names(followers.current(engine, "default"))


def test_doubled_pages_and_followers_who_move_between_pages_count_once(engine: Engine) -> None:
    sync, _ = follower_syncs.begin(engine, ledger.account(), who="tests")
    for n, some in enumerate([LISTED[:20], LISTED[10:30], [LISTED[0], *LISTED[30:]]]):
        sync = follower_syncs.store_page(
            engine, sync, page(some, total=60, minute=n, goes_on=n < 2)
        )

    made = follower_lists.make(engine, sync)

    assert (made.listed, made.followers, made.ended) == (71, 60, "complete")
    assert names(followers.current(engine, "default")) == PEOPLE


@pytest.mark.every_database
def test_a_pass_goes_on_where_it_was_and_anew_only_if_asked_for_or_stale(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, resumed = follower_syncs.begin(engine, ledger.account(), who="tests")
    assert not resumed
    sync = follower_syncs.store_page(engine, sync, page(LISTED[:7], total=60, minute=0))

    again, resumed = follower_syncs.begin(engine, ledger.account(), who="tests")
    assert (resumed, again) == (True, sync)
    other, resumed = follower_syncs.begin(engine, ledger.account(), who="tests", anew=True)
    assert (resumed, other.pages, other.next_openid) == (False, 0, "")
    assert other.id != sync.id
    monkeypatch.setattr(follower_syncs, "STALE_AFTER", timedelta(0))
    third, resumed = follower_syncs.begin(engine, ledger.account(), who="tests")
    assert not resumed
    assert third.id != other.id
    assert followers.newest(engine, "default") is None


def test_of_two_processes_with_one_pass_the_second_stops_at_its_next_page(engine: Engine) -> None:
    sync, _ = follower_syncs.begin(engine, ledger.account(), who="tests")
    follower_syncs.store_page(engine, sync, page(LISTED[:7], total=60, minute=0))

    with pytest.raises(SyncTakenOverError):
        follower_syncs.store_page(engine, sync, page(LISTED[:7], total=60, minute=0))

    with transaction.read(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(FollowerPage)) == 1


def test_a_next_page_that_was_asked_for_before_ends_a_pass_that_would_never_end(
    engine: Engine,
) -> None:
    sync, _ = follower_syncs.begin(engine, ledger.account(), who="tests")
    first = page(LISTED[:7], total=60, minute=0)
    sync = follower_syncs.store_page(engine, sync, first)
    sync = follower_syncs.store_page(engine, sync, page(LISTED[7:14], total=60, minute=1))

    with pytest.raises(SyncLoopError):
        follower_syncs.store_page(engine, sync, first)

    assert follower_syncs.under_way(engine, "default") is None


def test_where_the_last_one_of_a_page_left_the_one_before_shows_the_way(engine: Engine) -> None:
    sync, _ = follower_syncs.begin(engine, ledger.account(), who="tests")
    sync = follower_syncs.store_page(engine, sync, page(LISTED[:7], total=60, minute=0))

    back = follower_syncs.go_back(engine, sync)
    assert back is not None
    assert back.next_openid == LISTED[5]
    assert follower_syncs.begin(engine, ledger.account(), who="tests") == (back, True)
    back = follower_syncs.go_back(engine, back)
    assert back is not None
    assert follower_syncs.go_back(engine, back) is None


def test_two_that_make_one_list_make_one_and_old_lists_are_removed(engine: Engine) -> None:
    for n in range(3):
        synced(engine, LISTED[n:], minute=100 * n)
    sync = pages(engine, LISTED, minute=400)

    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(follower_lists.make, engine, sync) for _ in range(2)]
        first, second = (one.result() for one in made)

    assert first.run == second.run
    assert names(followers.current(engine, "default")) == PEOPLE
    with transaction.read(engine) as connection:
        runs = set(connection.scalars(select(FollowerChunk.run)))
        assert len(runs) == 2
        assert connection.scalar(select(func.count()).select_from(FollowerPage)) == 0


def test_whoever_reads_a_list_that_is_replaced_goes_on_in_the_newest(engine: Engine) -> None:
    synced(engine, LISTED, minute=0)
    reader = followers.current(engine, "default")
    begun = list(split(openid.unpack(next(reader))))
    synced(engine, LISTED[30:], minute=100)

    assert begun + names(reader) == PEOPLE

    old = followers.current(engine, "default")
    next(old)
    synced(engine, LISTED, minute=200)
    synced(engine, LISTED, minute=300)
    follows.left(engine, "default", PEOPLE[50], at=at(400))

    rest = names(old)

    assert rest == [one for one in PEOPLE[11:] if one != PEOPLE[50]]

    with engine.begin() as connection:
        connection.execute(delete(FollowerChunk).where(FollowerChunk.start > 0))
    with pytest.raises(followers.ListGoneError):
        names(followers.current(engine, "default"))
