"""``pause``, ``resume`` and ``cancel`` of a broadcast."""

from __future__ import annotations

from typing import Annotated, Protocol

import typer
from sqlalchemy import Engine

from broadcast import plan
from broadcast.accounts import Account
from broadcast.call.path import SendPath
from broadcast.errors import PlanError, SettingsError
from broadcast.gates.kinds import GateKind, Opener
from broadcast.reports import Report
from broadcast.states import SHOWN_DONE, BroadcastState
from cli import exits, waking, which
from cli.commands.options import AsJSON, BroadcastID, Why, new_app
from cli.group import Command
from cli.showing import show_what_remains
from cli.terminal import is_terminal
from cli.wiring.person import in_one_line, who
from cli.wiring.run import Run
from models.ledger import operator
from models.ledger.reading import in_flight, reports
from presentation.words import FollowerCount

app = new_app()

#: What is said instead where nothing goes on: no word on a broadcast lets its account call.
BLOCKED_BY_ITS_ACCOUNT = {
    "resume.done": "resume.done_blocked", "resume.already": "resume.already_blocked",
}  # fmt: skip
#: What a word that changes nothing has found, where that is not the end of the broadcast.
AS_IT_STANDS = {
    ("pause.already", BroadcastState.PAUSED): "pause.already_paused",
    ("pause.already", BroadcastState.HELD): "pause.already_held",
    ("resume.already", BroadcastState.SCHEDULED): "resume.already_scheduled",
}


class Control(Protocol):
    """A person's word on a broadcast."""

    def __call__(
        self, engine: Engine, broadcast_id: str, *, who: str, why: str | None = None
    ) -> bool:
        """Carry it out; return whether anything changed."""


@app.command(cls=Command, help="help.pause")
def pause(
    context: typer.Context,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    why: Why = None,
    as_json: AsJSON = False,
) -> None:
    """Start no new call of a broadcast."""
    broadcast_id = which.stored(context.obj, broadcast_id)
    _steer(context.obj, operator.pause, broadcast_id, why=why, name="pause", as_json=as_json)


@app.command(cls=Command, help="help.resume")
def resume(
    context: typer.Context,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    why: Why = None,
    as_json: AsJSON = False,
) -> None:
    """Let a broadcast go on; its remaining calls are proved against the day once more."""
    _let_go_on(
        context.obj,
        Opener.RESUME,
        which.stored(context.obj, broadcast_id),
        why=why,
        as_json=as_json,
    )


def _let_go_on(
    run: Run, opener: Opener, broadcast_id: str, *, why: str | None, as_json: bool
) -> None:
    waking.get_ready(run)
    report = reports.report(run.engine, broadcast_id, whole=False)
    account = _account(run, report.account)
    quota = _quota(run, account, report.path)

    def control(engine: Engine, broadcast_id: str, *, who: str, why: str | None = None) -> bool:
        try:
            return operator.let_go_on(
                engine, broadcast_id, opener, who=who, why=why, quota=quota,
                shared_quota=account is None or account.shared_quota,
            )  # fmt: skip
        except PlanError as error:
            raise _no_room(error, report) from None

    _steer(run, control, broadcast_id, why=why, name=opener.value, as_json=as_json)


#: What a submit is told of a plan without room is no advice for a broadcast that is stored.
NO_ROOM = {
    "error.plan.too_many": "error.resume.too_many",
    "error.plan.too_many_one": "error.resume.too_many_one",
    "error.plan.too_many_held": "error.resume.too_many_held",
    "error.plan.too_many_one_held": "error.resume.too_many_one_held",
}


def _no_room(error: PlanError, report: Report) -> PlanError:
    """Return what a resume is told where its day has too few calls left."""
    own = NO_ROOM[error.message_id]
    return PlanError(own, **error.facts, id=report.id, account=report.account)


def _account(run: Run, name: str) -> Account | None:
    """Return an account; None where the settings lack it: the report that follows says so."""
    try:
        return run.settings.account(name)
    except SettingsError:
        return None


def _quota(run: Run, account: Account | None, path: SendPath) -> plan.Quota | None:
    """Return what WeChat says of today's calls; None where it, or the account, is not there."""
    from cli.wiring.wechat import QuotaWithReason  # noqa: PLC0415 - the client costs 0.1 s

    return QuotaWithReason(run.wechat).quota(account, path) if account else None


@app.command(cls=Command, help="help.cancel")
def cancel(
    context: typer.Context,
    *,
    broadcast_id: BroadcastID = which.OPEN,
    yes: Annotated[bool, typer.Option("--yes", help="help.cancel.yes")] = False,
    why: Why = None,
    as_json: AsJSON = False,
) -> None:
    """Never call the rest of a broadcast; on a terminal pause it at once, then ask."""
    run: Run = context.obj
    broadcast_id = which.stored(run, broadcast_id)
    if is_terminal() and not yes and not _is_confirmed(run, broadcast_id, why=why):
        raise typer.Exit(exits.FAILED)
    _steer(run, operator.cancel, broadcast_id, why=why, name="cancel", as_json=as_json)


def _is_confirmed(run: Run, broadcast_id: str, *, why: str | None) -> bool:
    """Pause a broadcast, so that nothing goes out while somebody thinks, and ask."""
    operator.pause(run.engine, broadcast_id, who=who(), why=in_one_line(why))
    report = reports.report(run.engine, broadcast_id, whole=False)
    if report.state in SHOWN_DONE:
        return True
    terminal, waiting = run.terminal, FollowerCount(report.recipients["waiting"])
    # What ended with a batch in doubt takes no pause, and sends nothing either.
    question, kept = "cancel.question_held", "cancel.kept_held"
    if report.gate(GateKind.PAUSE):
        question, kept = "cancel.question", "cancel.kept"
    try:
        answer = terminal.ask(question, id=broadcast_id, waiting=waiting)
    except KeyboardInterrupt:
        terminal.note(kept, id=broadcast_id)
        raise typer.Exit(exits.INTERRUPTED) from None
    if not terminal.agrees(answer):
        terminal.note(kept, id=broadcast_id)
        return False
    return True


def _steer(
    run: Run, control: Control, broadcast_id: str, *, why: str | None, name: str, as_json: bool
) -> None:
    """Carry out *control* and say what came of it; doing it twice is no error."""
    ledger = run.engine
    changed = control(ledger, broadcast_id, who=who(), why=in_one_line(why))
    report, under_way = in_flight.beside_report(ledger, broadcast_id)
    already = f"{name}.already"
    text = f"{name}.done" if changed else AS_IT_STANDS.get((already, report.state), already)
    if report.lane.stands_still:
        text = BLOCKED_BY_ITS_ACCOUNT.get(text, text)
    waking.wake(run, report)
    run.terminal.say(text, id=broadcast_id, state=report.state, account=report.account)
    show_what_remains(run, report, under_way, as_json=as_json)
