"""``status``, ``watch`` and ``list``: the state of broadcasts."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import Engine

from broadcast import day
from broadcast.errors import BrokerAwayError
from broadcast.rules.accounts import unknown
from broadcast.rules.gates.lateness import is_leased
from broadcast.rules.reports import Report
from broadcast.rules.states import BroadcastState, Phase
from broadcast.views import content, report_lines, words
from broadcast.views.texts import Texts
from entrypoints.cli import candidates, ledger_facts, showing, styling, which
from entrypoints.cli.commands.options import AccountName, BroadcastID, UntilWord, new_app
from entrypoints.cli.following import Until
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Plain
from models.ledger.boxes import dead_letters, outbox, webhooks
from models.ledger.rows import locked_rows
from models.ledger.views import broadcast_reports, given_up, in_flight

if TYPE_CHECKING:
    from rich.table import Table

app = new_app()

#: Open broadcasts that `status` shows.
MOST_OPEN = 20
#: Pipes are as wide as it takes.
WIDTH_OF_A_PIPE = 200
#: From here on there is room for the year and the weekday of a moment.
WIDE = 100
#: Between two columns of the table.
GAP = 2
#: Columns that may fold where there is no room at all, and what is kept of the content's.
FOLDED = {"account", "state"}
LEAST_ROOM = 8


@app.command(help="help.status")
def status(
    run: Run,
    *,
    broadcast_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="help.id_or_newest",
            show_default=False,
            autocompletion=candidates.broadcasts,
        ),
    ] = None,
) -> None:
    """Show the state of a broadcast; without an id all open ones, else the newest."""
    if broadcast_id is not None:
        _show(run, which.one(run, broadcast_id))
        return
    # One more than is shown, so that it is known whether there are more.
    found = locked_rows.of_open(run.engine, most=MOST_OPEN + 1)
    shown = _accounts_shown(run, found[:MOST_OPEN])
    run.terminal.say_each(ledger_facts.lanes(run.engine).stops_beside(shown))
    _note_what_programs_wait_for(run)
    # A program is promised the object of a broadcast.
    newest = which.one(run, which.LAST) if run.as_json else locked_rows.newest(run.engine)
    if newest is None:
        run.say("list.none")
    elif run.as_json or not found or list(found) == [newest]:
        _show(run, newest)
    else:
        _say_in_short(run, dict.fromkeys([*found[:MOST_OPEN], newest]))
        if len(found) > MOST_OPEN:
            run.say("status.more_open", n=MOST_OPEN)


def _note_what_programs_wait_for(run: Run) -> None:
    if dead_letters.count(run.engine):
        _note_dead_letters(run)
    if left := outbox.waiting_long(run.engine):
        since = words.Moment(left.since, left.now)
        name = f"status.outbox{words.suffix(left.count)}"
        run.note(name, n=left.count, since=since)
    left_over = given_up.given_up(run.engine)
    if left_over.webhooks:
        run.note("status.webhooks", n=left_over.webhooks)
    if left_over.notices:
        run.note("status.notices", n=left_over.notices)
    if left_over.runs:
        run.note("status.held_runs", n=left_over.runs)


def _note_dead_letters(run: Run) -> None:
    ledger_facts.settle_letters(run)
    if dead := dead_letters.count(run.engine):
        run.note("status.dead_letters", n=dead)
        if dead_letters.is_full(run.engine):
            run.warn("status.dead_letters_full")


def _show(run: Run, broadcast_id: str) -> None:
    for newest in webhooks.of_broadcast(run.engine, broadcast_id)[:1]:
        from broadcast.views import webhooks as presented

        run.note("status.webhook")
        run.terminal.note_each(presented.lines(newest, now=datetime.now(UTC)))
    report, under_way = in_flight.beside_report(run.engine, broadcast_id)
    showing.show(run, report, under_way)
    _say_of_workers(run, [report])


def _say_of_workers(run: Run, shown: Iterable[Report]) -> None:
    """Say what doctor says of the workers, where a broadcast waits for one."""
    if not any(map(_waits_for_worker, shown)):
        return
    # What was stored is shown, whether the broker answers or not.
    with suppress(BrokerAwayError):
        for finding in ledger_facts.unfit(run, ledger_facts.workers(run)):
            showing.show_finding(run, finding)


def _waits_for_worker(report: Report) -> bool:
    """Return whether a worker is to take up a broadcast, and none has its account's lane."""
    is_due = report.state in {BroadcastState.PLANNING, BroadcastState.SENDING}
    driven = report.driven
    return is_due and driven is not None and not is_leased(driven.signs, report.now)


def _accounts_shown(run: Run, shown: Iterable[str]) -> set[str]:
    """Return the accounts of which a report says why they make no call; an ended one's does not."""
    each = [
        broadcast_reports.report(run.engine, broadcast_id, whole=False) for broadcast_id in shown
    ]
    return {report.account for report in each if report.phase is not Phase.ENDED}


def _say_in_short(run: Run, found: Iterable[str]) -> None:
    shown = [broadcast_reports.report(run.engine, broadcast_id) for broadcast_id in found]
    for report in shown:
        short = report_lines.in_short(report, showing.absent_of(run, report))
        run.say_all([*short, *ledger_facts.steps(run, report)])
        run.say(Plain(""))
    run.say("status.in_short")
    _say_of_workers(run, shown)


@app.command(help="help.watch")
def watch(
    run: Run,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    until: UntilWord = Until.ACCEPTED.value,
) -> int:
    """Follow a broadcast until it rests."""
    goal = showing.until_of(until)
    broadcast_id = which.stored(run, broadcast_id)
    return showing.wait(run, broadcast_id, until=goal)


@app.command(name="list", help="help.list")
def listing(
    run: Run,
    *,
    account: AccountName = None,
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="help.most")] = 20,
) -> None:
    """List the newest broadcasts. Raises SettingsError for an account that nobody knows."""
    ledger = run.engine
    if account is not None:
        _check_known(run, ledger, account)
    found = broadcast_reports.reports(ledger, account=account, most=most)
    if run.as_json:
        from broadcast.views import json_objects

        each = [json_objects.in_a_list(report) for report in found]
        run.show_json({"broadcasts": each})
    elif not found:
        run.say("list.none")
    else:
        run.say(Plain(_drawn(found, run.texts)))
        for report in found:
            if report.audience["planned"] is None and report_lines.asked_for(report):
                run.say("list.undecided", id=report.id, sets=report_lines.sets(report))


def _check_known(run: Run, ledger: Engine, account: str) -> None:
    """Refuse an account that neither the ledger nor the settings have: an empty list would lie."""
    from models.ledger.rows import known_accounts

    used = known_accounts.account_names(ledger)
    if not used:
        run.account(account)
    elif account not in used and account not in (configured := run.settings.accounts()):
        raise unknown(account, {*used, *configured})


def _drawn(found: list[Report], texts: Texts) -> str:
    from rich.console import Console

    is_terminal = Console(file=sys.stdout).is_terminal
    # In memory: the terminal alone writes, and says so where standard output is full.
    drawn = io.StringIO()
    console = Console(file=drawn, highlight=False, force_terminal=is_terminal)
    if not is_terminal:
        console.width = WIDTH_OF_A_PIPE
    console.print(table(found, texts, width=console.width))
    return drawn.getvalue().rstrip("\n")


def table(found: list[Report], texts: Texts, *, width: int) -> Table:
    """Return one row a broadcast; what it says is cut where *width* columns are too few."""
    from rich.cells import cell_len
    from rich.markup import escape
    from rich.table import Table

    wide, several = width >= WIDE, len({report.account for report in found}) > 1
    rows = [
        {
            "id": report.id,
            **({"account": report.account} if several else {}),
            ("created" if wide else "created_narrow"): _created(
                report.created_at, texts, wide=wide
            ),
            "content": content.in_a_list(report, texts) if wide else content.name(report),
            "accepted": _progress(report),
            "state": str(words.fact_words(report_lines.state(report), texts)),
            **({"created_by": report.created_by} if wide else {}),
        }
        for report in found
    ]
    heads = {name: texts(f"list.{name}") for name in rows[0]}
    each = {name: max(cell_len(row[name]) for row in (heads, *rows)) for name in heads}
    room = width - sum(each.values()) + each["content"] - GAP * (len(heads) - 1)
    made = Table(box=None, pad_edge=False)
    for name, head in heads.items():
        made.add_column(
            head,
            no_wrap=name not in FOLDED,
            overflow="ellipsis" if name == "content" else "fold",
            justify="right" if name == "accepted" else "left",
            max_width=max(room, LEAST_ROOM) if name == "content" else None,
        )
    for report, row in zip(found, rows, strict=True):
        *others, last = map(escape, row.values())
        made.add_row(*others, f"[{styling.of_state(report.state)}]{last}[/]")
    return made


def _created(moment: datetime, texts: Texts, *, wide: bool) -> str:
    """Return a moment in Beijing; where it is narrow, the date stands in the id."""
    local = moment.astimezone(day.SHANGHAI)
    if not wide:
        return f"{local:%H:%M}"
    return texts(
        "list.moment",
        weekday=texts(f"weekday.{local.isoweekday()}"),
        date=f"{local:%Y-%m-%d}",
        time=f"{local:%H:%M}",
    )


def _progress(report: Report) -> str:
    """Return accepted of planned; a number that only WeChat knows is a dash."""
    accepted, planned = report.recipients["accepted"], report.audience["planned"]
    return f"{_figure(accepted)}/{_figure(planned)}"


def _figure(figure: int | None) -> str:
    return "-" if figure is None else f"{figure:,}"
