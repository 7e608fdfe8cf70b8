"""``person``: what is stored about one person, and its end (个人信息保护法)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Any, Final

import typer

from broadcast.views.objects import utc
from entrypoints.cli.commands.followers import follower_json
from entrypoints.cli.commands.options import (
    AccountName,
    Why,
    Yes,
    checked_openid,
    new_group,
)
from entrypoints.cli.run import Run, who
from models.ledger.followers import followers
from models.ledger.lists import suppressions
from models.ledger.rows import mentions
from models.ledger.rows.mentions import Mention
from models.ledger.steer import erasures
from models.ledger.views import received

app, person = new_group("person")

OpenID = Annotated[
    str, typer.Argument(metavar="OPENID", help="help.follower.openid", show_default=False)
]
#: More broadcasts than a person can have got.
_ALL: Final = 1_000_000
#: Rows of one person have a column of these; any other row that names them is about others, too.
_OF_A_PERSON: Final = frozenset({"openid", "target"})


@person.command("export", help="help.person.export", json=False)
def export(run: Run, one: OpenID, *, account: AccountName = None) -> None:
    """Print all that is stored about a person, as JSON."""
    checked_openid(one)
    whose, engine = run.account(account).name, run.engine
    known = followers.of_openid(engine, whose, one)
    suppressed = suppressions.of_openid(engine, whose, one)
    got = received.of_openid(engine, whose, one, most=_ALL)
    rows = _rows(mentions.mentions(engine, whose, one), one)
    first = list(islice(rows, 1))
    if not (known or suppressed or got or first):
        run.note("person.unknown", account=whose)
    beside = {"account": whose, "openid": one, **follower_json(known, suppressed, got)}
    run.terminal.stream_json("rows", chain(first, rows), beside=beside)


def _rows(found: Iterator[Mention], one: str) -> Iterator[Mapping[str, Any]]:
    for each in found:
        row = {"table": each.table.name}
        names = [name for name in _OF_A_PERSON & each.row.keys() if each.row[name] == one]
        keys = [key.name for key in each.table.primary_key]
        for name in each.row if names else keys:
            value = each.row[name]
            row[name] = utc(value) if isinstance(value, datetime) else value
        yield row


@person.command("erase", help="help.person.erase")
def erase(
    run: Run,
    one: OpenID,
    *,
    account: AccountName = None,
    yes: Yes = False,
    why: Why = None,
) -> None:
    """Erase a person, once that is confirmed."""
    checked_openid(one)
    whose = run.account(account).name
    run.confirm(
        "person.question",
        "person.declined",
        "error.person.unasked",
        yes=yes,
        openid=one,
        account=whose,
    )
    done = erasures.erase(run.engine, whose, one, who=who(), why=why)
    run.say("person.erased", n=done.broadcasts, rows=done.rows, account=whose)
    run.show_done({"account": whose, "broadcasts": done.broadcasts, "rows": done.rows})
