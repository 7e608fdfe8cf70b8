"""Before its plan nobody knows who of a list with exclusions gets it, and nobody is told so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.errors import ConflictError
from broadcast.rules.plan.selection import Excluded, Exclusion, Selection
from broadcast.rules.reports import SETS
from models.ledger.lists import recipients
from models.ledger.plan import removals
from models.ledger.rows import locked_rows
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.words import findings
from tests.integration.test_audience_options import in_hours
from tests.integration.test_which import said
from tests.kit import ledger

NAMES = ledger.openids(20)
NARROWED = [
    (("--exclude", "file:out.txt"), "excluding 1 list"),
    (("--exclude", "tag:3"), "excluding tag 3"),
    (("--sample", "25%"), "a sample of 25%"),
]
TEXT = ("--text", "Doors open at nine")


@pytest.fixture
def lists(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text("\n".join([*NAMES, "x"]), encoding="ascii")
    (tmp_path / "out.txt").write_text("\n".join(NAMES[:4]), encoding="ascii")


def stored(here: Engine, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Submit a list for later; return the id."""
    said(capsys, "send", "--openids", "all.txt", *words, "--at", in_hours(2), *TEXT)
    newest = locked_rows.newest(here)
    assert newest is not None
    return newest


def objects(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    shown = said(capsys, *words, "--json").splitlines()
    told: dict[str, Any] = json.loads(next(line for line in shown if line.startswith("{")))
    return told


def figures(told: dict[str, Any]) -> list[int | None]:
    return [told["audience"]["planned"], *(told["recipients"][name] for name in SETS)]


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize(("words", "asked"), NARROWED)
def test_before_its_plan_every_screen_says_what_was_asked_for_and_no_figure(
    here: Engine, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], asked: str
) -> None:
    broadcast_id = stored(here, capsys, *words)

    shown = said(capsys, "status", broadcast_id)
    listed = said(capsys, "list")
    follower = said(capsys, "follower", NAMES[0])

    assert f"followers not known until it is planned: {asked}" in shown
    assert "0 of" not in shown
    assert f"{broadcast_id}: followers not known until it is planned: {asked}" in listed
    assert "in the list that was given; the plan decides whether they are left out" in follower
    told = objects(capsys, "status", broadcast_id)
    assert figures(told) == [None] * 6
    assert (told["audience"]["read"], told["audience"]["malformed"]) == (21, 1)
    assert told["selection"]
    assert figures(objects(capsys, "list")["broadcasts"][0]) == [None] * 6
    assert findings(here) == set()


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize(("words", "asked"), NARROWED)
def test_cancelled_before_its_plan_it_hands_out_nobody_and_says_what_to_do(
    here: Engine, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], asked: str
) -> None:
    broadcast_id = stored(here, capsys, *words)

    cancelled = said(capsys, "cancel", broadcast_id, "--yes")

    assert "recipients" not in cancelled
    assert f"followers not known: it ended before it was planned: {asked}" in cancelled
    assert "Nobody was sent it. To send it after all" in cancelled
    for name in ("cancelled", "waiting"):
        refused = said(capsys, "recipients", broadcast_id, "--set", name, status=2)
        assert "ended before its plan" in refused
        assert "broadcast status" in refused
        assert NAMES[10] not in refused
        assert len(refused.splitlines()) == 1
    assert said(capsys, "recipients", broadcast_id, "--set", "cancelled", "--csv", status=2)
    empty = said(capsys, "recipients", broadcast_id, "--set", "accepted")
    assert f"Nobody is in the set accepted of broadcast {broadcast_id}" in empty
    assert "WeChat" not in empty
    assert "cancelled before it was planned" in said(capsys, "follower", NAMES[0])
    assert figures(objects(capsys, "status", broadcast_id)) == [None] * 6
    assert findings(here) == set()


@pytest.mark.usefixtures("lists")
def test_a_set_of_what_is_not_planned_yet_is_refused_until_its_plan(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = stored(here, capsys, "--exclude", "file:out.txt")

    refused = said(capsys, "recipients", broadcast_id, "--set", "waiting", status=2)

    assert "is not planned yet" in refused
    assert NAMES[10] not in refused
    with pytest.raises(ConflictError) as caught:
        recipients.portions(here, broadcast_id, "accepted", "waiting")
    assert caught.value.message_id == "error.recipients.unplanned"


@pytest.mark.usefixtures("lists")
def test_whoever_was_left_out_of_a_cancelled_one_is_not_taken_for_a_recipient_by_the_next(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = stored(here, capsys, "--exclude", "file:out.txt")
    operator.cancel(here, broadcast_id, who="tests")

    excluded = Exclusion(kind=Excluded.BROADCAST, value=broadcast_id)
    found = removals.removals_of(
        here, "default", Selection(exclude=(excluded,)), given=removals.CallerLists()
    )

    assert [piece for one in found for piece in one.pieces] == []


@pytest.mark.usefixtures("lists")
def test_a_list_of_which_nobody_is_left_out_by_request_is_counted_from_the_start(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = stored(here, capsys)

    assert broadcast_reports.report(here, broadcast_id).audience["planned"] == 20
    said(capsys, "cancel", broadcast_id, "--yes")
    assert NAMES[10] in said(capsys, "recipients", broadcast_id, "--set", "cancelled")
    assert "cancelled before it was planned" in said(capsys, "follower", NAMES[0])
