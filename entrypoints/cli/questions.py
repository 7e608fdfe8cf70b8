"""Questions before followers are called again, and before a list of doubtful owner is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from broadcast.errors import BrokerAwayError, InputError
from broadcast.message import Message
from broadcast.rules.reports import Report
from broadcast.rules.states import SHOWN_DONE
from broadcast.views.job_words import question
from broadcast.views.words import Shortened
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Terminal
from producer import steer
from producer.submit.checks import ListOwner


def ask_of_newer(
    run: Run, report: Report, numbers: Collection[int], *, command: str, yes: bool
) -> bool:
    """Ask before batches are called whose followers a newer broadcast reached; return whether.

    Raises InputError where no terminal can be asked, and typer.Exit for a no.
    """
    found = None if yes else steer.reached(run.engine, report, numbers)
    if found is None:
        return False
    if not is_terminal():
        raise steer.refusal(report, found, command=command)
    return run.confirm(
        "newer.question",
        "newer.declined_ended" if report.state in SHOWN_DONE else "newer.declined",
        yes=yes,
        id=report.id,
        count=found.followers,
        ids=Shortened(found.ids),
    )


def ask_of_called_again(run: Run, report: Report, *, yes: bool) -> None:
    """Ask before a retry that sends twice, should a verdict be wrong: one question is enough.

    WeChat ended a job that can be such a batch, or no longer knows the batch's key. Raises
    InputError where no terminal can be asked, and typer.Exit for a no.
    """
    if yes:
        return
    against = steer.called_again_warnings(run.engine, report, waits=run.settings.waits())
    message = question(report, ended=against.ended, forgotten=against.forgotten)
    if message is None:
        return
    if not is_terminal():
        raise InputError(f"error.{message.id}", **message.facts)
    declined = f"{message.id.removesuffix('_one')}_declined"
    run.confirm(message.id, declined, yes=yes, **message.facts)


def get_ready(run: Run) -> None:
    """Connect to the broker, if it is there."""
    with suppress(BrokerAwayError):
        run.waker.connect()


def wake_lanes(run: Run, lanes: Iterable[tuple[str, str]]) -> None:
    """Wake a worker for each account, by a broadcast of it that goes on."""
    with suppress(BrokerAwayError):
        for account, broadcast_id in lanes:
            run.waker.wake_lane(account, broadcast_id)


def may_go(
    owner: ListOwner | None,
    confirmed: Collection[str],
    *,
    terminal: Terminal | None,
    repeat: str | Message,
) -> bool:
    """Return whether it may be sent; *confirmed*: the ids that were given, *repeat*: this command.

    Raises InputError, with the id, where nobody can be asked (*terminal* is None).
    """
    if owner is None or not owner.must_be_confirmed or owner.id in confirmed:
        return True
    facts = {"problem": owner.message, "account": owner.account}
    if terminal is None:
        name = "list_owner.refused" if isinstance(repeat, str) else "list_owner.refused_words"
        raise InputError(name, **facts, id=owner.id, command=repeat)
    return terminal.agrees(terminal.ask("list_owner.question", **facts))
