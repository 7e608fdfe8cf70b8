"""What people did to a broadcast: told as it was said, oldest first, and only what changed it."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.rules.reports import Did, OperatorAction
from broadcast.views.json_objects import as_json
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from tests.integration.models.words import doubt, refused, resolve
from tests.kit import ledger
from tests.kit.ledger import Driver, said

WHO = "cli:王小明@desk"


def actions(engine: Engine, broadcast_id: str) -> list[OperatorAction]:
    told = broadcast_reports.report(engine, broadcast_id).operator_actions
    assert told is not None
    return list(told.actions)


def words(engine: Engine, broadcast_id: str) -> list[tuple[Did, str | None]]:
    return [(one.did, one.why) for one in actions(engine, broadcast_id)]


def test_every_word_is_told_with_its_speaker_and_why_oldest_first(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=4, batches=2)
    driver = Driver(engine)
    driver.call(said(43004))
    driver.call(said(0, msg_id=2))
    retries.retry(engine, broadcast_id, who=WHO, why="they follow again")
    operator.pause(engine, broadcast_id, who=WHO, why="错字")
    operator.resume(engine, broadcast_id, who=WHO, why="改好了 🎉")
    operator.halt(engine, None, who=WHO, why="老板来电")
    operator.unhalt(engine, None, who=WHO)
    operator.cancel(engine, broadcast_id, who=WHO, why="over")

    told = actions(engine, broadcast_id)

    assert [(one.did, one.why) for one in told] == [
        (Did.RETRY, "they follow again"),
        (Did.PAUSE, "错字"),
        (Did.RESUME, "改好了 🎉"),
        (Did.HALT, "老板来电"),
        (Did.UNHALT, None),
        (Did.CANCEL, "over"),
    ]
    assert {one.who for one in told} == {WHO}
    assert [one.at for one in told] == sorted(one.at for one in told)
    assert told[0].batches == 1
    assert {one.account for one in told if one.did in {Did.HALT, Did.UNHALT}} == {"default"}


def test_a_corrected_word_is_told_beside_the_first(driver: Driver, broadcast_id: str) -> None:
    doubt(driver)
    resolve(driver.engine, broadcast_id, 99)
    resolve(driver.engine, broadcast_id, 98)
    resolve(driver.engine, broadcast_id, None)

    told = [one for one in actions(driver.engine, broadcast_id) if one.did is Did.RESOLVE]

    assert [(one.batch, one.msg_id) for one in told] == [(1, 99), (1, 98), (1, None)]
    assert {one.why for one in told} == {"looked in the console"}


def test_a_word_that_changed_nothing_is_not_told(driver: Driver, broadcast_id: str) -> None:
    engine = driver.engine
    doubt(driver)
    resolve(engine, broadcast_id, 99)
    operator.pause(engine, broadcast_id, who=WHO)
    before = words(engine, broadcast_id)

    operator.pause(engine, broadcast_id, who=WHO, why="once more")
    resolve(engine, broadcast_id, 99)
    refused(engine, broadcast_id, 97, n=2)
    retries.retry(engine, broadcast_id, who=WHO, why="in vain")
    operator.unhalt(engine, None, who=WHO)

    assert words(engine, broadcast_id) == before


def test_halts_before_a_broadcast_after_it_and_of_other_accounts_are_none_of_its_own(
    engine: Engine,
) -> None:
    def halt(account: str, why: str) -> None:
        operator.halt(engine, account, who=WHO, why=why, known=[ledger.account(account)])
        operator.unhalt(engine, account, who=WHO, why=why)

    halt("default", "before")
    broadcast_id = ledger.broadcast(engine, batches=1)
    halt("other", "elsewhere")
    halt("default", "meanwhile")
    Driver(engine).call(said(0, msg_id=1))
    halt("default", "after")

    assert words(engine, broadcast_id) == [(Did.HALT, "meanwhile"), (Did.UNHALT, "meanwhile")]


def test_earlier_words_are_counted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcast_id = ledger.broadcast(engine)
    for why in ("1", "2", "3", "4"):
        operator.pause(engine, broadcast_id, who=WHO, why=why)
        operator.resume(engine, broadcast_id, who=WHO, why=why)
    of = broadcast_reports.operator_actions
    monkeypatch.setattr(broadcast_reports, "operator_actions", functools.partial(of, most=3))

    told = broadcast_reports.report(engine, broadcast_id).operator_actions

    assert told is not None
    assert [one.why for one in told.actions] == ["3", "4", "4"]
    assert told.earlier == 5


def test_json_has_what_people_did_of_one_broadcast_and_lists_do_without(
    driver: Driver, broadcast_id: str
) -> None:
    engine = driver.engine
    doubt(driver)
    resolve(engine, broadcast_id, None)
    operator.pause(engine, broadcast_id, who=WHO)

    told: dict[str, Any] = as_json(broadcast_reports.report(engine, broadcast_id))

    unhalted, resolved, paused = told["operator_actions"]
    assert (unhalted["action"], unhalted["account"]) == ("unhalt", "default")
    assert resolved["at"].endswith("Z")
    assert resolved | {"at": None} == {
        "at": None,
        "who": WHO,
        "action": "resolve",
        "why": "looked in the console",
        "batch": 1,
        "sent": False,
        "msg_id": None,
    }
    assert set(paused) == {"at", "who", "action", "why"}
    assert told["operator_actions_earlier"] == 0
    assert "operator_actions" not in as_json(broadcast_reports.reports(engine)[0])
