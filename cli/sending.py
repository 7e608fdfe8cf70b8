"""From a checked command line to a stored broadcast: read, show, ask, store, tell."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from sqlalchemy import Engine

from broadcast import plan, report_json
from broadcast.errors import BroadcastError, OutOfReachError
from broadcast.reports import Report
from broadcast.states import BroadcastState
from broadcast.text import t
from cli import exits, output, standing, waiting, words
from cli.brake import summary
from cli.following import Until
from cli.wiring import database
from cli.wiring.broker import bell
from models.ledger.reading import reports
from models.ledger.submits import find
from producer import audience as audiences
from producer.audience import Audience
from producer.submit import (
    Order,
    Prepared,
    Submitted,
    prepare,
    refuse_what_does_not_fit,
    store,
)


class Ask(Enum):
    """Who is shown the broadcast before it is stored."""

    NOBODY = auto()  #: no terminal
    TELL = auto()  #: a terminal, and ``--yes``
    ASK = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line asks for."""

    source: str
    order: Order
    ask: Ask
    as_json: bool


class RefusedError(BroadcastError):
    """An error of a part that is away, with what became of the broadcast."""

    exit_status = exits.OUT_OF_REACH


def send_wish(wish: Wish, *, repeat: str, dry_run: bool, until: Until | None) -> int:
    """Submit a broadcast, or only prove its plan; return the exit status."""
    with _read(wish) as audience:
        from cli.wiring.wechat import WeChatQuota  # noqa: PLC0415 - see _import_beside

        quota = WeChatQuota()
        with _told("send.dry_run_failed" if dry_run else "send.not_stored", repeat):
            engine = database.engine()
            prepared = prepare(wish.order, audience, engine=engine, quota=quota)
        if dry_run:
            return _dry_run(wish, prepared, quota.why, engine=engine)
        refuse_what_does_not_fit(prepared)
        doubts = [*map(str, prepared.notices), *_reason(quota.why)]
        if not _may_go(wish, prepared, doubts, engine=engine):
            output.note(t("send.declined"))
            return exits.FAILED
        try:
            with _told("send.maybe_stored", repeat):
                submitted = store(prepared, audience, engine=engine, bell=bell())
        except KeyboardInterrupt:
            return _interrupted(engine, prepared, repeat=repeat)
    for warning in [*map(str, submitted.notices), *_reason(quota.why)]:
        # What was told before the question is not told twice.
        if warning not in doubts or not _is_shown(wish, prepared):
            output.warn(warning)
    _tell(wish, submitted, engine=engine, followed=until is not None)
    if until is not None:
        return waiting.wait(engine, submitted.id, until=until, as_json=wish.as_json)
    if wish.as_json:
        output.show_json(report_json.as_json(reports.report(engine, submitted.id)))
    return exits.DONE


def _import_beside() -> None:
    """Import what comes after the reading beside it: reading leaves a core free half the time."""

    def work() -> None:
        import cli.wiring.wechat as _wechat  # noqa: F401, PLC0415

    threading.Thread(target=work, daemon=True).start()
    # It starts a thread itself, for all that may be imported in one.
    bell().prepare()


@contextmanager
def _read(wish: Wish) -> Iterator[Audience]:
    source = wish.source
    if source == "-" and sys.stdin.isatty():
        output.note(t("send.reading_terminal"))
    _import_beside()
    with audiences.read("-" if source == "-" else Path(source)) as audience:
        yield audience


@contextmanager
def _told(message_id: str, repeat: str) -> Iterator[None]:
    """Let an error of a part that is away tell what was stored, and how to go on safely."""
    try:
        yield
    except OutOfReachError as error:
        problem = RefusedError(message_id, problem=str(error), command=repeat)
    else:
        return
    raise problem


def _dry_run(wish: Wish, prepared: Prepared, why: BroadcastError | None, *, engine: Engine) -> int:
    if prepared.existing is not None:
        told = reports.report(engine, prepared.existing)
        _tell_existing(told)
        if wish.as_json:
            output.show_json(report_json.as_json(told))
        return exits.DONE
    # Why it could not be proved stands in the error at the end.
    _show(wish, prepared, map(str, prepared.notices), engine=engine)
    proof = prepared.proof
    assert proof is not None
    if wish.as_json:
        output.show_json(_proof_json(wish, prepared, proof))
    match proof.fit:
        case plan.Fit.FITS | plan.Fit.SPREADS:
            output.note(t("dry_run.fits"))
            return exits.DONE
        case plan.Fit.UNPROVED:
            return output.fail(t("dry_run.unproved", why=str(why)), status=exits.OUT_OF_REACH)
    output.note(str(plan.too_many(proof)))
    return exits.FAILED


def _proof_json(wish: Wish, prepared: Prepared, proof: plan.Proof) -> dict[str, object]:
    figures = prepared.figures
    return {
        "id": None, "state": None, "account": wish.order.account.name, "key": wish.order.key,
        "audience": {
            "read": figures.read, "malformed": figures.malformed,
            "duplicate": figures.duplicate, "planned": figures.planned,
        },
        "batches": {"total": len(prepared.sizes)},
        "plan": {
            "fit": proof.fit.value, "calls": proof.calls, "free": proof.free, "days": proof.days,
        },
        "error": None,
    }  # fmt: skip


def _show(wish: Wish, prepared: Prepared, warnings: Iterable[str], *, engine: Engine) -> bool:
    """Show what will be sent, with *warnings*; return whether its account stands still."""
    stops = list(standing.lanes(engine).stops(wish.order.account.name))
    for line in summary(wish.order, prepared, stops=stops, now=prepared.now):
        output.note(line)
    for warning in warnings:
        output.warn(warning)
    return bool(stops)


def _is_shown(wish: Wish, prepared: Prepared) -> bool:
    """Tell whether a person sees it before it is stored: on a terminal, where it is a new one."""
    return wish.ask is not Ask.NOBODY and prepared.existing is None


def _may_go(wish: Wish, prepared: Prepared, warnings: list[str], *, engine: Engine) -> bool:
    """Show the broadcast on a terminal, and ask unless ``--yes`` was said."""
    if not _is_shown(wish, prepared):
        return True
    stands = _show(wish, prepared, warnings, engine=engine)
    return wish.ask is Ask.TELL or _agreed(wish.order.account.name, stands=stands)


def _interrupted(engine: Engine, prepared: Prepared, *, repeat: str) -> int:
    """Say whether Ctrl-C came before or after the broadcast was stored."""
    try:
        stored = find(engine, prepared.body)
    except BroadcastError:
        # A second Ctrl-C left the half of an upload under its key, or the database is away.
        output.note(t("send.interrupted_unsure", command=repeat))
        return exits.INTERRUPTED
    output.note(t("send.interrupted_stored", id=stored) if stored else t("send.interrupted"))
    return exits.INTERRUPTED


def _reason(why: BroadcastError | None) -> list[str]:
    return [] if why is None else [str(why)]


def _agreed(account: str, *, stands: bool) -> bool:
    output.note(t("send.ask_standing", account=account) if stands else t("send.ask"))
    return sys.stdin.readline().strip().casefold() in t("send.yes").split()


def _tell(wish: Wish, submitted: Submitted, *, engine: Engine, followed: bool) -> None:
    """Say that it is stored, and how to go on; who follows it already needs no command for it."""
    at = wish.order.scheduled_at
    if not submitted.created:
        _tell_existing(reports.report(engine, submitted.id, whole=False))
    elif at is not None and submitted.state is BroadcastState.SCHEDULED:
        output.say(t("send.scheduled", id=submitted.id, at=words.moment(at, submitted.now)))
    else:
        output.say(t("send.stored_followed" if followed else "send.stored", id=submitted.id))
        if at is not None:
            output.say(t("send.at_passed", at=words.moment(at, submitted.now)))
    account = wish.order.account.name
    if submitted.created and standing.waits_for_unhalt(engine, account):
        output.say(t("send.standing", account=account))


def _tell_existing(told: Report) -> None:
    """Say what became of the broadcast that has this key: a cancelled one is never sent."""
    if told.state is BroadcastState.CANCELLED:
        output.say(t("send.existing_cancelled", id=told.id, key=told.key))
        return
    state = words.broadcast_state(told.state)
    output.say(t("send.existing", id=told.id, key=told.key, state=state))
