"""``resolve``: was a batch in doubt sent? ``retry``: what was refused, once more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

import typer

from broadcast.errors import BroadcastError, InputError
from broadcast.message import Message
from broadcast.rules.calls.attempts import LARGEST_MSG_ID
from broadcast.rules.calls.operator_verdict import NotSent, OperatorVerdict, Sent
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.finish_events import FinishEvent
from broadcast.rules.jobs import counts_another
from broadcast.rules.reports import Did, Report, RetryGroup, total
from broadcast.rules.states import BatchState
from broadcast.views import delivered
from broadcast.views.job_words import job_status, of_job
from broadcast.views.next_steps import of_groups
from broadcast.views.words import Moment, code_of, follower_count, numbered, reason, speaker
from entrypoints.cli import questions, which
from entrypoints.cli.commands.options import ControlledID, Why, YesToNewer, counted, new_app
from entrypoints.cli.group import ALONE
from entrypoints.cli.run import Run, who
from entrypoints.cli.showing import show_what_remains
from models.ledger.lane import call_history
from models.ledger.outcomes import job_lookup, resolves
from models.ledger.outcomes.resolves import Resolved
from models.ledger.steer import retries
from models.ledger.steer.retries import Goes, Retried
from models.ledger.views import broadcast_reports, in_flight
from producer import steer
from producer.steer import by_retry

app = new_app()


@app.command(help="help.resolve")
def resolve(
    run: Run,
    *,
    broadcast_id: ControlledID = which.OPEN,
    batch: Annotated[str, typer.Option("--batch", metavar="N", help="help.resolve.batch")],
    sent: Annotated[
        str | None, typer.Option("--sent", metavar="[MSG_ID]", help="help.resolve.sent")
    ] = None,
    not_sent: Annotated[bool, typer.Option("--not-sent", help="help.resolve.not_sent")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="help.resolve.yes")] = False,
    why: Why = None,
) -> None:
    """Close a batch in doubt: it was sent, as WeChat's console shows, or it was not."""
    n = counted(batch, "error.resolve.batch", most=LARGEST_MSG_ID)
    if not_sent == (sent is not None):
        # `broadcast status` of what is open may show several.
        meant = which.LAST if broadcast_id == which.OPEN else broadcast_id
        raise InputError("error.resolve.which", id=meant, n=n)
    verdict = NotSent() if sent is None else _sent(sent)
    ledger, broadcast_id = run.engine, which.controlled(run, broadcast_id, fits=_is_in_doubt)
    verdict, answer = _ask_about(run, broadcast_id, n=n, verdict=verdict)
    before = broadcast_reports.report(ledger, broadcast_id)
    against = _against(run, before, n, verdict=verdict, yes=yes)
    done = resolves.resolve(
        ledger,
        broadcast_id,
        n,
        verdict=verdict,
        who=who(),
        why=why,
        tuning=run.settings.tuning(),
    )
    replaced = _replaced(before, n) if done.changed else ()
    # A second verdict on the batch comes too soon as well.
    last = call_history.last_call(ledger, broadcast_id, n)
    soon = _too_soon(before, done, last) if last else ()
    run.terminal.say_each(
        [*answer, *replaced, *resolved(broadcast_id, done, contradicted=against), *soon]
    )
    show_what_remains(run, *in_flight.beside_report(ledger, broadcast_id))


def _sent(msg_id: str) -> Sent:
    if msg_id == ALONE:
        return Sent()
    return Sent(counted(msg_id, "error.resolve.msg_id", most=LARGEST_MSG_ID))


def _replaced(report: Report, n: int) -> Iterator[Message]:
    """Yield the earlier verdict on the batch: whoever gave it may not know that it changed."""
    actions = report.operator_actions.actions if report.operator_actions else ()
    verdicts = [one for one in actions if one.did is Did.RESOLVE and one.batch == n]
    if verdicts:
        last = verdicts[-1]
        yield Message(
            "resolve.replaces_sent" if last.sent else "resolve.replaces_not_sent",
            n=n,
            who=speaker(last.who, last.why),
            at=Moment(last.at, report.now),
        )


def _too_soon(report: Report, done: Resolved, last: datetime) -> Iterator[Message]:
    """Yield that WeChat may not show the call yet, of which an operator says: not sent."""
    age = report.now - last
    if done.state is BatchState.REFUSED and age < _SHOWN_AFTER:
        again = Moment(last + _SHOWN_AFTER, report.now)
        yield Message("resolve.too_soon", n=done.n, age=age, at=again)


#: WeChat's pages may show a mass send this long after its call.
_SHOWN_AFTER = timedelta(minutes=10)


def _is_in_doubt(report: Report) -> bool:
    return report.batches["in_doubt"] > 0


def _ask_about(
    run: Run, broadcast_id: str, *, n: int, verdict: OperatorVerdict
) -> tuple[OperatorVerdict, Sequence[Message]]:
    """Ask WeChat about a msg_id that an operator gives; return the verdict, and what it said.

    Raises InputError for one that WeChat does not know: it would stand for a job that is none.
    """
    if isinstance(verdict, NotSent) or verdict.msg_id is None:
        return verdict, ()
    report, msg_id = broadcast_reports.report(run.engine, broadcast_id), verdict.msg_id
    if n not in {line.n for line in report.batch_list}:
        # The ledger says so, and names those in doubt.
        return verdict, ()
    event = job_lookup.of_job(run.engine, report.account, msg_id)
    pushed: list[Message] = []
    if event is not None:
        pushed = [
            Message("resolve.ended", msg_id=msg_id, status=delivered.status(event)),
            *_of_another_size(event, report, n),
        ]
    # A push names no list, and may be of another account: WeChat is asked all the same.
    try:
        status = run.wechat.status_of_job(run.account(report.account), msg_id)
    except BroadcastError as error:
        return verdict, pushed or [Message("resolve.not_asked", msg_id=msg_id, problem=error)]
    if status is None:
        raise InputError("error.resolve.denied", msg_id=msg_id, id=broadcast_id)
    known = replace(verdict, msg_status=status)
    return known, [Message("resolve.asked", msg_id=msg_id, status=job_status(status)), *pushed]


def _of_another_size(event: FinishEvent, report: Report, n: int) -> Iterator[Message]:
    """Yield that WeChat counted another list for a job than the batch has: a hint, no proof."""
    [size] = [line.size for line in report.batch_list if line.n == n]
    if counts_another(event, size):
        yield Message(
            "resolve.other_size",
            msg_id=event.msg_id,
            n=n,
            size=follower_count(size),
            total=follower_count(event.counts.total),
        )


def _against(run: Run, report: Report, n: int, *, verdict: OperatorVerdict, yes: bool) -> bool:
    """Return whether WeChat ended a job that can be a batch of which a person says: not sent.

    On a terminal it is asked about first. Raises typer.Exit for a no.
    """
    if not isinstance(verdict, NotSent):
        return False
    ended = job_lookup.jobs_of_batch(run.engine, report.account, report.id, n=n)
    if ended:
        facts = of_job(report, ended[0], n)
        run.confirm("resolve.unclaimed", "retry.unclaimed_declined", yes=yes, **facts)
    return bool(ended)


def resolved(broadcast_id: str, done: Resolved, *, contradicted: bool = False) -> Iterator[Message]:
    """Yield the effect of the verdict, its correction, and whether a retry could send it twice.

    *contradicted*: a job of WeChat's speaks against it, of which the lines that follow tell first.
    """
    facts: dict[str, object] = {"id": broadcast_id, "n": done.n, "size": follower_count(done.size)}
    if contradicted and done.state is BatchState.REFUSED and not done.cancelled:
        yield Message("resolve.not_sent_contradicted", **facts)
        return
    yield _closed(done, facts)
    if done.state is BatchState.ACCEPTED:
        if done.deniable and not done.reviewed:
            yield Message("resolve.correct_sent", **facts)
        return
    if done.forgotten is not None and not done.cancelled:
        yield Message("resolve.forgotten", n=done.n, age=done.forgotten)
    yield Message(
        "resolve.correct_cancelled" if done.cancelled else "resolve.correct_not_sent", **facts
    )


def _closed(done: Resolved, facts: dict[str, object]) -> Message:
    if done.state is BatchState.ACCEPTED:
        if done.msg_id is None:
            name = "resolve.sent_unnamed" if done.changed else "resolve.sent_unnamed_already"
            return Message(name, **facts)
        if done.reviewed:
            return Message("resolve.sent_reviewed", msg_id=done.msg_id, **facts)
        name = "resolve.sent" if done.changed else "resolve.sent_already"
        return Message(name, msg_id=done.msg_id, **facts)
    if not done.changed:
        return Message("resolve.not_sent_already", **facts)
    return Message("resolve.not_sent_cancelled" if done.cancelled else "resolve.not_sent", **facts)


@app.command(help="help.retry")
def retry(
    run: Run,
    *,
    broadcast_id: ControlledID = which.OPEN,
    yes: YesToNewer = False,
    why: Why = None,
) -> None:
    """Call again what WeChat refused for a reason that may pass; never what may have been sent."""
    ledger = run.engine
    broadcast_id = which.controlled(run, broadcast_id, fits=_has_refused, ended=True)
    before = broadcast_reports.report(ledger, broadcast_id)
    _apply_follower_events(run, before.account)
    questions.ask_of_called_again(run, before, yes=yes)
    questions.ask_of_newer(run, before, by_retry(ledger, before), command="retry", yes=yes)
    questions.get_ready(run)
    done = retries.retry(
        ledger,
        broadcast_id,
        who=who(),
        why=why,
        waits=run.settings.waits(),
    )
    report, under_way = in_flight.beside_report(ledger, broadcast_id)
    steer.wake(run.waker, report)
    run.terminal.say_each(retried(report, done))
    show_what_remains(run, report, under_way)


def _has_refused(report: Report) -> bool:
    return report.batches["refused"] > 0


def _apply_follower_events(run: Run, account: str) -> None:
    """Apply pending opt-outs, so that no such follower is called again."""
    from producer import pushes

    pushes.apply_pending_follower_events(run.engine, account, tuning=run.settings.tuning())


def retried(report: Report, done: Retried) -> Iterator[Message]:
    """Yield the batches put back, whether the broadcast goes on, and those left, with reasons."""
    again = done.groups_of(RetryVerdict.AGAIN)
    if again:
        yield of_groups("retry.again", again, id=report.id)
    else:
        yield Message("retry.nothing", id=report.id)
    if done.forgotten:
        age = min(done.forgotten.values())
        yield numbered("retry.forgotten", sorted(done.forgotten), age=age, id=report.id)
    yield _goes(report, done)
    never = done.groups_of(RetryVerdict.NEVER_CALLED)
    if done.goes is Goes.ON and never:
        yield of_groups("retry.never_called", never)
    for group in done.placed:
        if group.verdict is RetryVerdict.REVIEWED:
            yield from _reviewed(report, group)
        elif group not in [*again, *never]:
            yield _left(group, report, done)


def _goes(report: Report, done: Retried) -> Message:
    blocked = done.goes in {Goes.ON, Goes.ALREADY} and report.lane.is_off_for(report.path)
    goes = "on_blocked" if blocked else done.goes
    return Message(
        f"retry.goes.{goes}", id=report.id, command=report.lane.opened_by(report.account)
    )


def _reviewed(report: Report, group: RetryGroup) -> Iterator[Message]:
    """Yield the batches that the review refused, by their fix."""
    sizes = {line.n: line.size for line in report.batch_list}
    for kind, numbers in delivered.by_fix(report, group.numbers).items():
        yield numbered(
            "retry.left.reviewed",
            numbers,
            followers=follower_count(total(sizes[n] for n in numbers)),
            reason=reason(group.reason),
            fix=Message(f"finish.fix.{kind}"),
            id=report.id,
        )


def _left(group: RetryGroup, report: Report, done: Retried) -> Message:
    people = sum(done.suppressed.get(n, 0) for n in group.numbers)
    return of_groups(
        f"retry.left.{group.verdict}",
        [group],
        reason=reason(group.reason),
        code=code_of(group.errcode),
        id=report.id,
        account=report.account,
        suppressed=people,
    )
