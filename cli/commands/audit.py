"""``broadcast audit [ID|--all]``: the delivery promise, asked of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from broadcast import day
from broadcast.call.outcomes import Outcome
from broadcast.call.waits import Waits
from broadcast.errors import InputError
from broadcast.report_json import utc
from broadcast.states import BatchState, BroadcastState
from broadcast.text import t
from cli import exits, output, words
from cli.commands.options import AsJSON, new_app
from cli.group import Command
from cli.wiring.database import engine, settings
from models.ledger import audit
from models.ledger.audit import Audit, Check, Finding

app = new_app()

#: Rows of one check that are shown; ``--json`` has more.
MOST_SHOWN = 20


@app.command(cls=Command, name="audit", help=t("help.audit"))
def ask(
    *,
    broadcast_id: Annotated[
        str | None, typer.Argument(metavar="ID", help=t("help.id_or_all"), show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help=t("help.audit_all"))] = False,
    as_json: AsJSON = False,
) -> None:
    """Audit one broadcast or all; exit 1 when something is wrong."""
    if everything and broadcast_id is not None:
        raise InputError("error.usage.id_and_all")
    waits = Waits(settings().wait_scale)
    if broadcast_id is None:
        done = audit.audit_all(engine(), waits=waits)
    else:
        done = audit.audit(engine(), broadcast_id, waits=waits)
    for line in lines(done):
        output.say(line)
    if as_json:
        output.show_json(as_object(done, broadcast_id))
    if done.counts:
        raise typer.Exit(exits.FAILED)


def lines(done: Audit) -> Iterator[str]:
    """Yield one line a check, and below each that fails its rows and what they mean."""
    if not done.broadcasts:
        yield t("audit.empty")
        if not done.counts:
            return
    yield t(
        "audit.read", broadcasts=_counted("broadcasts", done.broadcasts),
        openids=_counted("openids", done.openids), batches=_counted("batches", done.batches),
        calls=_counted("calls", done.calls),
    )  # fmt: skip
    for check in Check:
        count = done.counts[check]
        if not count:
            yield t("audit.good", check=t(f"audit.check.{check}"))
            continue
        yield t("audit.bad", check=t(f"audit.check.{check}"), count=count)
        rows = [finding for finding in done.findings if finding.found.check is check]
        yield from map(_row, rows[:MOST_SHOWN])
        if count > MOST_SHOWN:
            yield t("audit.more", count=count - MOST_SHOWN)
        yield t("audit.means", means=t(f"audit.means.{check}"))


def _counted(what: str, n: int) -> str:
    return t(f"audit.count.{what}{words.suffix(n)}", n=f"{n:,}")


def _row(finding: Finding) -> str:
    facts = {"id": finding.broadcast_id, "account": finding.account, "found": said(finding)}
    if finding.n is None:
        return t("audit.row", **facts)
    return t("audit.row_batch", n=finding.n, **facts)


def said(finding: Finding) -> str:
    """Return what was found, in words."""
    facts = {name: _told(finding, name, fact) for name, fact in finding.facts.items()}
    return output.one_line(t(f"audit.found.{finding.found}", **facts))


def _told(finding: Finding, name: str, fact: str | int | datetime) -> str:
    if isinstance(fact, datetime):
        # To the millisecond: these moments are compared.
        return f"{fact.astimezone(day.SHANGHAI):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    if name in {"state", "old", "new"}:
        return _state(finding, str(fact))
    if name == "outcomes" and fact != "-":
        return ", ".join(words.outcome(Outcome(one)) for one in str(fact).split(", "))
    return str(fact)


def _state(finding: Finding, written: str) -> str:
    if finding.n is None:
        return words.broadcast_state(BroadcastState(written)) if written in _OF_ALL else written
    return words.batch_state(BatchState(written)) if written in _OF_BATCHES else written


_OF_ALL = frozenset(state.value for state in BroadcastState)
_OF_BATCHES = frozenset(state.value for state in BatchState)


def as_object(done: Audit, broadcast_id: str | None) -> dict[str, Any]:
    """Return the object of ``--json``: every check with its count, and the rows that were kept."""
    return {
        "id": broadcast_id,
        "ok": not done.counts,
        "audited": {
            "broadcasts": done.broadcasts, "openids": done.openids, "batches": done.batches,
            "calls": done.calls,
        },
        "checks": {check.value: done.counts[check] for check in Check},
        "findings": [_finding(finding) for finding in done.findings],
        "error": None,
    }  # fmt: skip


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.found.check.value,
        "code": finding.found.value,
        "account": finding.account,
        "broadcast": finding.broadcast_id,
        "batch": finding.n,
        "found": said(finding),
        "means": t(f"audit.means.{finding.found.check}"),
        "facts": {name: _fact(fact) for name, fact in finding.facts.items()},
    }


def _fact(fact: str | int | datetime) -> str | int:
    # To the microsecond: what an audit tells apart may be that near.
    return utc(fact, timespec="microseconds") if isinstance(fact, datetime) else fact
