"""A worker and WeChat's pushes: each by its kind, and one that cannot be handled is kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select, update

from broadcast.rules.calls.waits import DEFAULT_TUNING
from broadcast.rules.pushes import Action, push_of
from models.box_tables import Finish
from models.every_table import PushRow
from models.ledger.boxes import pushes
from models.ledger.followers import follower_changes
from models.ledger.followers.follower_changes import Move
from models.ledger.followers.followers import of_openid
from models.ledger.lists import suppressions
from producer.pushes import MOST_TRIES, handle
from tests.integration.models.test_planning import counted
from tests.kit import follows, ledger
from tests.kit.pushes import OPENID, event, finished, text


def store(engine: Engine, fields: dict[str, str | int], body: str | None = None) -> None:
    said = json.dumps(fields) if body is None else body
    assert pushes.store(engine, push_of("default", fields, text=said))


def work(engine: Engine) -> int:
    return handle(engine, tuning=DEFAULT_TUNING, goes_on=lambda: True)


def rows(engine: Engine) -> list[PushRow]:
    with engine.connect() as connection:
        return list(connection.execute(select(PushRow.__table__)).all())  # type: ignore[arg-type]


def test_the_end_of_a_job_of_the_console_is_kept(engine: Engine) -> None:
    store(engine, finished(1_000_000_001))

    assert work(engine) == 1

    with engine.connect() as connection:
        assert connection.scalars(select(Finish.msg_id)).all() == [1_000_000_001]


def test_a_push_that_was_handled_by_a_worker_that_died_changes_nothing(engine: Engine) -> None:
    at = datetime.fromtimestamp(1_764_200_000, tz=UTC)
    store(engine, event("unsubscribe"))
    assert pushes.reserve_due(engine, most=1)
    follows.left(engine, "default", OPENID, at=at)
    follows.followed(engine, "default", OPENID, at=at + timedelta(seconds=1))
    ledger.pass_time(engine, pushes.TAKEN_FOR)
    before = of_openid(engine, "default", OPENID)

    assert work(engine) == 1

    assert before is not None
    assert before.follows
    after = of_openid(engine, "default", OPENID)
    assert after is not None
    assert after.follows


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({**finished(1), "MsgID": ""}, None),
        (finished(2), "<xml>not what was stored"),
        (finished(3), '{"Event": "MASSSENDJOBFINISH"}'),
    ],
)
def test_what_cannot_be_read_is_kept_and_keeps_nobody_else_from_their_turn(
    engine: Engine,
    fields: dict[str, str | int],
    body: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store(engine, fields, body)
    store(engine, event("subscribe"))

    with caplog.at_level(logging.WARNING):
        assert work(engine) == 1

    broken, followed = rows(engine)
    assert (broken.tries, broken.handled_at) == (1, None)
    assert broken.problem
    assert followed.handled_at
    assert "tried again later" in caplog.text


def test_what_no_try_can_read_is_set_aside_and_never_tried_again(engine: Engine) -> None:
    store(engine, {**finished(1), "MsgID": ""})
    for _ in range(MOST_TRIES):
        assert work(engine) == 0
        ledger.pass_time(engine, pushes.LONGEST_PAUSE)

    assert not pushes.any_due(engine)
    [row] = rows(engine)
    assert (row.tries, row.due_at, row.handled_at) == (MOST_TRIES, None, None)
    assert "without a msg_id" in (row.problem or "")


def test_a_bug_is_tried_again_for_ever(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A follower may have asked out: the next release handles it."""
    store(engine, event("subscribe"))
    with monkeypatch.context() as patch:
        patch.setattr(follower_changes, "moved", None)
        for _ in range(MOST_TRIES + 1):
            assert work(engine) == 0
            ledger.pass_time(engine, pushes.LONGEST_PAUSE)

    assert work(engine) == 1


def test_who_is_no_follower_is_ignored(engine: Engine) -> None:
    """WeChat's own test tool pushes with names of its own."""
    store(engine, event("subscribe", openid="tester"))

    assert work(engine) == 1
    assert rows(engine)[0].handled_at


def test_a_worker_that_is_asked_to_stop_begins_no_round(engine: Engine) -> None:
    store(engine, event("subscribe"))

    assert handle(engine, tuning=DEFAULT_TUNING, goes_on=lambda: False) == 0
    assert pushes.any_due(engine)


@pytest.mark.every_database
def test_what_followers_do_days_ahead_counts_by_when_it_came(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Its CreateTime would outweigh every true word that comes after it."""
    ahead = {"CreateTime": 9_999_999_999}
    store(engine, {**event("unsubscribe"), **ahead})
    wrote = {**text("TD", number=1), **ahead}
    assert pushes.store(engine, push_of("default", wrote, text="", action=Action.UNSUBSCRIBE))

    with caplog.at_level(logging.WARNING):
        assert work(engine) == 2

    came = rows(engine)[0].received_at
    gone, [out] = (
        of_openid(engine, "default", OPENID),
        suppressions.of_openid(engine, "default", OPENID),
    )
    assert gone is not None
    assert gone.left_at is not None
    assert max(abs(gone.left_at - came), abs(out.since - came)) < timedelta(hours=1)
    assert "more than a day ahead" in caplog.text
    assert not pushes.any_due(engine)


@pytest.mark.every_database
def test_a_hundred_pushes_of_followers_take_as_many_statements_as_ten(engine: Engine) -> None:
    def handled(people: list[str]) -> int:
        for n, one in enumerate(people):
            store(engine, event(("subscribe", "unsubscribe")[n % 2], openid=one))
            wrote = text("TD", number=int(one[-9:]), openid=one)
            assert pushes.store(
                engine, push_of("default", wrote, text="", action=Action.UNSUBSCRIBE)
            )
        with counted(engine) as statements:
            assert work(engine) == 2 * len(people)
        return len(statements)

    few, many = [f"oTEST{n:023d}" for n in range(5)], [f"oTEST{n:023d}" for n in range(10, 60)]

    handled([f"oTEST{99:023d}"])
    assert handled(many) == handled(few) <= 30
    assert suppressions.count(engine, "default") == 56
    gone = of_openid(engine, "default", many[1])
    assert gone is not None
    assert not gone.follows


def test_one_push_that_cannot_be_handled_keeps_no_other_of_its_kind_from_its_turn(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine, event("subscribe"))
    store(engine, event("subscribe", openid="oTEST0000000000000000000002A"))
    as_it_is = follower_changes.moved

    def bad(engine: Engine, account: str, moves: Sequence[Move]) -> None:
        if any(move.openid == OPENID for move in moves):
            raise RuntimeError("a bug")
        as_it_is(engine, account, moves)

    monkeypatch.setattr(follower_changes, "moved", bad)

    assert work(engine) == 1

    first, second = rows(engine)
    assert (first.tries, first.handled_at) == (1, None)
    assert second.handled_at


OUT, BACK = Action.UNSUBSCRIBE, Action.RESUBSCRIBE


@pytest.mark.every_database
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("words", "is_out"),
    [
        ([(OUT, 0.3), (BACK, 0.4)], False),
        ([(BACK, 0.3), (OUT, 0.4)], True),
        # Repeated after its answer was lost: what was said last is not known.
        ([(OUT, 0.3), (BACK, 5.4)], True),
        ([(OUT, 5.3), (BACK, 0.4)], True),
    ],
)
def test_of_two_words_in_one_second_the_one_that_came_last_counts(
    engine: Engine, words: Sequence[tuple[Action, float]], *, is_out: bool, at_once: bool
) -> None:
    """WeChat's clock has whole seconds, and each word was answered as it came."""
    for n, (action, behind_s) in enumerate(words):
        said = text("TD", number=n)
        assert pushes.store(engine, push_of("default", said, text="", action=action))
        came = datetime.fromtimestamp(int(said["CreateTime"]), tz=UTC) + timedelta(seconds=behind_s)
        with engine.begin() as connection:
            newest = connection.scalar(select(func.max(PushRow.id)))
            connection.execute(update(PushRow).where(PushRow.id == newest).values(received_at=came))
        if not at_once:
            work(engine)
    work(engine)

    assert bool(suppressions.of_openid(engine, "default", OPENID)) is is_out
