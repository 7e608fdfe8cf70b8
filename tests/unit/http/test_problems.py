"""What an answer says of the inside of an installation: nothing."""

from __future__ import annotations

import logging

import pytest

from broadcast.errors import BroadcastError, DatabaseAwayError, SettingsError
from broadcast.views.texts import Texts
from entrypoints.http import problems


@pytest.mark.parametrize(
    "error",
    [
        DatabaseAwayError(
            "error.database.away", cause='connection to "ledger.internal", port 5432', where=""
        ),
        SettingsError("error.settings.secret_file", path="/etc/ledger.internal", variable="A_FILE"),
    ],
)
def test_hosts_ports_and_paths_stand_in_the_log_and_in_no_answer(
    error: BroadcastError, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        told = problems.shown(problems.problem_of(error), Texts("en"), request_id=None)

    assert told["status"] == 503
    assert "…" in told["detail"]
    assert "ledger.internal" not in str(told)
    assert "ledger.internal" in caplog.text
