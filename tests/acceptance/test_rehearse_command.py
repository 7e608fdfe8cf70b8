"""What is in the way of a campaign, by its commands: rehearsed at a word, listed, counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from models.ledger.campaigns import campaign_rows
from models.ledger.gates import restores
from tests.acceptance.test_campaign_commands import TEXT, add, system, told
from tests.acceptance.test_rehearsals import until_rehearsed

if TYPE_CHECKING:
    from tests.kit.system import System

__all__ = ["system"]
DAILY = ("--cron", "0 20 * * *")


def soon() -> str:
    return (datetime.now(UTC) + timedelta(minutes=50)).isoformat(timespec="seconds")


def test_a_run_is_rehearsed_at_a_word_and_nothing_is_sent(system: System) -> None:
    add(system)
    [alone] = told(system, "run", "weekly", "--rehearse", status=1)["findings"]
    assert "No worker has ever been at work" in alone["text"]
    restores.note_seen(system.engine)
    assert told(system, "run", "weekly", "--rehearse")["findings"] == []

    (system.folder / "list.txt").unlink()
    [finding] = told(system, "run", "weekly", "--rehearse", status=1)["findings"]

    assert "list.txt" in finding["text"]
    assert system.simulator.mass_calls() == []


def test_what_a_worker_found_stands_in_the_list_until_it_is_put_right(system: System) -> None:
    add(system, "weekly", "--at", soon())
    (system.folder / "list.txt").unlink()
    system.worker()
    system.beat()

    until_rehearsed(system, campaign_rows.named(system.engine, "weekly"))
    assert "will not go as it is meant" in system.broadcast("campaigns", "list").stdout
    assert "list.txt" in system.broadcast("campaigns", "show", "weekly").stdout


@pytest.mark.parametrize("words", [("--rehearse", "--key", "k"), ("--rehearse", "--due", "20:00")])
def test_a_rehearsal_is_of_the_next_run_alone(system: System, words: tuple[str, ...]) -> None:
    add(system)

    done = system.broadcast("campaigns", "run", "weekly", *words, status=2)

    assert "does not go with --rehearse" in done.stderr


def test_a_fifth_message_of_the_month_to_the_same_people_is_named_with_its_date(
    system: System,
) -> None:
    done = system.broadcast("campaigns", "add", "daily", "--openids", "list.txt", *TEXT, *DAILY)

    assert "is message number 5 of the month to the same people" in done.stderr
    assert "number 5 of the month" in system.broadcast("campaigns", "list").stderr
