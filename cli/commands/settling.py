"""``resolve``: a person's word on a batch in doubt. ``retry``: what was refused, once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from broadcast.call.result import LARGEST_MSG_ID
from broadcast.call.retry import RetryVerdict
from broadcast.errors import BroadcastError, InputError
from broadcast.message import Message
from broadcast.reports import Report, RetryGroup
from cli import waking, which
from cli.commands.options import AsJSON, BroadcastID, Why, new_app
from cli.group import Command
from cli.showing import show_what_remains
from cli.terminal import one_line
from cli.wiring.person import in_one_line, who
from cli.wiring.run import Run
from models.ledger import resolves, retries
from models.ledger.reading import in_flight, reports
from models.ledger.resolves import Resolved
from models.ledger.retries import Goes, Retried
from presentation.next_steps import several, together
from presentation.words import Code, FollowerCount, Shortened, reason, suffix

app = new_app()


@app.command(cls=Command, help="help.resolve")
def resolve(
    context: typer.Context,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    batch: Annotated[str, typer.Option("--batch", metavar="N", help="help.resolve.batch")],
    sent: Annotated[
        str | None, typer.Option("--sent", metavar="MSG_ID", help="help.resolve.sent")
    ] = None,
    not_sent: Annotated[bool, typer.Option("--not-sent", help="help.resolve.not_sent")] = False,
    why: Why = None,
    as_json: AsJSON = False,
) -> None:
    """Close a batch in doubt: it was sent, as WeChat's console shows, or it was not."""
    run: Run = context.obj
    n = _number(batch, "error.resolve.batch")
    if not_sent == (sent is not None):
        raise InputError("error.resolve.which", id=broadcast_id, n=n)
    msg_id = None if sent is None else _number(sent, "error.resolve.msg_id")
    ledger, broadcast_id = run.engine, which.stored(run, broadcast_id)
    unasked = [] if msg_id is None else list(_ask_about(run, broadcast_id, n=n, msg_id=msg_id))
    done = resolves.resolve(
        ledger, broadcast_id, n, msg_id=msg_id, who=who(), why=in_one_line(why),
        rules=run.settings.rules(),
    )  # fmt: skip
    for line in (*unasked, *resolved(broadcast_id, done, msg_id)):
        run.terminal.say(line)
    show_what_remains(run, *in_flight.beside_report(ledger, broadcast_id), as_json=as_json)


def _ask_about(run: Run, broadcast_id: str, *, n: int, msg_id: int) -> Iterator[Message]:
    """Ask WeChat about a msg_id that a person gives; yield that it could not be asked.

    Raises InputError for one that WeChat does not know: it would stand for a job that is none.
    """
    report = reports.report(run.engine, broadcast_id)
    if n not in {line.n for line in report.batch_list}:
        # The ledger says so, and names those in doubt.
        return
    try:
        known = run.wechat.knows_job(run.settings.account(report.account), msg_id)
    except BroadcastError as error:
        yield Message("resolve.not_asked", msg_id=msg_id, problem=error)
        return
    if not known:
        raise InputError("error.resolve.denied", msg_id=msg_id, id=broadcast_id)


def _number(text: str, message_id: str) -> int:
    """Read a number that the ledger can hold, above 0. Raises InputError with what it is for."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 0 < number <= LARGEST_MSG_ID:
        raise InputError(message_id, text=one_line(text)[:40])
    return number


def resolved(broadcast_id: str, done: Resolved, msg_id: int | None) -> Iterator[Message]:
    """Yield what the word did, and whether calling the batch again could send it twice."""
    yield _word(broadcast_id, done, msg_id)
    if msg_id is None and done.forgotten is not None and not done.cancelled:
        yield Message("resolve.forgotten", n=done.n, age=done.forgotten)


def _word(broadcast_id: str, done: Resolved, msg_id: int | None) -> Message:
    facts: dict[str, object] = {"id": broadcast_id, "n": done.n, "size": FollowerCount(done.size)}
    if msg_id is not None:
        name = "resolve.sent" if done.changed else "resolve.sent_already"
        return Message(name, msg_id=msg_id, **facts)
    if not done.changed:
        return Message("resolve.not_sent_already", **facts)
    return Message("resolve.not_sent_cancelled" if done.cancelled else "resolve.not_sent", **facts)


@app.command(cls=Command, help="help.retry")
def retry(
    context: typer.Context,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    why: Why = None,
    as_json: AsJSON = False,
) -> None:
    """Call again what WeChat refused for a reason that may pass; never what may have been sent."""
    run: Run = context.obj
    ledger, broadcast_id = run.engine, which.stored(run, broadcast_id)
    waking.get_ready(run)
    done = retries.retry(
        ledger, broadcast_id, who=who(), why=in_one_line(why),
        waits=run.settings.rules().waits,
    )  # fmt: skip
    report, under_way = in_flight.beside_report(ledger, broadcast_id)
    waking.wake(run, report)
    for line in retried(report, done):
        run.terminal.say(line)
    show_what_remains(run, report, under_way, as_json=as_json)


def retried(report: Report, done: Retried) -> Iterator[Message]:
    """Yield what was put back, whether the broadcast goes on, and what was left and why."""
    again = done.of(RetryVerdict.AGAIN)
    if again:
        yield Message(f"retry.again{several(again)}", id=report.id, **together(again))
    else:
        yield Message("retry.nothing", id=report.id)
    if done.forgotten:
        yield Message(
            f"retry.forgotten{suffix(len(done.forgotten))}",
            numbers=Shortened(sorted(done.forgotten)), age=min(done.forgotten.values()),
            id=report.id,
        )  # fmt: skip
    yield _goes(report, done)
    never = done.of(RetryVerdict.NEVER_CALLED)
    if done.goes is Goes.ON and never:
        yield Message(f"retry.never_called{several(never)}", **together(never))
    for group in done.placed:
        if group not in [*again, *never]:
            yield _left(group, report.id)


def _goes(report: Report, done: Retried) -> Message:
    blocked = done.goes in {Goes.ON, Goes.ALREADY} and report.lane.stands_still
    goes = "on_blocked" if blocked else done.goes
    return Message(f"retry.goes.{goes}", id=report.id, account=report.account)


def _left(group: RetryGroup, broadcast_id: str) -> Message:
    return Message(
        f"retry.left.{group.verdict}{several([group])}", reason=reason(group.reason),
        code=Code(group.errcode), id=broadcast_id, **together([group]),
    )  # fmt: skip
