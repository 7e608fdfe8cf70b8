"""``pause``, ``resume`` and ``cancel`` of a broadcast."""

from __future__ import annotations

from typing import Annotated

import typer

from broadcast.errors import InputError
from broadcast.rules.calls.outcomes import content_stays_refused
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import RESUME_OPENS, GateKind, GateScope, Opener
from broadcast.rules.reports import Report
from broadcast.rules.states import SHOWN_DONE, BroadcastState, Phase
from broadcast.views import audience_words, content, report_lines
from broadcast.views.words import Moment, follower_count, rest_of
from entrypoints.cli import candidates, draft_looks, exits, questions, showing, which
from entrypoints.cli.commands.options import ControlledID, Why, YesToNewer, new_app
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.run import Run, who
from models.ledger.rows import known_accounts
from models.ledger.steer import operator
from models.ledger.views import at_wechat, broadcast_reports, in_flight
from producer import steer
from producer.steer import by_resume

app = new_app()

#: What is said instead where nothing goes on: no word on a broadcast lets its account call.
BLOCKED_BY_ITS_ACCOUNT = {
    "resume.done": "resume.done_blocked",
    "resume.already": "resume.already_blocked",
}
#: What a word that changes nothing has found, where that is not the end of the broadcast.
AS_IT_STANDS = {
    ("pause.already", BroadcastState.PAUSED): "pause.already_paused",
    ("pause.already", BroadcastState.HELD): "pause.already_held",
    ("cancel.already", BroadcastState.PARTIAL): "cancel.already_refused",
    ("cancel.already", BroadcastState.FAILED): "cancel.already_refused",
    ("resume.already", BroadcastState.SCHEDULED): "resume.already_scheduled",
}


@app.command(help="help.pause")
def pause(
    run: Run,
    *,
    broadcast_id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="help.pause.id",
            show_default=False,
            autocompletion=candidates.broadcasts,
        ),
    ] = which.OPEN,
    why: Why = None,
) -> None:
    """Start no new call of a broadcast; without an id of any that is being sent."""
    if broadcast_id == which.OPEN:
        _pause_all(run, why=why)
        return
    broadcast_id = which.stored(run, broadcast_id)
    changed = operator.pause(run.engine, broadcast_id, who=who(), why=why)
    _tell(run, broadcast_id, name="pause", changed=changed)


def _pause_all(run: Run, *, why: str | None) -> None:
    """Pause whatever is being sent, first, and say then what it was."""
    accounts = known_accounts.account_names(run.engine)
    changed = {
        one: operator.pause(run.engine, one, who=who(), why=why)
        for one in in_flight.going_on(run.engine, accounts)
    }
    for broadcast_id, is_changed in changed.items():
        _say(run, broadcast_id, name="pause", changed=is_changed)
    if not changed:
        run.say("pause.nothing")
    if run.as_json:
        from broadcast.views import json_objects

        each = [broadcast_reports.report(run.engine, one) for one in changed]
        run.show_done({"broadcasts": [json_objects.as_json(report) for report in each]})


@app.command(help="help.resume")
def resume(
    run: Run,
    *,
    broadcast_id: ControlledID = which.OPEN,
    yes: YesToNewer = False,
    why: Why = None,
) -> None:
    """Resume a broadcast; its remaining calls are proved against the day once more."""
    broadcast_id = which.controlled(run, broadcast_id, fits=_can_resume)
    before = broadcast_reports.report(run.engine, broadcast_id)
    fixed = sum(line.is_fixed for line in before.batch_list)
    if fixed:
        run.note("resume.called_before", batches=fixed)
    draft = draft_looks.ask_of_edits(run, before, yes=yes)
    # One question is enough: the first reason not to resume.
    if not (
        _ask_if_maybe_sent(run, before, yes=yes)
        or questions.ask_of_newer(run, before, by_resume(before), command="resume", yes=yes)
    ):
        any(ask(run, before, yes=yes) for ask in (_ask_if_late, _ask_if_refused))
    shown = operator.ShownFacts(gates={gate.id for gate in before.gates}, draft=draft)
    questions.get_ready(run)
    from producer.wiring.wechat import QuotaWithReason

    changed = steer.resume_as_shown(
        run.engine,
        before,
        shown,
        settings=run.settings,
        quota=QuotaWithReason(run.wechat),
        # It was asked for above, of all that was shown.
        who=who(),
        why=why,
        maybe_sent=True,
    )
    _tell(run, broadcast_id, name=Opener.RESUME.value, changed=changed)


def _can_resume(report: Report) -> bool:
    return report.gate(*RESUME_OPENS) is not None


def _can_cancel(report: Report) -> bool:
    return report.state not in SHOWN_DONE


def _ask_if_maybe_sent(run: Run, report: Report, *, yes: bool) -> bool:
    """Ask before a resume sends what may have been sent before the database was restored.

    Return whether it was asked. Raises InputError where nobody can be, and typer.Exit for a no.
    """
    if yes or report.gate(GateKind.RESTORED) is None:
        return False
    if not is_terminal():
        raise InputError("error.resume.maybe_sent", id=report.id)
    return run.confirm(
        "resume.question_maybe_sent",
        "resume.declined_late",
        yes=yes,
        id=report.id,
        followers=rest_of(report.recipients["waiting"]),
    )


def _ask_if_late(run: Run, report: Report, *, yes: bool) -> bool:
    """Ask on a terminal before a resume sends at once what was to go out at a time that passed.

    Return whether it was asked. Raises typer.Exit for a no.
    """
    at = report.scheduled_at
    if at is None or at > report.now or not (report.awaits_first_call and _can_resume(report)):
        return False
    return run.confirm(
        "resume.question_late",
        "resume.declined_late",
        yes=yes,
        id=report.id,
        at=Moment(at, report.now),
    )


def _ask_if_refused(run: Run, report: Report, *, yes: bool) -> bool:
    """Ask on a terminal before a resume sends on the content that WeChat refused.

    Return whether it was asked. Raises typer.Exit for a no.
    """
    gate = report.gate(GateKind.BREAKER)
    if gate is None or not content_stays_refused(gate.reason, gate.errcode):
        return False
    return run.confirm(
        "resume.question_refused",
        "resume.declined_refused",
        yes=yes,
        id=report.id,
        code=gate.errcode or "?",
        followers=rest_of(report.recipients["waiting"]),
    )


@app.command(help="help.cancel")
def cancel(
    run: Run,
    *,
    broadcast_id: ControlledID = which.OPEN,
    yes: Annotated[bool, typer.Option("--yes", help="help.cancel.yes")] = False,
    why: Why = None,
) -> None:
    """Cancel the rest of a broadcast; on a terminal pause what is being sent, then ask."""
    is_named = broadcast_id != which.OPEN
    broadcast_id = which.controlled(
        run, broadcast_id, fits=_can_cancel, prefers=blockers.is_being_sent, or_awaited=True
    )
    if yes and not is_named:
        _refuse_unbegun(run, broadcast_id)
    if is_terminal() and not yes and not _is_confirmed(run, broadcast_id, why=why):
        raise typer.Exit(exits.FAILED)
    changed = operator.cancel(run.engine, broadcast_id, who=who(), why=why)
    _tell(run, broadcast_id, name="cancel", changed=changed)


def _refuse_unbegun(run: Run, broadcast_id: str) -> None:
    """Raise InputError for a broadcast that was not named, and waits for its time or a person."""
    report = broadcast_reports.report(run.engine, broadcast_id, whole=False)
    # Whoever paused one has begun to stop it.
    waits = any(
        gate.scope is GateScope.BROADCAST and gate.is_closed(report.now)
        for gate in report.gates
        if gate.kind is not GateKind.PAUSE
    )
    if report.awaits_first_call and waits and not blockers.is_being_sent(report):
        raise InputError("error.cancel.unbegun", id=report.id)


def _is_confirmed(run: Run, broadcast_id: str, *, why: str | None) -> bool:
    """Ask about a cancel; what is being sent is paused first, so that nothing goes out meanwhile.

    One that waits for its list takes no pause, so nobody is asked: it would go out meanwhile.
    """
    report = broadcast_reports.report(run.engine, broadcast_id)
    if report.phase is Phase.UPLOADING:
        return True
    try:
        if blockers.is_being_sent(report) or not report.awaits_first_call:
            operator.pause(run.engine, broadcast_id, who=who(), why=why)
            report = broadcast_reports.report(run.engine, broadcast_id)
        if report.state in SHOWN_DONE or run.terminal.agrees(_asked(run, report)):
            return True
    except KeyboardInterrupt:
        _say_what_was_kept(run, broadcast_id)
        raise typer.Exit(exits.INTERRUPTED) from None
    _say_what_was_kept(run, broadcast_id)
    return False


def _asked(run: Run, report: Report) -> str:
    """Ask whether a broadcast is cancelled; return the answer."""
    possibly, left = report_lines.possibly_sent(report), report.recipients["waiting"]
    waiting = None if left is None else follower_count(left - possibly)
    # What ended with a batch in doubt takes no pause, and sends nothing either.
    question = "cancel.question_held"
    if report.gate(GateKind.PAUSE):
        question = "cancel.question_possibly" if possibly else "cancel.question"
    elif report.awaits_first_call:
        question = "cancel.question_unbegun"
    if waiting is None:
        question = f"{question}_uncounted"
    what = audience_words.in_a_question(report, content.name(report))
    return run.terminal.ask(question, what=what, waiting=waiting, possibly=possibly)


def _say_what_was_kept(run: Run, broadcast_id: str) -> None:
    """Say that it was not cancelled, and whether it is paused or goes out at its time."""
    report = broadcast_reports.report(run.engine, broadcast_id, whole=False)
    at, text = report.scheduled_at, "cancel.kept_held"
    if report.gate(GateKind.PAUSE):
        text = "cancel.kept"
    elif report.state is BroadcastState.SCHEDULED:
        text = "cancel.kept_scheduled"
    run.note(text, id=broadcast_id, at=at and Moment(at, report.now))


def _tell(run: Run, broadcast_id: str, *, name: str, changed: bool) -> None:
    """Say what came of a control, and with ``--json`` the object."""
    showing.show_json(run, _say(run, broadcast_id, name=name, changed=changed))


def _say(run: Run, broadcast_id: str, *, name: str, changed: bool) -> Report:
    """Say what came of a control; return what there is now. Doing it twice is no error."""
    report, under_way = in_flight.beside_report(run.engine, broadcast_id)
    already = f"{name}.already"
    text = f"{name}.done" if changed else AS_IT_STANDS.get((already, report.state), already)
    if changed and report.is_unlisted:
        text = "cancel.done_no_list"
    if report.lane.is_off_for(report.path):
        text = BLOCKED_BY_ITS_ACCOUNT.get(text, text)
    opens = report.lane.opened_by(report.account)
    steer.wake(run.waker, report)
    run.say(text, id=broadcast_id, state=report.state, command=opens)
    showing.say_what_remains(run, report, under_way)
    if name == "cancel" and at_wechat.has_page(report):
        run.say("cancel.recall", id=broadcast_id)
    return report
