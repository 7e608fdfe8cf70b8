"""``suppress``: people who get no broadcast until somebody takes them off the list again."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from broadcast import openid
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules.suppressions import (
    ALL_ACCOUNTS,
    Suppressed,
    SuppressionKind,
    SuppressionSource,
)
from broadcast.views.objects import members
from broadcast.views.tables import harmless, row
from entrypoints.cli.commands.options import AccountName, Why, checked_openid, new_group
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.run import Run, who
from entrypoints.cli.terminal import clean
from models.ledger.lists import suppressions

app, suppress = new_group("suppress")

EveryAccount = Annotated[bool, typer.Option("--all", help="help.suppress.all")]
OpenIDs = Annotated[
    list[str], typer.Argument(metavar="OPENID…", help="help.suppress.openids", show_default=False)
]
OpenIDsIfAny = Annotated[
    list[str] | None,
    typer.Argument(metavar="OPENID…", help="help.suppress.openids", show_default=False),
]
COLUMNS = ("openid", "account", "kind", "since", "who", "why")
#: Bad lines that are named.
NAMED = 5


@suppress.command(help="help.suppress.add")
def add(
    run: Run,
    openids: OpenIDs,
    *,
    account: AccountName = None,
    every: EveryAccount = False,
    why: Why = None,
) -> None:
    """Add people to the list."""
    whose, people = _whose(run, account, every=every), _checked(openids)
    word = SuppressionSource(kind=SuppressionKind.PERSON, who=who(), why=why)
    _add(run, people, word, whose=whose)


@suppress.command(help="help.suppress.remove")
def remove(
    run: Run,
    openids: OpenIDsIfAny = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="help.suppress.file")
    ] = None,
    account: AccountName = None,
    every: EveryAccount = False,
    yes: Annotated[bool, typer.Option("--yes", help="help.suppress.yes")] = False,
) -> None:
    """Remove people from the list."""
    if bool(openids) == (file is not None):
        raise InputError("error.suppress.whom")
    whose = _whose(run, account, every=every)
    if not yes and str(file) != "-" and is_terminal():
        with _people(openids, file) as people:
            _ask_about_own(run, whose, people)
    with _people(openids, file) as people:
        lifted = suppressions.lift(run.engine, people, who=who(), account=whose)
    absent = lifted.named - lifted.people
    run.say("suppress.removed", account=_named(whose), n=lifted.people)
    if lifted.own:
        run.warn("suppress.removed_own", n=lifted.own)
    if absent:
        run.say("suppress.absent", account=_named(whose), n=absent)
    if lifted.for_all:
        run.warn("suppress.still_for_all")
    figures = {"removed": lifted.people, "own": lifted.own, "absent": absent}
    run.show_done({"account": _of_json(whose), **figures})


def _ask_about_own(run: Run, whose: str, people: Iterable[str]) -> None:
    """Ask before followers who opted out get broadcasts again. Raises typer.Exit for a no."""
    own = {
        one.openid
        for one in suppressions.every_suppressed(run.engine, whose)
        if one.kind is SuppressionKind.KEYWORD and one.account == whose
    }
    n = sum(one in own for one in people)
    run.confirm("suppress.question_own", "suppress.declined", yes=not n, n=n)


@suppress.command("list", help="help.suppress.list")
def list_(
    run: Run,
    *,
    account: AccountName = None,
    every: EveryAccount = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="help.suppress.list.csv")] = False,
) -> None:
    """Print the list, one OpenID a line."""
    whose = _whose(run, account, every=every)
    found = suppressions.every_suppressed(run.engine, None if every else whose)
    if run.as_json:
        run.terminal.stream_json("suppressed", map(_row_of, found))
    elif as_csv:
        run.terminal.stream(_table(found))
    elif every:
        # Somebody may be there for several kinds.
        each = groupby(found, key=lambda one: (one.account, one.openid))
        run.terminal.stream(f"{person}\n".encode() for (_, person), _ in each)
    else:
        pieces = map(openid.unpack, suppressions.pieces(run.engine, whose))
        run.terminal.stream(openid.with_end(some, b"\n") for some in pieces)


@suppress.command("import", help="help.suppress.import")
def import_(
    run: Run,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="help.suppress.file", show_default=False)
    ],
    *,
    account: AccountName = None,
    every: EveryAccount = False,
    why: Why = None,
) -> None:
    """Add everybody whom a file names to the list."""
    whose = _whose(run, account, every=every)
    word = SuppressionSource(kind=SuppressionKind.IMPORT, who=who(), why=why)
    with _in_file(file) as people:
        _add(run, people, word, whose=whose)


def _people(openids: list[str] | None, file: Path | None) -> AbstractContextManager[Iterable[str]]:
    return nullcontext(_checked(openids or ())) if file is None else _in_file(file)


@contextmanager
def _in_file(file: Path) -> Iterator[Iterator[str]]:
    """Yield the OpenIDs of a file, each once. Raises InputError if a line names nobody."""
    # numpy is for who reads a list.
    from producer.audience import openid_list

    with openid_list.read("-" if str(file) == "-" else file, least=1) as people:
        if people.malformed.count:
            raise _malformed(file, people.malformed)
        yield openid.each_of(chunk.packed for chunk in people.chunks())


def _malformed(file: Path, found: Any) -> InputError:
    """Return the error that names the first lines that hold no OpenID."""
    lines = [Message("suppress.line", n=n, text=text) for n, text in found.sample[:NAMED]]
    return InputError("error.suppress.malformed", file=str(file), count=found.count, lines=lines)


def _whose(run: Run, account: str | None, *, every: bool) -> str:
    if every and account is not None:
        raise InputError("error.usage.account_or_all")
    return ALL_ACCOUNTS if every else run.account(account).name


def _checked(openids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(map(checked_openid, openids)))


def _named(whose: str) -> Message | str:
    return Message("suppress.every_account") if whose == ALL_ACCOUNTS else whose


def _of_json(whose: str) -> str | None:
    return None if whose == ALL_ACCOUNTS else whose


def _add(run: Run, people: Iterable[str], word: SuppressionSource, *, whose: str) -> None:
    added = suppressions.suppress(run.engine, people, word, account=whose)
    run.say("suppress.added", account=_named(whose), n=added.new)
    if added.already:
        run.say("suppress.already", n=added.already)
    figures = {"added": added.new, "already": added.already}
    run.show_done({"account": _of_json(whose), **figures})


def _row_of(one: Suppressed) -> dict[str, Any]:
    return {
        "openid": one.openid,
        "account": _of_json(one.account),
        **members(one, "kind", "since"),
        "who": clean(one.who),
        "why": one.why and clean(one.why),
    }


def _table(found: Iterable[Suppressed]) -> Iterator[bytes]:
    yield codecs.BOM_UTF8 + row(COLUMNS)
    for one in found:
        cells = ["" if cell is None else str(cell) for cell in _row_of(one).values()]
        yield row(map(harmless, cells))
