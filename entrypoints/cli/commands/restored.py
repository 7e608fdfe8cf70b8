"""``restored``: what became of a database whose lanes are closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Annotated

import typer

from broadcast import day
from broadcast.errors import InputError, OutOfReachError
from broadcast.message import Message
from broadcast.rules.gates import restore_guard
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.gates.restore_guard import Counts, DatabaseFacts, Trust, Verdict
from broadcast.rules.states import Reason
from broadcast.views.words import Moment, Shortened, reason
from entrypoints.cli import exits, ledger_facts
from entrypoints.cli.commands.options import Why, Yes, new_app
from entrypoints.cli.run import Run, who
from models import schema
from models.ledger.gates import restores
from models.ledger.rows.transaction import present
from models.ledger.steer import restore_answers
from models.ledger.steer.restore_answers import Answered
from producer import outbox
from producer.submit import order

app = new_app()


@app.command(help="help.restored", json=False)
def restored(
    run: Run,
    *,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="help.restored.since")
    ] = None,
    moved: Annotated[bool, typer.Option("--moved", help="help.restored.moved")] = False,
    yes: Yes = False,
    why: Why = None,
) -> int:
    """Show what was found; with an answer open the lanes."""
    if since is not None and moved:
        raise InputError("error.restored.both")
    facts = restores.facts(run.engine)
    # Who says of when a backup is may know more than what was found.
    is_there = facts.is_closed or facts.is_elsewhere or facts.uncounted
    if since is None and not (moved and is_there):
        return _show(run, facts)
    at = None
    if since is not None:
        at = order.parse_at(since, now=facts.now, option="--since", back=True)
    if at is not None and at > facts.now:
        shown, now = Moment(at, facts.now), Moment(facts.now, facts.now)
        raise InputError("error.restored.to_come", at=shown, now=now)
    words = "restored.question_moved" if at is None else "restored.question_since"
    declined = "restored.declined" if facts.is_closed else "campaign.declined"
    run.confirm(words, declined, "error.restored.unasked", yes=yes, at=at and Moment(at, facts.now))
    counter = run.wechat.claim_counter(facts.id)
    counts = counter.read()
    letters = 0
    if at is not None:
        before = restore_answers.closed_at(run.engine) or facts.now
        letters = outbox.set_aside(run.engine, before=before)
    done = restore_answers.answer(run.engine, since=at, counts=counts, who=who(), why=why)
    for account, number in done.claims.items():
        counter.begin(account, number)
    counter.note(done.notes)
    _say(run, done, letters=letters)
    if at is not None:
        run.say_all([*_unknown(facts, counts), "restored.gone"])
    return exits.DONE


def _show(run: Run, facts: DatabaseFacts) -> int:
    """Say what was found and both answers; return the exit status."""
    say = run.terminal.say
    if not (facts.is_closed or facts.uncounted):
        return _show_open(run)
    for account in facts.uncounted:
        say("restored.uncounted", account=account)
    for account, lane in ledger_facts.lanes(run.engine).by_account.items():
        gate = lane.gate(GateKind.RESTORED)
        if gate is not None:
            at = Moment(gate.closed_at, facts.now)
            say("restored.closed", account=account, at=at, reason=reason(gate.reason))
    unknown = list(_unknown(facts, run.wechat.claim_counter(facts.id).read()))
    run.say_all([*_whereabouts(facts), *unknown])
    seen = Moment(facts.known_until or facts.now, facts.now)
    say("restored.seen", at=seen)
    say("restored.answers", at=f"{seen.at.astimezone(day.SHANGHAI):%Y-%m-%d %H:%M}")
    if not unknown:
        say("restored.or_moved")
    say("restored.copy")
    return exits.FAILED


def _show_open(run: Run) -> int:
    """Say of a database that is not closed whether a worker is to judge it first."""
    facts, counts, verdicts = _verdicts(run)
    if verdicts <= {Trust.KNOWN, Trust.NEW}:
        run.say("restored.open")
        return exits.DONE
    run.say_all([*_whereabouts(facts), *_unknown(facts, counts), "restored.unjudged"])
    return exits.FAILED


def is_closed(run: Run) -> bool:
    """Return whether a person must answer before anything is sent, now or once a worker looked."""
    facts, _, verdicts = _verdicts(run)
    return facts.is_closed or any(isinstance(one, Reason) for one in verdicts)


def _verdicts(run: Run) -> tuple[DatabaseFacts, Counts, set[Verdict]]:
    """Judge each lane as a worker does; where Redis is away, it has no counts."""
    counts = Counts(claims={})
    with suppress(OutOfReachError):
        # Redis first: a claim is committed before it is counted.
        counts = run.wechat.claim_counter(schema.installation(run.engine)).read()
    facts = restores.facts(run.engine)
    if facts.has_new_place(counts):
        # The worker notes it, and goes on.
        facts = replace(facts, known_place=facts.place)
    each = {*facts.lanes, *counts.claims}
    return facts, counts, {restore_guard.judge(facts, one, counts=counts) for one in each}


def _whereabouts(facts: DatabaseFacts) -> Iterator[Message]:
    if facts.is_elsewhere:
        yield Message("restored.place", known=facts.known_place or "-", place=facts.place)


def _unknown(facts: DatabaseFacts, counts: Counts) -> Iterator[Message]:
    """Yield what Redis knows of the database, and the database does not."""
    for account in facts.behind(counts):
        counted, n = counts.claims[account], facts.lane(account).claims
        yield Message("restored.behind", account=account, counted=counted, n=n)
    if facts.is_forgetful(counts):
        yield Message("restored.forgetful", counted=counts.notes, n=facts.notes)


def _say(run: Run, done: Answered, *, letters: int) -> None:
    say = run.terminal.say
    now = present(run.engine)
    if done.point is not None:
        say("restored.point", at=Moment(done.point, now))
        if done.held:
            say("restored.held", n=len(done.held), ids=Shortened(done.held), id=done.held[0])
        if done.runs:
            say("restored.runs", n=done.runs)
        if done.repeats:
            say("restored.repeats", n=done.repeats)
        if done.disabled:
            say("restored.disabled", n=len(done.disabled))
            for name in done.disabled:
                say("restored.enable", name=name)
        if letters:
            say("restored.letters", n=letters)
    say("restored.done" if done.opened else "restored.nothing_closed", names=done.opened)
