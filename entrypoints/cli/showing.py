"""Reports on the terminal, whole or what remains; ``--wait`` and ``watch``, which follow first."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from broadcast.errors import OutOfReachError, SettingsError
from broadcast.message import Message
from broadcast.rules.accounts import TRIAL
from broadcast.rules.gates.blockers import is_driven
from broadcast.rules.reports import InFlight, Report
from broadcast.rules.states import SHOWN_DONE
from broadcast.views import blocker_lines, next_steps, report_lines
from broadcast.views.texts import Texts
from entrypoints.cli import exits, ledger_facts, which
from entrypoints.cli.following import Lines, Progress, Until, follow
from entrypoints.cli.run import Run
from entrypoints.cli.styling import COMMAND_INDENT
from entrypoints.cli.terminal import Plain, parsed
from models.ledger.views import broadcast_reports

if TYPE_CHECKING:
    from broadcast.rules.findings import Finding


def wait(run: Run, broadcast_id: str, *, until: Until, again: str | Message | None = None) -> int:
    """Follow a broadcast to its rest, print its report, and return the exit status.

    *again* continues where a part stayed away; None: a watch. Ctrl-C leaves the broadcast running
    and says so.
    """
    terminal, engine = run.terminal, run.engine
    try:
        with _progress(run) as progress:
            followed = follow(
                engine,
                broadcast_id,
                until=until,
                progress=progress,
                redis_problem=run.redis_problem,
            )
    except KeyboardInterrupt:
        terminal.note("following.interrupted", id=broadcast_id)
        if run.as_json:
            with suppress(OutOfReachError):
                show_json(run, broadcast_reports.report(engine, broadcast_id))
        return exits.INTERRUPTED
    except OutOfReachError as error:
        status = exits.OUT_OF_REACH
        command = again or f"broadcast watch {broadcast_id}"
        return terminal.fail(
            "following.gave_up", text=error, id=broadcast_id, command=command, status=status
        )
    show(run, followed.report)
    if followed.good:
        return exits.DONE
    if followed.another_day:
        terminal.note("following.another_day", id=followed.report.id)
    return exits.FAILED


def show(run: Run, report: Report, under_way: Iterable[InFlight] = ()) -> None:
    """Print a report: in words, and with ``--json`` the object as well.

    *under_way*: its calls that no stop reaches any more. They are named where it is blocked or
    was cancelled.
    """
    engine = run.engine
    in_flight = [one for one in under_way if one.driven and not is_driven(report)]
    upload = which.uploading_message(engine, report)
    steps = [
        *([upload] if upload else []),
        *next_steps.in_flight(in_flight, report.now),
        *ledger_facts.steps(run, report),
    ]
    repeats = broadcast_reports.repeats(engine, report.id)
    skipped = ledger_facts.skipped(engine, report)
    run.say_all(
        report_lines.report_lines(
            report, repeats, skipped, absent=absent_of(run, report), next_steps=steps
        )
    )
    show_json(run, report)


def show_what_remains(run: Run, report: Report, under_way: Iterable[InFlight]) -> None:
    """Show the sets, the calls under way that cannot be stopped, and the next steps.

    With ``--json`` the object follows.
    """
    say_what_remains(run, report, under_way)
    show_json(run, report)


def say_what_remains(run: Run, report: Report, under_way: Iterable[InFlight]) -> None:
    """Show in words what :func:`show_what_remains` shows."""
    # What a worker left behind is among the blockers.
    in_flight = [one for one in under_way if one.driven]
    lines = (
        report_lines.headline(report),
        *report_lines.maybe_sent(report),
        *next_steps.in_flight(in_flight, report.now),
        *blocker_lines.blocker_lines(report),
        *ledger_facts.steps(run, report),
    )
    run.say_all(lines)


def show_json(run: Run, report: Report) -> None:
    """Print the object of ``--json``, where that was given."""
    if run.as_json:
        from broadcast.views import json_objects

        run.show_json(json_objects.as_json(report))


def until_of(word: str) -> Until:
    """Read ``--until``. Raises InputError."""
    return parsed(Until, word, "error.usage.until")


@contextmanager
def _progress(run: Run) -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield Lines(run.terminal)
        return
    from entrypoints.cli.progress import Bar

    with Bar(run.terminal) as bar:
        yield bar


def absent_of(run: Run, report: Report) -> Message | None:
    """Return that the settings lack the broadcast's account, if anything is left to do for it."""
    if report.state in SHOWN_DONE and not report.results_due:
        return None
    try:
        known = run.settings.accounts()
    except SettingsError as error:
        # The report itself needs no account, so it is shown all the same.
        return Message("absent.unreadable", account=report.account, problem=error)
    return None if report.account in known else absent(run, report.account)


def absent(run: Run, account: str) -> Message:
    """Return the message that *account* is missing, from where, and the fix."""
    if account == TRIAL:
        return Message("absent.simulator", account=account)
    path = run.settings.accounts_file
    where = "WECHAT_APPID" if path is None else f"BROADCAST_ACCOUNTS_FILE={path}"
    return Message("absent.account", account=account, where=where)


def show_finding(run: Run, finding: Finding) -> None:
    """Say a finding: what, why it matters, the fix."""
    from broadcast.rules.readiness import Level
    from entrypoints.cli.readiness_checks import level_marks

    terminal, texts = run.terminal, run.texts
    level = Level.FAILED if finding.is_error else Level.WARNING
    mark = level_marks()[level]
    what, fix = texts_of(finding, texts)
    terminal.say(Message(f"doctor.{level}", mark=mark, what=Plain(what)))
    terminal.say_below(finding.why)
    if fix is not None:
        terminal.say_below(Plain(fix))
    if finding.command is not None:
        label = "doctor.stopgap" if finding.is_stopgap else "doctor.command"
        terminal.say_below(Plain(texts(label, command=finding.command)))


def texts_of(finding: Finding, texts: Texts) -> tuple[str, str | None]:
    """Return what is wrong and the fix, without the command that the finding has apart."""
    end = "\0" if finding.command is None else f"\n{COMMAND_INDENT}"
    fix = None if finding.fix is None else texts(finding.fix).split(end)[0]
    return texts(finding.what).split(end)[0], fix
