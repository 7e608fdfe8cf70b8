"""``audit``: the delivery promise, asked of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from broadcast import day
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import BatchState, BroadcastState
from broadcast.views.texts import Texts
from entrypoints.cli import candidates, exits, which
from entrypoints.cli.commands.options import new_app
from entrypoints.cli.run import Run
from models.ledger.audit import audit_run
from models.ledger.audit.audit_run import Audit
from models.ledger.audit.case import Check, Finding

app = new_app()

#: Rows of one check that are shown; ``--json`` has more.
MOST_SHOWN = 20


@app.command(name="audit", help="help.audit")
def ask(
    run: Run,
    *,
    broadcast_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="help.id_or_all",
            show_default=False,
            autocompletion=candidates.broadcasts,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="help.audit_all")] = False,
) -> int:
    """Audit one broadcast or all; exit 1 when something is wrong."""
    if everything and broadcast_id is not None:
        raise InputError("error.usage.id_and_all")
    waits = run.settings.waits()
    if broadcast_id is None:
        done = audit_run.audit_all(run.engine, waits=waits)
    else:
        broadcast_id = which.stored(run, broadcast_id)
        done = audit_run.audit(run.engine, broadcast_id, waits=waits)
    run.terminal.say_each(lines(done))
    if run.as_json:
        run.show_json(as_object(done, broadcast_id, run.texts))
    return exits.FAILED if done.counts else exits.DONE


def lines(done: Audit) -> Iterator[Message]:
    """Yield one line a check, and below each that fails its rows and what they mean."""
    if not done.broadcasts:
        yield Message("audit.empty")
        if not done.counts:
            return
    yield Message(
        "audit.read",
        broadcasts=_counted("broadcasts", done.broadcasts),
        openids=_counted("openids", done.openids),
        batches=_counted("batches", done.batches),
        calls=_counted("calls", done.calls),
    )
    if done.erased:
        yield Message("audit.erased", n=done.erased)
    if done.pruned:
        yield Message("audit.pruned", n=done.pruned)
    for check in Check:
        count = done.counts[check]
        if not count:
            yield Message("audit.good", check=Message(f"audit.check.{check}"))
            continue
        yield Message("audit.bad", check=Message(f"audit.check.{check}"), count=count)
        rows = [finding for finding in done.findings if finding.found.check is check]
        yield from map(_row, rows[:MOST_SHOWN])
        if count > MOST_SHOWN:
            yield Message("audit.more", count=count - MOST_SHOWN)
        yield Message("audit.means", means=Message(f"audit.means.{check}"))
    yield _verdict(done)


def _verdict(done: Audit) -> Message:
    failed = sum(1 for check in Check if done.counts[check])
    if failed:
        return Message("audit.verdict_bad", failed=failed, checks=len(Check))
    return Message("audit.verdict_good", checks=len(Check))


def _counted(what: str, n: int) -> Message:
    return Message(f"audit.count.{what}", n=n)


def _row(finding: Finding) -> Message:
    facts = {
        "id": finding.broadcast_id or "-",
        "account": finding.account,
        "found": describe(finding),
    }
    if finding.n is None:
        return Message("audit.row", **facts)
    return Message("audit.row_batch", n=finding.n, **facts)


def describe(finding: Finding) -> Message:
    """Return a finding in words."""
    facts = {name: _fact_of(finding, name, fact) for name, fact in finding.facts.items()}
    return Message(f"audit.found.{finding.found}", **facts)


def _fact_of(finding: Finding, name: str, fact: str | int | datetime) -> object:
    if isinstance(fact, datetime):
        # To the millisecond: these moments are compared.
        return f"{fact.astimezone(day.SHANGHAI):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    if name in {"state", "old", "new"}:
        return _state(finding, str(fact))
    if name == "outcomes" and fact != "-":
        return [Outcome(one) for one in str(fact).split(", ")]
    return one_line(fact) if isinstance(fact, str) else fact


def _state(finding: Finding, written: str) -> BroadcastState | BatchState | str:
    if finding.n is None:
        return BroadcastState(written) if written in _OF_ALL else written
    return BatchState(written) if written in _OF_BATCHES else written


_OF_ALL = frozenset(state.value for state in BroadcastState)
_OF_BATCHES = frozenset(state.value for state in BatchState)


def as_object(done: Audit, broadcast_id: str | None, texts: Texts) -> dict[str, Any]:
    """Return the object of ``--json``: every check with its count, and the rows that were kept."""
    return {
        "id": broadcast_id,
        **done.figures(),
        "findings": [
            one.as_object(found=texts(describe(one)), means=texts(f"audit.means.{one.found.check}"))
            for one in done.findings
        ],
        "error": None,
    }
