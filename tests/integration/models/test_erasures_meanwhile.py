"""What comes in between while a person is erased: retries, plans, lists, other erasures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import Engine, select

from broadcast import openid
from broadcast.errors import ConflictError
from broadcast.rules.calls.waits import DEFAULT_TUNING, Waits
from broadcast.rules.plan.audience import Followers
from broadcast.rules.plan.selection import Selection
from broadcast.rules.pushes import UNSUBSCRIBE, Action, Push
from broadcast.rules.suppressions import SuppressionKind
from broadcast.sorted_openids import IDs
from models.every_table import (
    ChunkRow,
    FollowerChange,
    PushRow,
    Suppression,
)
from models.ledger.audit import audit_run
from models.ledger.boxes import pushes
from models.ledger.lists import suppressions
from models.ledger.plan import plans, removals, subtract
from models.ledger.rows import erased_people
from models.ledger.steer import erasures, retries
from producer import pushes as push_work
from tests.integration.models.tampering import found
from tests.integration.models.test_erasures import (
    EDGE,
    NOW,
    ONE,
    PEOPLE,
    WHO,
    accepted,
    call,
    erase,
    refused,
    where,
)
from tests.kit import follows, ledger
from tests.kit.ledger import said


@pytest.mark.parametrize("action", [None, Action.UNSUBSCRIBE], ids=["left", "opted-out"])
def test_a_push_that_waited_while_its_person_was_erased_makes_up_nobody(
    engine: Engine, action: Action | None
) -> None:
    push = Push(
        account="default",
        kind=UNSUBSCRIBE,
        dedup="a",
        openid=ONE,
        msg_id=None,
        happened_at=NOW,
        action=action,
    )
    ledger.ended(engine)
    pushes.store(engine, push)
    erase(engine)

    assert push_work.handle(engine, tuning=DEFAULT_TUNING, goes_on=lambda: True) == 0

    with engine.connect() as connection:
        assert connection.scalars(select(FollowerChange.openid)).all() == []
        kinds = connection.scalars(select(Suppression.kind)).all()
        assert kinds == [SuppressionKind.ERASED]
        assert connection.scalars(select(PushRow.openid)).all() == [None]


@pytest.mark.parametrize("erased_before", [0, 1])
def test_a_retry_in_between_lifts_the_suppression_only_where_nothing_was_erased(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, erased_before: int
) -> None:
    for _ in range(erased_before):
        accepted(engine)
    again = refused(engine)
    # The order of the broadcasts is that of their ids.
    ids = sorted(erasures._broadcasts_of(engine, "default", ONE), key=lambda one: one == again)
    look = erasures._check_boxes

    def retry_and_look(engine: Engine, account: str, one: str) -> None:
        look(engine, account, one)
        # It had looked for suppressed people before.
        monkeypatch.setattr(retries, "suppressed_batches", lambda *_: {})
        retries.retry(engine, again, who=WHO)

    monkeypatch.setattr(erasures, "_broadcasts_of", lambda *_: ids)
    monkeypatch.setattr(erasures, "_check_boxes", retry_and_look)

    with pytest.raises(ConflictError):
        erase(engine)

    assert [one.kind for one in suppressions.of_openid(engine, "default", ONE)] == [
        SuppressionKind.ERASED
    ] * erased_before
    monkeypatch.undo()
    call(engine, said(0, msg_id=81))
    erase(engine)
    assert where(engine, ONE) == set()
    assert audit_run.audit_all(engine, waits=Waits()).findings == []


def test_who_is_erased_while_their_followers_are_planned_gets_nothing(engine: Engine) -> None:
    accepted(engine)
    follows.listed(engine, "default", PEOPLE, at=NOW)
    said_ = replace(ledger.body(size=0), audience=Followers())
    broadcast_id = ledger.published(engine, said_, size=0)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None

    def plan(begin: Callable[[], object]) -> bool:
        erased = erased_people.count(engine, "default")
        out = removals.removals_of(engine, "default", Selection(), given=removals.CallerLists())

        def source() -> Iterator[IDs]:
            for ids in subtract.followed(engine, "default"):
                begin()
                yield ids

        return subtract.subtract(
            engine, row, ledger.account(), removals=out, source=source(), erased=erased
        )

    assert not plan(lambda: erase(engine))
    assert plan(lambda: None)

    with engine.connect() as connection:
        lists = connection.scalars(
            select(ChunkRow.openids).where(ChunkRow.broadcast_id == broadcast_id)
        ).all()
    assert openid.pack("".join(one for one in PEOPLE if one != ONE).encode()) in lists
    assert where(engine, ONE) == set()


def test_a_list_that_is_submitted_while_its_first_person_is_erased_stays_whole(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(engine)
    unfollow = erasures._unfollow

    def submit_and_unfollow(engine: Engine, account: str, one: str) -> None:
        ledger.published(engine, ledger.body(size=40), size=40)
        unfollow(engine, account, one)

    monkeypatch.setattr(erasures, "_unfollow", submit_and_unfollow)

    erase(engine, EDGE)

    assert found(engine) == set()


def test_an_erasure_that_is_refused_lifts_nothing_that_another_one_relies_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(engine)
    lift = erasures._lift

    def erase_and_lift(engine: Engine, account: str, one: str, *, since: datetime) -> None:
        monkeypatch.undo()
        erase(engine)
        lift(engine, account, one, since=since)

    def refuse(*_: object) -> None:
        raise ConflictError("error.person.in_doubt", id="1", n=1)

    monkeypatch.setattr(erasures, "_lift", erase_and_lift)
    monkeypatch.setattr(erasures, "_check_closed", refuse)

    with pytest.raises(ConflictError):
        erase(engine)

    [stands] = suppressions.of_openid(engine, "default", ONE)
    assert stands.kind is SuppressionKind.ERASED
