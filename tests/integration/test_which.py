"""How a person names a broadcast on the command line."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from entrypoints.cli.commands import status as status_module
from entrypoints.cli.main import run
from models.ledger.steer import operator
from models.ledger.submit import submits
from tests.kit import ledger


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert run(words) == status
    told = capsys.readouterr()
    return told.out + told.err


def ended(engine: Engine, key: str) -> str:
    broadcast_id = ledger.broadcast(engine, key=key)
    operator.cancel(engine, broadcast_id, who="tests")
    return broadcast_id


@pytest.mark.parametrize("cut", [slice(-6, None), slice(0, -1), slice(5, 12)])
def test_a_part_that_only_one_id_has_is_enough(
    here: Engine, capsys: pytest.CaptureFixture[str], cut: slice
) -> None:
    broadcast_id = ledger.broadcast(here)

    assert f"{broadcast_id} · " in said(capsys, "status", broadcast_id[cut].upper())


def test_a_part_of_several_ids_names_them_and_changes_nothing(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = ledger.broadcast(here, key="1"), ledger.broadcast(here, key="2")

    told = said(capsys, "cancel", first[:9], status=2)

    assert first in told
    assert second in told
    assert len(told.splitlines()) == 1
    assert sum(ledger.states(here, first).values()) == sum(ledger.states(here, second).values())
    assert "cancelled" not in {state.value for state in ledger.states(here, first)}


@pytest.mark.parametrize("text", ["", " ", "%", "_", "no-such-id"])
def test_what_is_no_part_of_an_id_is_refused(
    here: Engine, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """An unset variable of a script, and what a database would take for a pattern."""
    broadcast_id = ledger.broadcast(here)

    said(capsys, "cancel", text, status=2)

    assert "cancelled" not in {state.value for state in ledger.states(here, broadcast_id)}


def test_an_id_of_another_end_is_not_taken_for_a_slip_of_the_hand(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here)
    day, _, end = broadcast_id.rpartition("-")

    assert "Did you mean" not in said(capsys, "status", f"{day}-......", status=2)
    assert f"Did you mean {broadcast_id}?" in said(
        capsys, "status", f"{day}-{end[:2]}.{end[3:]}", status=2
    )


def test_last_is_the_newest_and_nothing_where_there_is_none(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "There is no broadcast yet" in said(capsys, "status", "@last", status=2)
    # Without an id nobody asked for one.
    assert "There are no broadcasts yet" in said(capsys, "status")
    ledger.broadcast(here, key="older")
    newest = ended(here, "newest")

    assert f"{newest} · " in said(capsys, "status", "@last")


def test_the_only_open_broadcast_needs_no_name(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No broadcast is open" in said(capsys, "pause", status=2)
    broadcast_id = ledger.broadcast(here, key="open")
    ended(here, "newer")

    assert broadcast_id in said(capsys, "pause")


def test_of_several_open_ones_one_must_be_named(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    both = {ledger.broadcast(here, key="1"), ledger.broadcast(here, key="2")}

    told = said(capsys, "pause", "--why", "a typo", status=2)

    for each in both:
        assert f"broadcast pause --why 'a typo' {each} · " in told


def kept_back(engine: Engine, key: str) -> str:
    body = ledger.body(size=4, key=key)
    terms = replace(ledger.terms(size=4, batches=1), cooling_off=timedelta(minutes=30))
    return submits.store(
        engine, body, ledger.chunks(ledger.openids(4)), terms=terms, quota=ledger.PLENTY,
        figures=ledger.figures(size=4, batches=1),
    ).id  # fmt: skip


def test_of_several_that_are_kept_back_the_time_left_is_shown_with_the_command(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [kept_back(here, "1"), kept_back(here, "2")]

    told = said(capsys, "cancel", "@open", status=2)

    lines = [one for one in told.splitlines() if "first call in 30 min" in one]
    for each in both:
        assert len([one for one in lines if f"broadcast cancel {each} · " in one]) == 1


def test_status_alone_shows_all_open_ones_then_the_newest(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer = ledger.broadcast(here, key="1"), ledger.broadcast(here, key="2")
    operator.pause(here, older, who="tests")
    newest = ended(here, "3")

    told = said(capsys, "status")

    places = [told.index(f"{each} · ") for each in (newer, older, newest)]
    assert places == sorted(places)
    assert f"broadcast resume {older}" in told


def test_more_open_ones_than_are_shown_are_named_with_the_command(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "MOST_OPEN", 2)
    oldest, *others = (ledger.broadcast(here, key=key) for key in "123")

    told = said(capsys, "status")

    assert all(f"{each} · " in told for each in others)
    assert f"{oldest} · " not in told
    assert "    broadcast list --most 100" in told


def test_status_of_several_names_for_each_what_an_operator_does(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    doubtful = ledger.broadcast(here, key="1", batches=1)
    driver = ledger.Driver(here)
    driver.record(driver.claim(), ledger.said(45065))
    other = ledger.broadcast(here, key="2")
    operator.pause(here, other, who="tests")

    told = said(capsys, "status")

    assert f"\n    broadcast resolve {doubtful} --batch 1 --sent\n" in told
    assert f"\n    broadcast resume {other}\n" in told
