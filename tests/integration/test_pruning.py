"""``broadcast prune``: what it says that would go, what it asks and refuses, and what is left."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine

from entrypoints.cli import main
from tests.integration.models.test_prunes import old
from tests.integration.test_resolving import told


def test_prune_begins_with_a_yes_and_everything_else_says_what_is_gone(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    done, failed, *_ = old(here)
    planned = told(capsys, "prune", "--older-than", "400d", "--dry-run")
    assert "4 broadcasts." in planned
    assert "--yes" in told(capsys, "prune", "--older-than", "400d", status=2)
    for age in ("31d", "400x", "0"):
        told(capsys, "prune", "--older-than", age, "--yes", status=2)

    said = told(capsys, "prune", "--older-than", "400d", "--yes", "--json")

    assert json.loads(said.splitlines()[-1])["pruned"] == 4
    gone = told(capsys, "recipients", done, "--set", "accepted", status=2)
    assert "was pruned" in gone
    assert "was pruned" in told(capsys, "retry", failed, status=2)
    assert "4 older broadcasts were pruned" in told(capsys, "follower", "o" + "A" * 27)
    assert "Pruned: 4 broadcasts" in told(capsys, "audit", "--all")
    status = told(capsys, "status", done)
    assert "accepted by WeChat" in status
    assert "Pruned" in status
    # It would be refused.
    assert "broadcast recipients" not in status
    said = told(capsys, "status", done, "--json")
    assert json.loads(said.splitlines()[-1])["pruned_at"] is not None
    assert main.run(["export", done]) == 0
    assert json.loads(capsys.readouterr().out)["pruned_at"] is not None
