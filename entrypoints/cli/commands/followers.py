"""``followers``: our copy of WeChat's list; ``follower``: what is known of one person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broadcast import day
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.suppressions import ALL_ACCOUNTS, Suppressed, SuppressionKind
from broadcast.views.objects import members, utc
from broadcast.views.words import Moment, member, speaker
from broadcast.wechat.deadline import Timeouts
from entrypoints.cli import exits
from entrypoints.cli.commands.options import (
    AccountName,
    alone,
    checked_openid,
    new_group,
)
from entrypoints.cli.run import Run, who
from models.ledger.followers import follower_syncs
from models.ledger.followers import followers as ledger_followers
from models.ledger.followers.follower_syncs import Sync
from models.ledger.followers.followers import Follower
from models.ledger.lists import suppressions
from models.ledger.rows.transaction import present
from models.ledger.views import received
from models.ledger.views.received import Received

if TYPE_CHECKING:
    from entrypoints.cli.sync_progress import FollowerProgress
    from producer.followers import Coverage

#: Nobody waits for each single answer, and a page has 300 kB.
PATIENT = Timeouts()
app, followers = new_group("followers")


@alone(followers)
@followers.command(help="help.followers.status")
def status(run: Run, *, account: AccountName = None) -> None:
    """Show the number of followers, its date, and a pass under way."""
    whose = run.account(account)
    run.say_all(_shown(run, whose))
    if run.as_json:
        run.show_json(_as_json(run, whose))


@followers.command(help="help.followers.sync")
def sync(
    run: Run,
    *,
    account: AccountName = None,
    details: Annotated[bool, typer.Option("--details", help="help.followers.sync.details")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="help.followers.sync.anew")] = False,
) -> int:
    """Copy WeChat's list of followers into the ledger."""
    # numpy, rich and the client of WeChat are for who syncs alone.
    from producer import followers as producer_followers

    whose, engine, moment = run.account(account), run.engine, present(run.engine)
    with _asking(run, whose, "sync.interrupted", now=moment) as progress:
        done = producer_followers.sync(
            engine,
            whose,
            run.wechat.client(whose, PATIENT),
            who=who(),
            watcher=progress,
            anew=anew,
            details=details,
        )
    if done.out_of_calls:
        until = Moment(day.turn(moment), moment)
        facts = {"listed": done.sync.listed, "total": done.sync.total, "account": whose.name}
        kind = "sync.out_of_calls" if done.sync.pages else "sync.out_of_calls_at_once"
        lines = [Message(kind, until=until, **facts)]
    else:
        lines = list(_ended(done.sync))
    run.say_all(lines)
    whole = not done.out_of_calls and done.sync.ended == "complete"
    coverage = _asked(run, whose) if details and not done.out_of_calls else None
    error = _out_of_calls(run, whose, coverage) if whole else lines[-1]
    if run.as_json:
        shown = {"details": coverage and asdict(coverage)} if details else {}
        why = error and run.terminal.in_words(error)
        run.show_json({**_as_json(run, whose), **shown, "error": why})
    return exits.FAILED if error else exits.DONE


@followers.command("details", help="help.followers.details")
def ask_details(run: Run, *, account: AccountName = None) -> int:
    """Ask WeChat since when the followers of our list follow."""
    whose = run.account(account)
    coverage = _asked(run, whose)
    error = _out_of_calls(run, whose, coverage)
    shown = {"account": whose.name, **asdict(coverage)}
    run.show_json({**shown, "error": error and run.terminal.in_words(error)})
    return exits.FAILED if error else exits.DONE


def _out_of_calls(run: Run, account: Account, coverage: Coverage | None) -> Message | None:
    """Return the line about followers of whom WeChat could not be asked today."""
    if coverage is None or not coverage.left:
        return None
    moment = present(run.engine)
    return Message(
        "details.out_of_calls",
        left=coverage.left,
        until=Moment(day.turn(moment), moment),
        n=coverage.people,
        dated=coverage.dated,
        account=account.name,
    )


def _asked(run: Run, account: Account) -> Coverage:
    """Ask about whoever is not dated, and say how far that came."""
    from producer import followers as producer_followers

    newest, moment = ledger_followers.newest(run.engine, account.name), present(run.engine)
    if newest is None:
        raise InputError("error.followers.no_list", account=account.name)
    with _asking(run, account, "details.interrupted", now=moment) as progress:
        coverage = producer_followers.ask_details(
            run.engine, run.wechat.client(account, PATIENT), newest, watcher=progress
        )
    facts = {"n": coverage.people, "dated": coverage.dated, "account": account.name}
    done = Message("details.done" if coverage.people else "details.all_known", **facts)
    run.say(_out_of_calls(run, account, coverage) or done)
    return coverage


@contextmanager
def _asking(
    run: Run, account: Account, interrupted: str, *, now: datetime
) -> Iterator[FollowerProgress]:
    """Show how the questions go on, and at Ctrl-C how to go on with them."""
    from entrypoints.cli.sync_progress import FollowerProgress

    try:
        with FollowerProgress(run.terminal, now=now) as progress, run.wechat.answering(account):
            yield progress
    except KeyboardInterrupt:
        run.note(interrupted, account=account.name)
        raise


def _ended(sync: Sync) -> Iterator[Message]:
    yield Message(
        "sync.done", account=sync.account, n=sync.followers, joined=sync.joined, left=sync.left
    )
    if sync.ended == "shrunk":
        yield Message("sync.shrunk", account=sync.account, listed=sync.listed)
    elif sync.ended != "complete":
        yield Message("sync.short", account=sync.account, total=sync.total, listed=sync.listed)


def _shown(run: Run, account: Account) -> Iterator[Message]:
    engine, moment = run.engine, present(run.engine)
    newest = ledger_followers.newest(engine, account.name)
    if newest is None:
        yield Message("follower_list.never", account=account.name)
    else:
        at = Moment(newest.finished_at, moment)
        n = ledger_followers.count(engine, account.name)
        yield Message("follower_list.line", account=account.name, n=n, at=at)
        if newest.ended != "complete":
            kind = "shrunk" if newest.ended == "shrunk" else "short"
            yield Message(f"follower_list.{kind}", account=account.name)
    under_way = follower_syncs.under_way(engine, account.name)
    if under_way is not None:
        yield Message(
            "follower_list.under_way" if under_way.pages else "follower_list.begun",
            account=account.name,
            pages=under_way.pages,
            listed=under_way.listed,
            total=under_way.total,
            since=Moment(under_way.started_at, moment),
        )
    suppressed = suppressions.count(engine, account.name)
    if suppressed:
        yield Message("follower_list.suppressed", n=suppressed)


def _as_json(run: Run, account: Account) -> dict[str, Any]:
    newest = ledger_followers.newest(run.engine, account.name)
    under_way = follower_syncs.under_way(run.engine, account.name)
    return {
        "account": account.name,
        "followers": None if newest is None else ledger_followers.count(run.engine, account.name),
        "synced_at": newest and utc(newest.finished_at),
        "complete": newest and newest.ended == "complete",
        "suppressed": suppressions.count(run.engine, account.name),
        "under_way": under_way and members(under_way, "started_at", "pages", "listed", "total"),
        "error": None,
    }


@app.command(help="help.follower")
def follower(
    run: Run,
    one: Annotated[
        str, typer.Argument(metavar="OPENID", help="help.follower.openid", show_default=False)
    ],
    *,
    account: AccountName = None,
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="help.most")] = 20,
) -> None:
    """Show whether a person follows, since when, why they get nothing, and what they got."""
    whose, engine = run.account(account).name, run.engine
    checked_openid(one)
    known = ledger_followers.of_openid(engine, whose, one)
    suppressed = suppressions.of_openid(engine, whose, one)
    # One more than is shown: are there earlier ones?
    got = received.of_openid(engine, whose, one, most=most + 1)
    more, got = len(got) > most, got[:most]
    run.say_all(follower_lines(known, suppressed, got, now=present(run.engine)))
    if more:
        run.say("follower.earlier", n=most, openid=one, account=whose, most=min(10 * most, 1000))
    if pruned := received.pruned(engine, whose):
        run.say("follower.pruned", n=pruned)
    shown = follower_json(known, suppressed, got)
    run.show_done({"account": whose, "openid": one, **shown, "more": more})


def follower_lines(
    known: Follower | None,
    suppressed: Sequence[Suppressed],
    got: Sequence[Received],
    *,
    now: datetime,
) -> Iterator[Message]:
    """Yield a line each: whether they follow, each suppression, each broadcast."""
    yield _follows(known, now)
    for one in suppressed:
        if one.kind is SuppressionKind.KEYWORD:
            yield Message("follower.suppressed_own", since=Moment(one.since, now))
            continue
        every = one.account == ALL_ACCOUNTS
        yield Message(
            "follower.suppressed_for_all" if every else "follower.suppressed",
            since=Moment(one.since, now),
            kind=member(one.kind, prefix="suppress.kind."),
            who=speaker(one.who, one.why),
        )
    for each in got:
        yield _got(each, now)
    if not got:
        yield Message("follower.got_nothing")


def _follows(known: Follower | None, now: datetime) -> Message:
    if known is None:
        return Message("follower.unknown")
    since = known.since and Moment(known.since, now)
    if known.follows:
        kind = "follower.since" if known.since_said else "follower.listed_since"
        return Message(kind, since=since)
    kind = "follower.left" if known.left_said else "follower.not_listed"
    return Message(kind, at=known.left_at and Moment(known.left_at, now))


def _got(each: Received, now: datetime) -> Message:
    facts = {"id": each.broadcast_id, "created": Moment(each.created_at, now)}
    if each.skipped is not None:
        return Message("follower.skipped", why=Message(f"follower.why.{each.skipped}"), **facts)
    if each.never_planned:
        return Message("follower.never_planned", **facts)
    if each.n is None:
        stands = "undecided" if each.undecided else "not_planned"
        return Message(f"follower.{stands}", **facts)
    return Message("follower.in_batch", n=each.n, state=each.state, **facts)


def follower_json(
    known: Follower | None, suppressed: Sequence[Suppressed], got: Sequence[Received]
) -> dict[str, Any]:
    """Return the object."""
    return {
        **members(known, "follows", "since", "left_at"),
        "suppressed": [
            {
                "account": None if one.account == ALL_ACCOUNTS else one.account,
                **members(one, "kind", "since", "who", "why"),
            }
            for one in suppressed
        ],
        "broadcasts": [
            {
                "id": one.broadcast_id,
                **members(one, "title", "created_at"),
                "batch": one.n,
                **members(one, "state", "called_at", "skipped"),
            }
            for one in got
        ],
    }
