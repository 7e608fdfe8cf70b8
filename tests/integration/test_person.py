"""``broadcast person``: what is printed of somebody, and what is asked before they are erased."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine

from entrypoints.cli import main
from tests.integration.models.test_erasures import ONE, accepted, everywhere, refused, where
from tests.integration.test_resolving import told


def test_export_prints_all_rows_of_a_person_and_only_names_those_of_others_too(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = accepted(here)
    everywhere(here, ONE, broadcast_id)

    assert main.run(["person", "export", ONE]) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["account"], found["openid"], found["follows"]) == ("default", ONE, False)
    assert [(one["id"], one["state"]) for one in found["broadcasts"]] == [
        (broadcast_id, "accepted")
    ]
    rows = {row.pop("table"): row for row in found["rows"]}
    assert rows["bc_pushes"]["kind"] == "subscribe"
    assert rows["bc_hand_calls"]["target"] == ONE
    assert rows["bc_dead_letters"] == {"id": "dead-1"}
    assert found["error"] is None


def test_erase_never_begins_unasked_and_says_what_is_gone_and_what_retry_then_does(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = refused(here)
    assert "--yes" in told(capsys, "person", "erase", ONE, status=2)
    assert where(here, ONE)

    said = told(capsys, "person", "erase", ONE, "--yes")

    assert "Erased from 1 broadcast" in said
    assert where(here, ONE) == set()
    assert "somebody in it was erased" in told(capsys, "retry", broadcast_id)
    assert "Erased: 1 entry of lists" in told(capsys, "audit", broadcast_id)
    assert "Suppressed since" in told(capsys, "follower", ONE)


def test_export_says_where_nothing_is_stored(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = accepted(here)
    everywhere(here, ONE, broadcast_id)

    assert main.run(["person", "export", ONE[:-1] + "_"]) == 0
    nobody = capsys.readouterr()
    assert main.run(["person", "export", ONE]) == 0

    assert "Nothing is stored about them in account default." in nobody.err
    assert json.loads(nobody.out)["rows"] == []
    assert "Nothing is stored" not in capsys.readouterr().err
