"""`--at`: the database's clock decides, and who repeats a command finds what it stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.engine import open_engine
from models.ledger.steer import sweeps
from tests.acceptance.by_hand import PEOPLE, seated
from tests.acceptance.test_terminal import on_terminal
from tests.kit.clock import Clock
from tests.kit.command_line import CommandLine

SEND = ("send", "--openids", "list.txt", "--text", "hello", "--key", "june")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """The clock of the database."""
    return Clock(tmp_path)


@pytest.fixture
def line(tmp_path: Path, clock: Clock) -> Iterator[CommandLine]:
    """A command line whose database goes by *clock*; the machine goes by its own."""
    with seated(tmp_path, PEOPLE, **clock.settings) as made:
        yield made
        # What has its time is launched, as beat would, before the audit looks for it.
        engine = open_engine(made.env["DATABASE_URL"])
        sweeps.launch_due(engine)
        engine.dispose()


def at(ahead: timedelta) -> tuple[str, str]:
    """Return the words for a time so far from the machine's present."""
    return "--at", (datetime.now(UTC) + ahead).isoformat()


def test_a_fast_machine_stores_what_is_ahead_by_the_databases_clock_and_finds_it_afterwards(
    line: CommandLine, clock: Clock
) -> None:
    a_minute_ago = at(-MINUTE)
    clock.shift(-10 * MINUTE)
    stored = line.run(*SEND, *a_minute_ago)
    clock.shift(timedelta(0))

    again = line.run(*SEND, *a_minute_ago)
    other_key = line.run(*SEND[:-1], "july", *a_minute_ago)

    told = re.fullmatch(
        r"Stored as (\S+), scheduled for .* \(in [89] min\)\. .*\n    .*\n", stored.out
    )
    assert told, stored
    assert again.status == 0, again.err
    assert "submitted before" in again.out
    assert told[1] in again.out
    assert (other_key.status, "in the past" in other_key.err) == (2, True)
    assert line.rows()["bc_broadcasts"] == 1


def test_what_is_past_by_the_databases_clock_is_refused_and_the_machines_is_told_to_be_slow(
    line: CommandLine, clock: Clock
) -> None:
    clock.shift(10 * MINUTE)

    told = line.run(*SEND, *at(5 * MINUTE))

    assert (told.status, len(told.lines)) == (2, 1)
    assert "in the past by the database's clock" in told.err
    assert re.search(r"clock of this machine is 0:(10:00|09:5\d) \(h:mm:ss\) slow", told.err)
    assert line.rows() == {}


def test_what_is_stored_after_its_time_is_said_to_be_sent_at_once(
    line: CommandLine, clock: Clock
) -> None:
    clock.shift(-10 * MINUTE)

    told = on_terminal(
        line, *SEND, *at(-MINUTE), types=b"y\n", asked=lambda: clock.shift(timedelta(0))
    ).out

    assert re.search(r"\(in [89] min\)\n", told), told
    assert "scheduled for" not in told
    assert re.search(r"Stored as .*\n    .*\nThe --at time, .* passed\s+before", told), told
    assert "planning" in line.run("list", "--json").out
