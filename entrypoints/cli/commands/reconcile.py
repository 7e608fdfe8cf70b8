"""``reconcile``: the ledger against what WeChat answers and pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from broadcast import day as days
from broadcast.errors import BroadcastError, InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.calls.waits import VERIFY_FOR
from broadcast.rules.jobs import Comparison, Period, Reconciled, compare
from broadcast.views import job_words
from broadcast.views.objects import members
from entrypoints.cli import candidates, exits
from entrypoints.cli.commands.options import new_app
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import short
from models.ledger.outcomes import recorded_ends
from models.ledger.rows.transaction import present
from models.ledger.views import at_wechat

app = new_app()

#: Batches of an account that one run asks mass/get about; its calls of a day are limited too.
MOST_ASKED = 200
#: As long as results are asked for, and the day of the send.
DAYS = 3


@frozen
class _Answers:
    """Answers of mass/get: batches without a job there, and how many were not asked about."""

    denied: frozenset[int]
    unasked: int
    problem: BroadcastError | None


@app.command(help="help.reconcile")
def reconcile(
    run: Run,
    *,
    day: Annotated[
        str | None, typer.Option("--day", metavar="DAY", help="help.reconcile.day")
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            "--account",
            metavar="NAME",
            help="help.reconcile.account",
            autocompletion=candidates.accounts,
        ),
    ] = None,
) -> int:
    """Compare and name each difference; exit 1 when there is one."""
    settings = run.settings
    accounts = [settings.account(account)] if account else list(settings.accounts().values())
    now = present(run.engine)
    within = _stretch(day, now)
    done = [_compare(run, one, within, now=now) for one in accounts or [settings.account(None)]]
    problems = [answers.problem for _, answers in done if answers.problem is not None]
    for compared, answers in done:
        _say(run, compared, answers, within=within, now=now)
    count = sum(compared.differences for compared, _ in done)
    run.say(job_words.verdict(count))
    if run.as_json:
        texts = run.texts
        run.show_json(
            {
                **members(within, "since", "until"),
                "ok": not count,
                "accounts": [
                    job_words.reconcile_json(compared, texts, now) for compared, _ in done
                ],
                "error": run.terminal.in_words(problems[0]) if problems else None,
            }
        )
    if count:
        return exits.FAILED
    return exits.OUT_OF_REACH if problems else exits.DONE


def _stretch(text: str | None, now: datetime) -> Period:
    """Return the days that are meant, of which none is yet to come. Raises InputError."""
    today = now.astimezone(days.SHANGHAI).date()
    if text is None:
        return _days(today - timedelta(days=DAYS - 1), today)
    try:
        meant = days.written_day(text, today, back=True)
    except ValueError:
        meant = None
    if meant is None or meant > today:
        raise InputError("error.reconcile.day", text=short(text))
    return _days(meant, meant)


def _days(first: date, last: date) -> Period:
    since, until = (
        datetime(one.year, one.month, one.day, tzinfo=days.SHANGHAI).astimezone(UTC)
        for one in (first, last)
    )
    return Period(since, days.turn(until))


def _compare(
    run: Run, account: Account, within: Period, *, now: datetime
) -> tuple[Comparison, _Answers]:
    batches, jobs, set_aside = at_wechat.read_reconciling(run.engine, account.name, within)
    answers = _ask(run, account, batches, now=now)
    if any(batch.is_to_be_asked for batch in batches):
        # What was answered has moved them.
        batches, jobs, set_aside = at_wechat.read_reconciling(run.engine, account.name, within)
    known = [replace(batch, denied=batch.id in answers.denied) for batch in batches]
    return compare(account.name, known, jobs, set_aside=set_aside), answers


def _ask(run: Run, account: Account, batches: Sequence[Reconciled], *, now: datetime) -> _Answers:
    """Ask mass/get about the accepted batches without an end; store what ended meanwhile."""
    open_ = [batch for batch in batches if batch.is_to_be_asked]
    denied: set[int] = set()
    waits = run.settings.waits()
    # mass/get may not know a job yet that has just been accepted.
    fresh = now - waits.scaled(VERIFY_FOR)
    for place, batch in enumerate(open_[:MOST_ASKED]):
        try:
            status = run.wechat.status_of_job(account, batch.msg_id or 0)
        except BroadcastError as error:
            left = len(open_) - place
            return _Answers(denied=frozenset(denied), unasked=left, problem=error)
        if status is None and batch.first_called_at < fresh:
            denied.add(batch.id)
        elif status in recorded_ends.ENDED or status == recorded_ends.FAILED:
            recorded_ends.record_status(run.engine, batch, status, waits=waits)
    unasked = max(0, len(open_) - MOST_ASKED)
    return _Answers(denied=frozenset(denied), unasked=unasked, problem=None)


def _say(
    run: Run, compared: Comparison, answers: _Answers, *, within: Period, now: datetime
) -> None:
    first, last = within.since, within.until - timedelta(seconds=1)
    run.say(
        "reconcile.head",
        account=compared.account,
        batches=compared.batches,
        jobs=compared.jobs,
        days=job_words.days(_local(first), _local(last)),
    )
    run.terminal.say_each(job_words.reconcile_lines(compared, now))
    if answers.problem is not None:
        run.warn(
            "reconcile.away", account=compared.account, n=answers.unasked, problem=answers.problem
        )
    elif answers.unasked:
        run.say("reconcile.unasked", n=answers.unasked, most=MOST_ASKED)


def _local(moment: datetime) -> Message:
    local = moment.astimezone(days.SHANGHAI)
    weekday = Message(f"weekday.{local.isoweekday()}")
    return Message("reconcile.day", weekday=weekday, date=f"{local:%Y-%m-%d}")
