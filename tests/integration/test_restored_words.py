"""What is said of a database that no worker has judged as it is now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from unittest.mock import Mock

import pytest
from sqlalchemy import Engine, update

from broadcast.day import SHANGHAI
from broadcast.errors import OutOfReachError
from broadcast.rules.gates.restore_guard import Counts
from broadcast.views.texts import Texts
from entrypoints.cli.embedded import embedded_parts, embedded_stack
from entrypoints.cli.terminal import Terminal
from models.installation import Installation
from models.ledger.gates import restores
from producer.wiring.wechat import WeChat
from tests.integration.test_audience_options import typed
from tests.integration.test_which import said
from tests.kit import ledger


def elsewhere(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(Installation).values(place="another machine"))


def test_a_database_without_calls_needs_no_answer(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.broadcast(here)

    assert "nothing to answer" in said(capsys, "restored")


def test_calls_that_nothing_counts_or_another_place_are_for_a_worker_to_judge(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.broadcast(here)
    ledger.Driver(here).claim()

    assert "    broadcast up\n    broadcast restored" in said(capsys, "restored", status=1)
    elsewhere(here)
    told = said(capsys, "restored", status=1)
    assert "The database made its calls at: another machine" in told
    assert "nothing to answer" not in told


def test_a_day_without_its_year_is_the_last_one_before_now_and_is_echoed(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.broadcast(here)
    typed(monkeypatch, "n")
    yesterday = datetime.now(SHANGHAI) - timedelta(days=1)

    text = f"{yesterday.month}月{yesterday.day}日 20:00"
    asked = said(capsys, "restored", "--since", text, status=1)
    ahead = said(capsys, "restored", "--since", "2999-01-01 20:00", status=2)

    assert f"{yesterday:%a %Y-%m-%d} 20:00 Beijing time" in " ".join(asked.split())
    assert "understood as Tue 2999-01-01" in ahead


def test_a_table_that_was_made_anew_where_redis_counts_all_of_it_needs_no_answer(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.broadcast(here)
    ledger.Driver(here).claim()
    restores.note_seen(here, ["default"])
    facts = replace(
        restores.facts(here), known_place="mariadb 1 bc db:3306", place="mariadb 2 bc db:3306"
    )
    counter = Mock(read=lambda: Counts(claims={"default": 1}, notes=facts.notes))
    monkeypatch.setattr(WeChat, "claim_counter", lambda *_: counter)
    monkeypatch.setattr(restores, "facts", lambda *_: facts)

    assert "nothing to answer" in said(capsys, "restored")


@pytest.mark.parametrize("moved", [False, True])
def test_up_names_the_answer_where_nothing_is_sent_before_it(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    moved: bool,
) -> None:
    ledger.broadcast(here)
    if moved:
        elsewhere(here)
    monkeypatch.setattr(embedded_parts, "workers", lambda _: None)
    terminal = Terminal(Texts("en"))

    with pytest.raises(OutOfReachError):
        embedded_stack._serve(
            Mock(),
            terminal,
            ["default"],
            backlog=[],
            callback_port=0,
            closed=embedded_stack._is_closed(terminal),
        )

    told = capsys.readouterr().out
    assert ("broadcast restored" in told, "broadcast send" in told) == (moved, not moved)
