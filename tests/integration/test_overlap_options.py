"""What the followers of an audience got, or will get, before a person sends to them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.plan.selection import parse
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from models.broadcast_tables import BroadcastRow
from models.ledger.lists import suppressions
from models.ledger.plan import plans, subtract
from tests.integration.models.test_follower_syncs import synced as followers_synced
from tests.integration.models.test_known import PEOPLE, sent
from tests.integration.models.test_subtract import lists
from tests.integration.test_audience_options import TEXT, in_hours, typed
from tests.integration.test_which import said
from tests.kit import ledger


def test_a_broadcast_of_which_nobody_knows_yet_who_gets_it_cannot_be_excluded(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "all.txt").write_text("\n".join(ledger.openids(20)), encoding="ascii")
    words = ("send", "--openids", "all.txt")
    said(capsys, *words, "--sample", "25%", "--text", "A", "--at", in_hours(2))
    with here.connect() as connection:
        first = connection.execute(select(BroadcastRow.id)).scalar_one()
    but = ("--exclude", f"broadcast:{first}", "--text", "B", "--dry-run", "--json")

    refused = said(capsys, *words, *but, status=2)
    later = json.loads(said(capsys, *words, *but, "--at", in_hours(3), status=3).splitlines()[0])

    assert f"Broadcast {first} is not planned yet" in refused
    # One that is planned no later is waited for.
    assert (later["audience"]["planned"], later["audience"]["at_most"]) == (20, True)


def test_a_list_that_waits_for_its_time_is_excluded_as_it_was_given(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = ledger.openids(20)
    (tmp_path / "some.txt").write_text("\n".join(names[:5]), encoding="ascii")
    (tmp_path / "all.txt").write_text("\n".join(names), encoding="ascii")
    said(capsys, "send", "--openids", "some.txt", "--text", "A", "--at", in_hours(2))
    with here.connect() as connection:
        first = connection.execute(select(BroadcastRow.id)).scalar_one()

    told = json.loads(
        said(
            capsys,
            "send",
            "--openids",
            "all.txt",
            "--exclude",
            f"broadcast:{first}",
            "--text",
            "B",
            "--dry-run",
            "--json",
            status=3,
        ).splitlines()[0]
    )

    assert (told["audience"]["planned"], told["audience"]["at_most"]) == (15, False)


def overlaps(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return what a dry run says of the followers of an audience."""
    shown = said(capsys, "send", *words, "--dry-run", "--json", status=3)
    line = next(one for one in shown.splitlines() if one.startswith("{"))
    return cast("dict[str, Any]", json.loads(line)["overlaps"])


def test_followers_are_told_who_of_them_got_an_earlier_version(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    followers_synced(here, PEOPLE, minute=0)
    suppressions.suppress(
        here, [PEOPLE[0]], SuppressionSource(kind=SuppressionKind.PERSON, who="tests")
    )
    wrong = sent(here, PEOPLE, text="wrong")

    found = overlaps(capsys, "--followers", *TEXT)

    assert found["today"] == {"followers": 9, "broadcasts": [wrong]}
    assert [(one["id"], one["followers"]) for one in found["earlier"]] == [(wrong, 9)]
    assert found["uncounted"] == []
    with monkeypatch.context() as terminal:
        typed(terminal, "n")
        shown = said(capsys, "send", "--followers", *TEXT, status=1)
    assert f"9 of them already got broadcast {wrong}" in shown
    assert f"9 of the 39 OpenIDs in this list were sent broadcast {wrong}" in said(
        capsys, "send", "--followers", *TEXT, "--json"
    )


def test_of_a_sample_those_are_counted_who_will_be_sent_to(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """More of them than are sent to would be nonsense."""
    (tmp_path / "all.txt").write_text("\n".join(PEOPLE), encoding="ascii")
    wrong = sent(here, PEOPLE, text="wrong", calls=2)
    words = ("--openids", "all.txt", "--key", "k", *TEXT, "--sample", "50%")

    found = overlaps(capsys, *words)["today"]["followers"]
    with monkeypatch.context() as terminal:
        typed(terminal, "n")
        shown = said(capsys, "send", *words, status=1)
        # Who has the tag is not known, nor who is in a sample of the others.
        typed(terminal, "n")
        tagged = said(capsys, "send", *words, "--exclude", "tag:3", status=1)
    said(capsys, "send", *words)
    with here.connect() as connection:
        ids = connection.scalars(select(BroadcastRow.id).where(BroadcastRow.key == "k"))
        row = plans.to_plan(here, ids.one())
    assert row is not None
    sample = parse(row.selection).sample
    assert subtract.subtract(here, row, ledger.account(), removals=[], sample=sample)

    assert found == len({*sorted(PEOPLE)[:20]} & {*lists(here, row.id)["left"]})
    assert f"{found} of the sample got broadcast {wrong}" in shown
    assert f"{found} of them already got broadcast {wrong}" in shown
    assert f"20 of the list already got broadcast {wrong}" in tagged


@pytest.mark.parametrize("whom", [("--tag", "2"), ("--to-all",)])
def test_of_wechat_s_own_list_the_broadcasts_are_named_that_may_reach_the_same_people(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    whom: tuple[str, ...],
) -> None:
    wrong = sent(here, PEOPLE, text="wrong")
    (tmp_path / "all.txt").write_text("\n".join(PEOPLE), encoding="ascii")
    made = said(capsys, "send", "--openids", "all.txt", *TEXT, "--json")
    to_come = json.loads(next(one for one in made.splitlines() if one.startswith("{")))["id"]

    found = overlaps(capsys, *whom, *TEXT)["uncounted"]

    assert {one["id"]: one["same_content"] for one in found} == {to_come: True, wrong: False}
    with monkeypatch.context() as terminal:
        typed(terminal, "n")
        asked = said(capsys, "send", *whom, *TEXT, status=1)
        shown = said(capsys, "send", *whom, *TEXT, "--dry-run", status=3)
    assert f"Broadcast {wrong} went to followers of this account" in shown
    assert f"Broadcast {to_come} has the same content" in shown
    assert f"Broadcast {to_come} has the same content" in asked
    assert "the same command with --dry-run shows all" in asked
    sent_now = () if whom[0] == "--tag" else ("--yes-to-all",)
    assert f"Broadcast {to_come} has the same content" in said(
        capsys, "send", *whom, *sent_now, *TEXT, "--json"
    )


@pytest.mark.parametrize("whom", [("--followers",), ("--openids", "all.txt")])
def test_who_got_a_broadcast_by_wechat_s_own_list_nobody_can_count(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path, whom: tuple[str, ...]
) -> None:
    followers_synced(here, PEOPLE, minute=0)
    (tmp_path / "all.txt").write_text("\n".join(PEOPLE), encoding="ascii")
    said(capsys, "send", "--to-all", "--yes-to-all", *TEXT)

    [one] = overlaps(capsys, *whom, *TEXT)["uncounted"]

    assert (one["started_at"], one["same_content"]) == (None, True)
    assert overlaps(capsys, "--followers", "--with-tag", "2", "--text", "x")["uncounted"]


def test_who_got_what_is_excluded_gets_not_both(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    followers_synced(here, PEOPLE, minute=0)
    before = sent(here, PEOPLE[:20], text="before")
    words = ("--followers", "--with-tag", "2", *TEXT)

    assert [one["id"] for one in overlaps(capsys, *words)["uncounted"]] == [before]
    assert overlaps(capsys, *words, "--exclude", f"broadcast:{before}")["uncounted"] == []
