"""``doctor``: what is wrong with this installation, and the command that repairs it."""

from __future__ import annotations

from typing import Any

from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.findings import Finding
from broadcast.views.texts import Texts
from entrypoints.cli import exits, showing, streaming
from entrypoints.cli.commands.options import new_app
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Plain

app = new_app()


@app.command(help="help.doctor")
def doctor(run: Run) -> int:
    """Look at every part, and say what is wrong with its fix; change nothing."""
    from entrypoints.cli.probes import examination

    found, left_out, died = examination.examine()
    for finding in found:
        showing.show_finding(run, finding)
    for part, error in died.items():
        problem = streaming.unexpected_message(error)
        run.say("doctor.died", part=Message(f"doctor.part.{part}"), problem=problem)
        if trace := streaming.trace(error):
            run.note(Plain(trace))
    if left_out:
        run.say("doctor.left_out", parts=[Message(f"doctor.part.{p}") for p in left_out])
    if not found and not died:
        run.say("doctor.nothing")
    each = [_object(one, run.texts) for one in found]
    run.show_done({"findings": each, "not_looked_at": [*left_out, *died]})
    failed = died or any(one.is_error for one in found)
    return exits.FAILED if failed else exits.DONE


def _object(finding: Finding, texts: Texts) -> dict[str, Any]:
    what, fix = showing.texts_of(finding, texts)
    return {
        "id": finding.fault,
        "severity": "error" if finding.is_error else "warning",
        "account": finding.account,
        "what": one_line(what),
        "why": texts(finding.why),
        "fix": fix and one_line(fix),
        "command": finding.command,
        "repairable": finding.is_repairable,
    }
