"""An opt-out is in force as soon as its push is stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.pushes import Action, Push
from models.every_table import PushRow
from models.ledger.boxes import opt_out_pushes, pushes
from models.ledger.lists import suppressions
from models.ledger.rows import erased_people

OPENID = "oTEST0000000000000000000001A"
THEN = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
OUT = Push(
    account="default",
    kind="message.text",
    dedup="1" * 64,
    openid=OPENID,
    msg_id=1,
    happened_at=THEN,
    action=Action.UNSUBSCRIBE,
)
BACK = replace(OUT, dedup="2" * 64, action=Action.RESUBSCRIBE, happened_at=THEN.replace(minute=1))
FOLLOWED = replace(OUT, dedup="3" * 64, kind="subscribe", action=None)


def is_out(engine: Engine, account: str = "default") -> bool:
    return bool(suppressions.of_openid(engine, account, OPENID))


@pytest.mark.every_database
def test_the_transaction_that_stores_a_push_applies_its_opt_out(engine: Engine) -> None:
    opt_out_pushes.store(engine, [OUT, FOLLOWED, replace(OUT, account="other")])

    assert is_out(engine)
    assert is_out(engine, "other")
    assert [push.kind for push in pushes.reserve_due(engine, most=9)] == ["subscribe"]

    opt_out_pushes.store(engine, [OUT, BACK])
    assert not is_out(engine)
    assert is_out(engine, "other")
    opt_out_pushes.store(engine, [OUT])
    assert not is_out(engine)


def test_pushes_whose_opt_outs_cannot_be_applied_are_stored_for_a_worker(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_apply(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(suppressions, "apply_in", no_apply)
    opt_out_pushes.store(engine, [OUT, FOLLOWED])

    assert not is_out(engine)
    assert len(pushes.reserve_due(engine, most=9)) == 2


def test_the_opt_out_of_an_erased_person_leaves_no_openid(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erased_people, "erased_in", lambda _, people: people)
    opt_out_pushes.store(engine, [OUT])

    with engine.connect() as connection:
        assert list(connection.scalars(select(PushRow.openid))) == [None]
    assert suppressions.count(engine, "default") == 0
    assert not pushes.any_due(engine)
