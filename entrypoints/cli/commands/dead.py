"""``dead``: messages of other programs that became no broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from broadcast.enums import is_recognised
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.quoting import escaped
from broadcast.rules.dead_letters import KeptLetter, LetterState, stays_wrong
from broadcast.views.json_objects import body_of, letter_object
from broadcast.views.program_words import refusal
from broadcast.views.words import Moment
from entrypoints.cli import ledger_facts
from entrypoints.cli.commands.options import Yes, new_group
from entrypoints.cli.run import Run, who
from entrypoints.cli.terminal import Plain, clean
from models.ledger.boxes import dead_letters

if TYPE_CHECKING:
    from producer.submit.store import Submitted

app, dead = new_group("dead")

LetterID = Annotated[str, typer.Argument(metavar="ID", help="help.dead.id", show_default=False)]
#: Characters of a body that a terminal shows; ``--json`` gives all that is kept.
_SHOWN = 2_000


@dead.command("list", help="help.dead.list")
def list_(
    run: Run,
    *,
    closed: Annotated[bool, typer.Option("--all", help="help.dead.list.all")] = False,
    most: Annotated[
        int, typer.Option("--most", min=1, max=1_000_000, help="help.dead.list.most")
    ] = 20,
) -> None:
    """List dead letters, newest first."""
    ledger_facts.settle_letters(run)
    state = None if closed else LetterState.DEAD
    found = dead_letters.newest(run.engine, state=state, most=most)
    more = max(dead_letters.count(run.engine, state) - most, 0) if len(found) == most else 0
    if run.as_json:
        each = [letter_object(one, run.texts) for one in found]
        run.show_done({"dead_letters": each, "more": more})
        return
    for one in found:
        _say(run, one)
    if not found:
        run.say("dead.none")
    elif more:
        run.say("dead.more", n=most, all=most + more)


@dead.command(help="help.dead.show")
def show(run: Run, letter_id: LetterID) -> None:
    """Show a dead letter and what it asked for."""
    one, body = _one(run, letter_id)
    if run.as_json:
        run.show_json({**letter_object(one, run.texts), "body": body_of(body)})
        return
    _say(run, one)
    shown = escaped(clean(body[:_SHOWN]))
    cut = one.is_cut or len(body) > _SHOWN
    run.say("dead.body_cut" if cut else "dead.body", body=shown)
    if one.state is LetterState.DEAD:
        lost = one.is_cut or stays_wrong(one.reason)
        run.note("dead.wrong" if lost else "dead.next", id=one.id)


def _one(run: Run, name: str) -> tuple[KeptLetter, str]:
    one, _ = dead_letters.letter_named(run.engine, name)
    ledger_facts.settle_letters(run, one.id)
    return dead_letters.letter_named(run.engine, one.id)


@dead.command(help="help.dead.retry")
def retry(
    run: Run,
    letter_id: LetterID,
    *,
    confirm: Annotated[
        list[str] | None, typer.Option("--confirm", metavar="ID", help="help.dead.retry.confirm")
    ] = None,
) -> None:
    """Submit a dead letter again, as it is, under its own key."""
    from producer.request import door

    one, body = dead_letters.letter_named(run.engine, letter_id)
    with door.trying_again(run.engine, one):
        _send(run, one, body, confirm=confirm or ())


def _send(run: Run, one: KeptLetter, body: str, *, confirm: Sequence[str]) -> None:
    try:
        made = _submitted(run, one, body, confirm=confirm)
    except InputError as error:
        dead_letters.mark_refused_again(run.engine, one.id, error.message)
        problem = refusal(error.message, run.texts)
        raise InputError("error.dead.still", id=one.id, problem=problem) from None
    dead_letters.mark_sent(run.engine, one.id, made.id, who=who())
    for notice in made.notices:
        run.warn(Plain(refusal(notice, run.texts)))
    run.say("dead.sent", id=one.id, broadcast=made.id)
    _show(run, one.id)


@dead.command(help="help.dead.drop")
def drop(
    run: Run,
    letter_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="help.dead.id", show_default=False)
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="help.dead.drop.all")] = False,
    yes: Yes = False,
) -> None:
    """Drop a dead letter, or all of them: nobody wants them sent."""
    if every == (letter_id is not None):
        raise InputError("error.dead.which")
    if letter_id is None:
        _drop_all(run, yes=yes)
        return
    from producer.request import door

    one, _ = _one(run, letter_id)
    door.drop_letter(run.engine, one, who=who())
    run.say("dead.dropped", id=one.id)
    _show(run, one.id)


def _drop_all(run: Run, *, yes: bool) -> None:
    """Drop the dead letters that wait now; later ones, during the question, stay."""
    ledger_facts.settle_letters(run)
    n, moment = dead_letters.waiting(run.engine)
    run.confirm("dead.question_all", "dead.declined", yes=yes or not n, n=n)
    # A person takes time to answer.
    ledger_facts.settle_letters(run)
    dropped = dead_letters.drop_all(run.engine, who=who(), until=moment)
    run.say("dead.dropped_all", n=dropped)
    left, _ = dead_letters.waiting(run.engine)
    if left:
        run.warn("dead.not_dropped", n=left)
    run.show_done({"dropped": dropped, "left": left})


def _submitted(run: Run, one: KeptLetter, body: str, *, confirm: Sequence[str]) -> Submitted:
    from producer.request import incoming

    found = incoming.parse_letter(one.source, body, run.settings).confirmed(confirm)
    return run.door().submit(found.request, key=found.key, who=who())


def _show(run: Run, letter_id: str) -> None:
    if run.as_json:
        run.show_json(letter_object(dead_letters.letter_named(run.engine, letter_id)[0], run.texts))


def _say(run: Run, one: KeptLetter) -> None:
    run.say(
        "dead.line",
        id=one.id,
        at=Moment(one.last_at, datetime.now(UTC)),
        times=one.times,
        key="-" if one.key is None else clean(one.key),
        reason=clean(refusal(one.reason, run.texts)),
        account="-" if one.account is None else clean(one.account),
        state=_state(one),
    )


def _state(one: KeptLetter) -> Message:
    if not is_recognised(one.state):
        return Message("word.newer", word=one.state.value)
    return Message(f"dead.state.{one.state}", broadcast=one.broadcast_id)
