"""The suppression list: put people on it, and lift it again.

What followers say themselves comes by pushes, doubled, late and out of order. So what was lifted
stays as a row, and of two words about one person the later one counts. Everything is done for many
at once: a statement a person would take half a minute for 100,000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from functools import partial
from heapq import merge
from itertools import groupby, islice
from typing import Any, Final, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from broadcast import openid
from broadcast.enums import recognised
from broadcast.frozen import frozen
from broadcast.rules.suppressions import (
    ALL_ACCOUNTS,
    OptOut,
    Suppressed,
    SuppressionKind,
    SuppressionSource,
)
from models.base import change_where, delete_where
from models.engine import now
from models.ledger.rows import locked_rows
from models.ledger.rows.erased_people import IS_ERASED, digest_of
from models.ledger.rows.locked_rows import Changes
from models.ledger.rows.transaction import every_row, read, reading, selected, write_new
from models.suppressions import ListName, Suppression

T = TypeVar("T")
#: People in one transaction, so that no write on SQLite holds others up for over 100 ms.
AT_ONCE = 2_000
#: Who suppressed a follower by a keyword, or lifted that.
_FOLLOWER: Final = "follower"


@frozen
class Added:
    """Numbers of people that are new on the list, and that were on it."""

    new: int
    already: int


@frozen
class Lifted:
    """Numbers of people named, and of those taken off the list."""

    named: int
    people: int
    #: Of these: had put themselves there.
    own: int
    #: Of those who were named: stand there still, for all accounts.
    for_all: int


@frozen
class OptOutMessage:
    """Opt-out (*out*) of a follower by a message, or its withdrawal."""

    openid: str
    #: By WeChat's clock.
    at: datetime
    #: By the database's.
    received_at: datetime
    out: bool


@frozen
class _Stored:
    openid: str
    kind: str
    since: datetime
    who: str
    why: str | None
    lifted_at: datetime | None
    lifted_by: str | None
    change: int


def suppress(
    engine: Engine, openids: Iterable[str], word: SuppressionSource, *, account: str = ALL_ACCOUNTS
) -> Added:
    """Add people to the list, for one account or all; each portion of them is one transaction.

    What is said twice was said at first.
    """

    def portion(some: Sequence[str], connection: Connection) -> Added:
        change = 1 + locked_rows.lock_list_changes(connection, account, ListName.SUPPRESSED)
        all_kinds = _stored(connection, some, account=account, kinds=list(SuppressionKind))
        standing = {one.openid for one in all_kinds if one.lifted_at is None}
        there = {one.openid for one in all_kinds if one.kind == word.kind}
        lifted = sorted(
            one.openid for one in all_kinds if one.kind == word.kind and one.lifted_at is not None
        )
        missing = sorted(set(some) - there)
        if not (missing or lifted):
            return Added(new=0, already=len(some))
        locked_rows.count_list_change(connection, account, ListName.SUPPRESSED, change=change)
        said = {
            "since": now(connection),
            "who": word.who,
            "why": word.why,
            "change": change,
        }
        if missing:
            fixed = {"account": account, "kind": word.kind, **said}
            connection.execute(insert(Suppression), [{**fixed, "openid": one} for one in missing])
        if lifted:
            change_where(
                connection,
                Suppression,
                *_rows_of(account, lifted, kinds=[word.kind]),
                **said,
                lifted_at=None,
                lifted_by=None,
            )
        # Who stands there for another reason was on the list all the same.
        new = len({*missing, *lifted} - standing)
        return Added(new=new, already=len(some) - new)

    added = list(_in_portions(engine, openids, portion))
    return Added(new=sum(one.new for one in added), already=sum(one.already for one in added))


def lift(
    engine: Engine, openids: Iterable[str], *, who: str, account: str = ALL_ACCOUNTS
) -> Lifted:
    """Remove people from the list, whatever put them there; return how many stood on it.

    Each is named once. What stands for all accounts is lifted by ``ALL_ACCOUNTS`` alone, and lifts
    nothing else.
    """

    def portion(some: Sequence[str], connection: Connection) -> Lifted:
        locked_rows.lock_list_changes(connection, account, ListName.SUPPRESSED)
        there = _stored(connection, some, account=account, kinds=list(SuppressionKind))
        standing = [one for one in there if one.lifted_at is None]
        people = {one.openid for one in standing}
        if people:
            connection.execute(
                update(Suppression)
                .where(*_rows_of(account, sorted(people), kinds=list(SuppressionKind)))
                .filter_by(lifted_at=None)
                .values(lifted_at=now(connection), lifted_by=who)
            )
        own = sum(one.kind == SuppressionKind.KEYWORD for one in standing)
        for_all = 0 if account == ALL_ACCOUNTS else _for_all(connection, some)
        return Lifted(named=len(some), people=len(people), own=own, for_all=for_all)

    done = list(_in_portions(engine, openids, portion))
    names = [one.name for one in fields(Lifted)]
    return Lifted(**{name: sum(getattr(one, name) for one in done) for name in names})


def _for_all(connection: Connection, openids: Sequence[str]) -> int:
    people = func.count(Suppression.openid.distinct())
    query = select(people).where(*_rows_of(ALL_ACCOUNTS, openids, kinds=list(SuppressionKind)))
    return connection.scalar(query.where(Suppression.lifted_at.is_(None))) or 0


def apply_opt_outs(engine: Engine, account: str, wishes: Sequence[OptOutMessage]) -> None:
    """Apply opt-outs of followers, in one transaction, in whatever order they come.

    What an operator or a file put there stays.
    """
    if wishes:
        write_new(engine, lambda connection: apply_in(connection, account, wishes))


def apply_in(connection: Connection, account: str, wishes: Sequence[OptOutMessage]) -> None:
    """Do the work of :func:`apply_opt_outs` in a transaction of the caller's."""
    said = dict[str, list[OptOutMessage]]()
    for wish in wishes:
        said.setdefault(wish.openid, []).append(wish)
    kinds = [SuppressionKind.KEYWORD]
    change = 1 + locked_rows.lock_list_changes(connection, account, ListName.SUPPRESSED)
    stored = _stored(connection, list(said), account=account, kinds=kinds)
    there = {one.openid: one for one in stored}
    heard = (_after_messages(there.get(one), some) for one, some in sorted(said.items()))
    rows = [one for one in heard if one != there.get(one.openid)]
    if not rows:
        return
    if any(one.lifted_at is None for one in rows):
        locked_rows.count_list_change(connection, account, ListName.SUPPRESSED, change=change)
        rows = [one if one.lifted_at else replace(one, change=change) for one in rows]
    people = [one.openid for one in rows]
    delete_where(connection, Suppression, *_rows_of(account, people, kinds=kinds))
    new = [{"account": account, **asdict(one)} for one in rows]
    connection.execute(insert(Suppression), new)


def _after_messages(before: _Stored | None, wishes: Sequence[OptOutMessage]) -> _Stored:
    """Return what stands of one person after these words: *before* itself, or something new."""
    first, *others = wishes
    was = None if before is None else _opt_out(before)
    asked = _after(was, first)
    for wish in others:
        asked = _after(asked, wish)
    if before is not None and asked == was:
        return before
    return _Stored(
        openid=first.openid,
        kind=SuppressionKind.KEYWORD,
        since=asked.since,
        who=_FOLLOWER,
        why=None,
        lifted_at=asked.lifted_at,
        lifted_by=None if asked.lifted_at is None else _FOLLOWER,
        change=0 if before is None else before.change,
    )


def _after(there: OptOut | None, wish: OptOutMessage) -> OptOut:
    return OptOut.after(there, out=wish.out, at=wish.at, received_at=wish.received_at)


def _opt_out(stored: _Stored) -> OptOut:
    by_operator = stored.lifted_by not in {None, _FOLLOWER}
    return OptOut(stored.since, stored.lifted_at, by_operator=by_operator)


def _rows_of(
    account: str, openids: Sequence[str], *, kinds: Sequence[SuppressionKind]
) -> tuple[ColumnElement[bool], ...]:
    return (
        Suppression.account == account,
        Suppression.kind.in_(kinds),
        Suppression.openid.in_(openids),
    )


def _stored(
    connection: Connection,
    openids: Sequence[str],
    *,
    account: str,
    kinds: Sequence[SuppressionKind],
) -> Sequence[_Stored]:
    mine = _rows_of(account, openids, kinds=kinds)
    return every_row(connection, selected(_Stored, Suppression).where(*mine), _Stored)


def _in_portions(
    engine: Engine, openids: Iterable[str], work: Callable[[Sequence[str], Connection], T]
) -> Iterator[T]:
    rest = iter(openids)
    while some := tuple(islice(rest, AT_ONCE)):
        yield write_new(engine, partial(work, some))


#: Rows that one transaction reads, and OpenIDs of one piece.
READ_AT_ONCE = 5_000
_KEY = (Suppression.account, Suppression.openid, Suppression.kind)
_COLUMNS = (*_KEY, Suppression.since, Suppression.who, Suppression.why)


@reading
def since(connection: Connection, account: str, known: Changes, *, most: int) -> list[str] | None:
    """Return who was put on the lists after *known*; None: they are more than *most*."""
    later = or_(
        (Suppression.account == account) & (Suppression.change > known.own),
        (Suppression.account == ALL_ACCOUNTS) & (Suppression.change > known.of_all),
    )
    query = select(Suppression.openid).distinct().where(later, Suppression.lifted_at.is_(None))
    found = list(connection.scalars(query.limit(most + 1)))
    return sorted(found) if len(found) <= most else None


def pieces(
    engine: Engine, account: str, *, between: tuple[str, str] | None = None
) -> Iterator[bytes]:
    """Yield the packed OpenIDs of all to whom the account sends nothing, sorted, each once.

    *between*: only from the first of two OpenIDs to the second, both included.
    """
    both = merge(*(_openids(engine, one, between) for one in (account, ALL_ACCOUNTS)))
    each = (one for one, _ in groupby(both))
    while some := "".join(islice(each, READ_AT_ONCE)):
        yield openid.pack(some.encode())


def is_anybody_in(connection: Connection, account: str) -> bool:
    """Return whether there is anybody to whom the account sends nothing."""
    return bool(connection.scalar(_ANY, {"accounts": [account, ALL_ACCOUNTS]}))


any_of = reading(is_anybody_in)


# Built once, as each submit runs it.
_ANY = select(
    exists().where(
        Suppression.lifted_at.is_(None),
        Suppression.account.in_(bindparam("accounts", expanding=True)),
    )
)


@reading
def count(connection: Connection, account: str) -> int:
    """Return to how many people the account sends nothing."""
    return count_in(connection, account)


def count_in(connection: Connection, account: str) -> int:
    """Do the work of :func:`count` in a transaction of the caller's."""
    people = func.count(Suppression.openid.distinct())
    return int(connection.scalar(select(people).where(_stands(account))) or 0)


@reading
def of_openid(connection: Connection, account: str, one: str) -> list[Suppressed]:
    """Return why somebody gets nothing from the account: nothing where they do."""
    known = [one, digest_of(connection)(one.encode()).decode()]
    query = select(*_COLUMNS).where(_stands(account), Suppression.openid.in_(known))
    rows = connection.execute(query.order_by(Suppression.since)).mappings()
    return [_suppressed(row) for row in rows]


def every_suppressed(engine: Engine, account: str | None) -> Iterator[Suppressed]:
    """Yield what stands for an account, with what stands for all; without an account everything."""
    if account is None:
        with read(engine) as connection:
            each = connection.scalars(select(Suppression.account).distinct()).all()
    else:
        each = [account, ALL_ACCOUNTS]
    for one in sorted(set(each)):
        yield from _of_account(engine, one)


def _of_account(engine: Engine, account: str) -> Iterator[Suppressed]:
    openid_, kind = "", ""
    while True:
        with read(engine) as connection:
            rows = connection.execute(_behind(account, openid_, kind)).mappings().all()
        yield from map(_suppressed, rows)
        if len(rows) < READ_AT_ONCE:
            return
        openid_, kind = rows[-1]["openid"], rows[-1]["kind"]


def _behind(account: str, openid_: str, kind: str) -> Select[*tuple[Any, ...]]:
    """Return what stands for one account behind a row.

    Every server finds the place of one bound of one column in its index; of a comparison of rows
    MariaDB does not, and of one in parts PostgreSQL does not.
    """
    return (
        select(*_COLUMNS)
        .where(Suppression.account == account, Suppression.lifted_at.is_(None), ~IS_ERASED)
        .where(Suppression.openid >= openid_)
        .where(or_(Suppression.openid > openid_, Suppression.kind > kind))
        .order_by(Suppression.openid, Suppression.kind)
        .limit(READ_AT_ONCE)
    )


def _stands(account: str) -> ColumnElement[bool]:
    stands = Suppression.lifted_at.is_(None)
    return stands & Suppression.account.in_([account, ALL_ACCOUNTS])


def _openids(engine: Engine, account: str, between: tuple[str, str] | None) -> Iterator[str]:
    """Yield whom one account has on the list, sorted; who is there twice may come twice."""
    after = ""
    query = (
        select(Suppression.openid)
        .filter_by(account=account, lifted_at=None)
        .where(~IS_ERASED)
        .order_by(Suppression.openid)
        .limit(READ_AT_ONCE)
    )
    if between is not None:
        query = query.where(Suppression.openid.between(*between))
    while True:
        with read(engine) as connection:
            found = connection.scalars(query.where(Suppression.openid > after)).all()
        yield from found
        if len(found) < READ_AT_ONCE:
            return
        after = found[-1]


def _suppressed(row: Mapping[Any, Any]) -> Suppressed:
    return Suppressed(**{**row, "kind": recognised(SuppressionKind, row["kind"])})
