"""From a checked command line to a stored broadcast: read, show, ask, store, tell."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from pathlib import Path

from broadcast import plan
from broadcast.errors import BroadcastError, OutOfReachError
from broadcast.message import Message
from broadcast.reports import Report
from broadcast.settings import USUAL_REDIS
from broadcast.states import BroadcastState
from cli import exits, ledger_facts, showing
from cli.confirmation import summary
from cli.following import Until
from cli.wiring.run import Run
from models.ledger.reading import reports
from models.ledger.submits import find
from presentation.words import Moment
from producer import audience as audiences
from producer.audience import Audience
from producer.audience.source import STDIN
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


class StoppedError(BroadcastError):
    """Ctrl-C came before anything was stored."""

    exit_status = exits.INTERRUPTED


class Sending:
    """One ``broadcast send``."""

    def __init__(self, run: Run, wish: Wish, *, repeat: str | Message) -> None:
        """Take what is asked for, and the command that repeats it safely."""
        self._run = run
        self._terminal = run.terminal
        self._wish = wish
        self._repeat = repeat

    def send(self, until: Until | None) -> int:
        """Submit the broadcast, follow it *until* then, and return the exit status."""
        with self._read() as audience:
            with _nothing_stored():
                prepared, why = self._prepared(audience, "send.not_stored")
                refuse_what_does_not_fit(prepared)
                shown = [*prepared.notices, *_problem(why)]
                if not self._may_go(prepared, shown):
                    self._terminal.note("send.declined")
                    return exits.FAILED
            try:
                with self._told("send.maybe_stored"):
                    engine = self._run.engine
                    submitted = store(prepared, audience, engine=engine, waker=self._run.waker)
            except KeyboardInterrupt:
                return self._interrupted(prepared)
        for warning in (*submitted.notices, *_problem(why)):
            # What was told before the question is not told twice.
            if warning not in shown or not self._is_shown(prepared):
                self._terminal.warn(warning)
        self._tell(submitted, followed=until is not None)
        if until is not None:
            as_json = self._wish.as_json
            return showing.wait(self._run, submitted.id, until=until, as_json=as_json)
        if self._wish.as_json:
            showing.show_json(self._run, reports.report(self._run.engine, submitted.id))
        return exits.DONE

    def dry_run(self) -> int:
        """Prove the plan, store nothing, and return the exit status."""
        with self._read() as audience:
            prepared, why = self._prepared(audience, "send.dry_run_failed")
        if prepared.existing is not None:
            return self._show_existing(prepared.existing)
        # Why it could not be proved stands in the error at the end.
        self._show(prepared, prepared.notices)
        proof = prepared.proof
        assert proof is not None
        if self._wish.as_json:
            self._terminal.show_json(_proof_json(self._wish, prepared, proof))
        match proof.fit:
            case plan.Fit.FITS | plan.Fit.SPREADS:
                self._terminal.note("dry_run.fits")
                return exits.DONE
            case plan.Fit.UNPROVED:
                status = exits.OUT_OF_REACH
                return self._terminal.fail("dry_run.unproved", why=why or "", status=status)
        self._terminal.note(plan.too_many(proof))
        return exits.FAILED

    @contextmanager
    def _read(self) -> Iterator[Audience]:
        source = self._wish.source
        if source == "-" and sys.stdin.isatty():
            self._terminal.note("send.reading_terminal")
        with _nothing_stored():
            read = audiences.read("-" if source == "-" else Path(source))
        with read as audience:
            yield audience

    def _prepared(self, audience: Audience, failed: str) -> tuple[Prepared, BroadcastError | None]:
        """Hold the order against the ledger and WeChat; return why WeChat gave no answer, too."""
        from cli.wiring.wechat import QuotaWithReason  # noqa: PLC0415 - not for a list that is bad

        quota = QuotaWithReason(self._run.wechat)
        with self._told(failed):
            engine = self._run.engine
            prepared = prepare(self._wish.order, audience, engine=engine, quota=quota)
        return prepared, quota.why

    @contextmanager
    def _told(self, message_id: str) -> Iterator[None]:
        """Let an error of a part that is away tell what was stored, and how to go on safely."""
        try:
            yield
        except OutOfReachError as error:
            problem = RefusedError(message_id, problem=error, command=self._repeat)
        else:
            return
        raise problem

    def _show(self, prepared: Prepared, warnings: Iterable[Message]) -> bool:
        """Show what will be sent, with *warnings*; return whether its account stands still."""
        lanes = ledger_facts.lanes(self._run.engine)
        account = self._wish.order.account.name
        stops = lanes.stops(account)
        for line in summary(self._wish.order, prepared, stops=stops, now=prepared.now):
            self._terminal.note(line)
        for warning in warnings:
            self._terminal.warn(warning)
        return lanes.stands_still(account)

    def _is_shown(self, prepared: Prepared) -> bool:
        """Tell whether a person sees it before it is stored: on a terminal, where it is new."""
        return self._wish.ask is not Ask.NOBODY and prepared.existing is None

    def _may_go(self, prepared: Prepared, warnings: Iterable[Message]) -> bool:
        """Show the broadcast on a terminal, and ask unless ``--yes`` was said."""
        if not self._is_shown(prepared):
            return True
        blocked = self._show(prepared, warnings)
        return self._wish.ask is Ask.TELL or self._agreed(prepared, blocked=blocked)

    def _agreed(self, prepared: Prepared, *, blocked: bool) -> bool:
        """Ask with the facts that cannot be mended afterwards: how many, which list, when."""
        order, terminal = self._wish.order, self._terminal
        question = "send.question_blocked" if blocked else "send.question"
        given = self._wish.source
        answer = terminal.ask(
            question, n=prepared.figures.planned, account=order.account.name,
            source=STDIN if given == "-" else Path(given).name,
            when=_when(order.scheduled_at, prepared.now),
        )  # fmt: skip
        return terminal.agrees(answer)

    def _interrupted(self, prepared: Prepared) -> int:
        """Say whether Ctrl-C came before or after the broadcast was stored."""
        try:
            stored = find(self._run.engine, prepared.body)
        except BroadcastError:
            # A second Ctrl-C left the half of an upload under its key, or the database is away.
            self._terminal.note("send.interrupted_unsure", command=self._repeat)
            return exits.INTERRUPTED
        if stored:
            self._terminal.note("send.interrupted_stored", id=stored)
        else:
            self._terminal.note("send.interrupted")
        return exits.INTERRUPTED

    def _tell(self, submitted: Submitted, *, followed: bool) -> None:
        """Say that it is stored, and how to go on; who follows it needs no command for it."""
        at = self._wish.order.scheduled_at
        terminal, engine = self._terminal, self._run.engine
        if not submitted.created:
            terminal.say(_existing(reports.report(engine, submitted.id, whole=False)))
        elif at is not None and submitted.scheduled:
            terminal.say("send.scheduled", id=submitted.id, at=Moment(at, submitted.now))
        else:
            terminal.say("send.stored_followed" if followed else "send.stored", id=submitted.id)
            if at is not None:
                terminal.say("send.at_passed", at=Moment(at, submitted.now))
        if submitted.created:
            self._tell_what_waits()
            self._tell_who_sends(scheduled=submitted.scheduled)

    def _tell_what_waits(self) -> None:
        """Say that the account makes no call now; who was shown it before is told of a halt."""
        account, lanes = self._wish.order.account.name, ledger_facts.lanes(self._run.engine)
        if lanes.stands_still(account):
            self._terminal.say("send.blocked", account=account)
        elif self._wish.ask is Ask.NOBODY and self._wish.order.scheduled_at is None:
            for line in lanes.waits(account):
                self._terminal.say(line)

    def _tell_who_sends(self, *, scheduled: bool) -> None:
        """Say what must run for it to be sent, and that nobody answers."""
        terminal = self._terminal
        if self._run.settings.redis_is_guessed:
            terminal.note("send.redis_guessed", url=USUAL_REDIS)
        try:
            answers = self._run.waker.somebody_answers()
        except OutOfReachError:
            return  # said already, as a warning
        if scheduled:
            terminal.note("send.scheduled_needs" if answers else "send.scheduled_no_worker")
        elif not answers:
            terminal.note("send.no_worker")

    def _show_existing(self, broadcast_id: str) -> int:
        report = reports.report(self._run.engine, broadcast_id)
        self._terminal.say(_existing(report))
        if self._wish.as_json:
            showing.show_json(self._run, report)
        return exits.DONE


@contextmanager
def _nothing_stored() -> Iterator[None]:
    """Let Ctrl-C tell that nothing was stored."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError("send.interrupted") from None


def _when(at: datetime | None, now: datetime) -> Message:
    if at is None:
        return Message("send.when_now")
    return Message("send.when", at=Moment(at, now))


def _existing(report: Report) -> Message:
    """Tell what became of the broadcast that has this key: a cancelled one is never sent."""
    if report.state is BroadcastState.CANCELLED:
        return Message("send.existing_cancelled", id=report.id, key=report.key)
    return Message("send.existing", id=report.id, key=report.key, state=report.state)


def _problem(why: BroadcastError | None) -> list[Message]:
    return [] if why is None else [why.message]


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
