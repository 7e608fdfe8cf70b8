"""The suppression list: who is on it, for which account, why, and whose word lifts it."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from broadcast import openid
from broadcast.rules.suppressions import ALL_ACCOUNTS, SuppressionKind, SuppressionSource
from models.ledger.lists import suppressions
from models.ledger.lists.suppressions import Added, Lifted, OptOutMessage
from models.ledger.rows.transaction import present
from tests.kit import follows, ledger
from tests.kit.openids import split

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
PEOPLE = ledger.openids(50)
ANNA, BEN, CARL = PEOPLE[:3]
BY_HAND = SuppressionSource(kind=SuppressionKind.PERSON, who="王芳", why="投诉")


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def wrote(engine: Engine, *people: str, at: datetime, out: bool = True) -> None:
    """Each of these wrote to be left alone, or undid it, in a push of its own."""
    for one in people:
        suppressions.apply_opt_outs(
            engine, "default", [OptOutMessage(openid=one, at=at, received_at=at, out=out)]
        )


def standing(engine: Engine, account: str = "default") -> list[str]:
    pieces = suppressions.pieces(engine, account)
    return [one for piece in pieces for one in split(openid.unpack(piece))]


def test_a_word_for_all_accounts_counts_for_each_and_one_for_an_account_for_it_alone(
    engine: Engine,
) -> None:
    suppressions.suppress(engine, [CARL, ANNA], BY_HAND, account="default")
    suppressions.suppress(engine, [BEN, ANNA], BY_HAND)

    assert standing(engine) == sorted([ANNA, BEN, CARL])
    assert standing(engine, "other") == sorted([ANNA, BEN])
    assert suppressions.count(engine, "default") == 3
    assert {one.account for one in suppressions.of_openid(engine, "default", ANNA)} == {
        "default",
        ALL_ACCOUNTS,
    }


def test_a_part_of_the_list_is_read_from_one_openid_to_another(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "AT_ONCE", 2)
    suppressions.suppress(engine, PEOPLE[::2], BY_HAND, account="default")
    suppressions.suppress(engine, PEOPLE[1::4], BY_HAND)

    between = suppressions.pieces(engine, "default", between=(PEOPLE[4], PEOPLE[30]))
    found = [one for piece in between for one in split(openid.unpack(piece))]

    assert found == [one for one in standing(engine) if PEOPLE[4] <= one <= PEOPLE[30]]
    assert (found[0], found[-1]) == (PEOPLE[4], PEOPLE[30])


def test_saying_it_twice_counts_as_already_there_and_keeps_the_first_word(engine: Engine) -> None:
    first = suppressions.suppress(engine, [ANNA, BEN], BY_HAND, account="default")
    again = suppressions.suppress(
        engine,
        [ANNA, CARL],
        SuppressionSource(kind=SuppressionKind.PERSON, who="李雷"),
        account="default",
    )

    assert (first, again) == (Added(new=2, already=0), Added(new=1, already=1))
    assert [one.who for one in suppressions.of_openid(engine, "default", ANNA)] == ["王芳"]


def test_lifting_undoes_every_kind_of_the_account_and_no_word_for_all(engine: Engine) -> None:
    suppressions.suppress(engine, [ANNA, BEN], BY_HAND, account="default")
    wrote(engine, ANNA, at=at(1))
    suppressions.suppress(engine, [ANNA], BY_HAND)

    lifted = suppressions.lift(engine, [ANNA, CARL], who="王芳", account="default")
    assert lifted == Lifted(named=2, people=1, own=1, for_all=1)
    assert standing(engine) == sorted([ANNA, BEN])
    assert suppressions.lift(engine, [ANNA], who="王芳").people == 1
    assert standing(engine) == [BEN]
    assert suppressions.suppress(engine, [ANNA], BY_HAND).new == 1


def test_who_stands_there_for_another_reason_is_no_new_one_and_own_words_are_counted(
    engine: Engine,
) -> None:
    wrote(engine, ANNA, at=at(0))

    added = suppressions.suppress(engine, [ANNA, BEN], BY_HAND, account="default")

    assert added == Added(new=1, already=1)
    lifted = suppressions.lift(engine, [ANNA, BEN], who="王芳", account="default")
    assert lifted == Lifted(named=2, people=2, own=1, for_all=0)


def test_of_a_followers_own_words_the_last_one_counts_in_whatever_order_they_come(
    engine: Engine,
) -> None:
    """Words 0 and 2 ask out, 1 undoes it, each at a minute of its own."""
    cases = itertools.product(itertools.permutations(range(3)), [(1, 2, 3), (1, 3, 2)])
    for one, (order, minutes) in zip(PEOPLE, cases, strict=False):
        for n in (*order, *order):
            wrote(engine, one, at=at(minutes[n]), out=n != 1)

        latest = max(range(3), key=lambda n: minutes[n])
        assert bool(suppressions.of_openid(engine, "default", one)) == (latest != 1)


@pytest.mark.every_database
@pytest.mark.parametrize("behind", [0, 300])
def test_who_asks_out_after_an_operator_lifted_it_is_on_the_list_again_by_any_clock(
    engine: Engine, behind: int
) -> None:
    """WeChat's clock has whole seconds, and may be *behind* the database's."""
    earlier = present(engine) - timedelta(hours=1)
    wrote(engine, ANNA, BEN, at=earlier)
    suppressions.lift(engine, [ANNA, BEN], who="王芳", account="default")
    received = present(engine)
    said = received.replace(microsecond=0) - timedelta(seconds=behind)
    again = OptOutMessage(openid=ANNA, at=said, received_at=received, out=True)

    suppressions.apply_opt_outs(engine, "default", [again])

    assert standing(engine) == [ANNA]
    # What came before the operator's word, and is handled late or again, undoes nothing of it.
    late = OptOutMessage(openid=BEN, at=received, received_at=earlier, out=True)
    suppressions.apply_opt_outs(engine, "default", [late])
    assert standing(engine) == [ANNA]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_after_an_operators_word_too_the_last_of_a_followers_own_counts(
    engine: Engine, order: tuple[int, int]
) -> None:
    """They ask out once more and undo it, before an operator's clock says so much."""
    moment = present(engine)
    wrote(engine, ANNA, at=moment - timedelta(hours=1))
    suppressions.lift(engine, [ANNA], who="王芳", account="default")
    received = present(engine)
    for n in (*order, *order):
        said = moment - timedelta(minutes=10 - n)
        wish = OptOutMessage(openid=ANNA, at=said, received_at=received, out=not n)
        suppressions.apply_opt_outs(engine, "default", [wish])

    assert standing(engine) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_said_in_the_same_second_the_word_to_be_left_alone_counts(
    engine: Engine, order: tuple[int, int]
) -> None:
    for n in (*order, *order):
        wrote(engine, ANNA, at=at(1), out=not n)

    assert standing(engine) == [ANNA]


def test_a_follower_undoes_their_own_word_alone_and_subscribing_again_undoes_nothing(
    engine: Engine,
) -> None:
    suppressions.suppress(engine, [ANNA], BY_HAND, account="default")
    wrote(engine, ANNA, BEN, at=at(1))

    follows.followed(engine, "default", BEN, at=at(2))
    wrote(engine, ANNA, at=at(2), out=False)

    assert standing(engine) == sorted([ANNA, BEN])


def test_many_are_stored_and_read_in_portions_and_two_imports_at_once_lose_nobody(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "AT_ONCE", 7)
    monkeypatch.setattr(suppressions, "AT_ONCE", 3)
    word = SuppressionSource(kind=SuppressionKind.IMPORT, who="import")

    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(suppressions.suppress, engine, some, word, account="default")
            for some in (PEOPLE, PEOPLE[20:])
        ]
        added = [one.result() for one in both]

    assert sum(one.new for one in added) == len(PEOPLE)
    assert sum(one.already for one in added) == 30
    assert standing(engine) == PEOPLE
    assert [one.openid for one in suppressions.every_suppressed(engine, "default")] == PEOPLE
    assert len(list(suppressions.every_suppressed(engine, None))) == len(PEOPLE)
    assert not suppressions.any_of(engine, "other")


@pytest.mark.every_database
def test_the_list_is_read_on_from_where_a_portion_ended_by_its_index(engine: Engine) -> None:
    word = SuppressionSource(kind=SuppressionKind.IMPORT, who="import")
    people = ledger.openids(4_000)
    suppressions.suppress(engine, people, word, account="default")
    query = suppressions._behind("default", people[-50], "import").compile(
        engine, compile_kwargs={"literal_binds": True}
    )
    name = engine.dialect.name
    explain = "EXPLAIN QUERY PLAN" if name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        connection.execute(text("ANALYZE TABLE bc_suppressions" if name == "mysql" else "ANALYZE"))
        rows = connection.execute(text(f"{explain} {query}")).mappings().all()

    if name in {"mysql", "mariadb"}:
        assert rows[0]["type"] == "range", rows
        assert int(rows[0]["rows"]) < 200, rows
    else:
        [found] = [
            line
            for row in rows
            for line in map(str, row.values())
            if "Index Cond" in line or "SEARCH" in line
        ]
        assert "openid" in found, rows
