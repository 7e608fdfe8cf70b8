"""``doctor``: what is wrong with this installation, and the command that repairs it."""

from __future__ import annotations

import sys
from typing import Any

import typer

from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.findings import Finding
from broadcast.rules.readiness import Level
from broadcast.views.texts import Texts
from entrypoints.cli import exits, streaming
from entrypoints.cli.commands.options import AsJSON, new_app
from entrypoints.cli.run import Run
from entrypoints.cli.styling import COMMAND_INDENT
from entrypoints.cli.terminal import Plain

app = new_app()


@app.command(help="help.doctor")
def doctor(run: Run, *, as_json: AsJSON = False) -> None:
    """Look at every part, and say what is wrong with its fix; change nothing."""
    from entrypoints.cli.probes import examination  # noqa: PLC0415 - not for the help

    found, left_out, died = examination.examine()
    for finding in found:
        say(run, finding)
    for part, error in died.items():
        problem = streaming.unexpected_message(error)
        run.terminal.say("doctor.died", part=Message(f"doctor.part.{part}"), problem=problem)
        if trace := streaming.trace(error):
            run.terminal.note(Plain(trace))
    if left_out:
        run.terminal.say("doctor.left_out", parts=[Message(f"doctor.part.{p}") for p in left_out])
    if not found and not died:
        run.terminal.say("doctor.nothing")
    if as_json:
        each = [_object(one, run.terminal.texts) for one in found]
        run.terminal.show_done({"findings": each, "not_looked_at": [*left_out, *died]})
    failed = died or any(one.is_error for one in found)
    raise typer.Exit(exits.FAILED if failed else exits.DONE)


def say(run: Run, finding: Finding) -> None:
    """Say a finding: what, why it matters, the fix."""
    from entrypoints.cli.readiness_checks import marks_for  # noqa: PLC0415 - as above

    terminal, texts = run.terminal, run.terminal.texts
    level = Level.FAILED if finding.is_error else Level.WARNING
    mark = marks_for(getattr(sys.stdout, "encoding", None) or "utf-8")[level]
    what, fix = _texts(finding, texts)
    terminal.say(Message(f"doctor.{level}", mark=mark, what=Plain(what)))
    terminal.say_below(finding.why)
    if fix is not None:
        terminal.say_below(Plain(fix))
    if finding.command is not None:
        label = "doctor.stopgap" if finding.is_stopgap else "doctor.command"
        terminal.say_below(Plain(texts(label, command=finding.command)))


def _texts(finding: Finding, texts: Texts) -> tuple[str, str | None]:
    """Return what is wrong and the fix, without the command that the finding has apart."""
    end = "\0" if finding.command is None else f"\n{COMMAND_INDENT}"
    fix = None if finding.fix is None else texts(finding.fix).split(end)[0]
    return texts(finding.what).split(end)[0], fix


def _object(finding: Finding, texts: Texts) -> dict[str, Any]:
    what, fix = _texts(finding, texts)
    return {
        "id": finding.fault, "severity": "error" if finding.is_error else "warning",
        "account": finding.account, "what": one_line(what), "why": texts(finding.why),
        "fix": fix and one_line(fix), "command": finding.command,
        "repairable": finding.is_repairable,
    }  # fmt: skip
