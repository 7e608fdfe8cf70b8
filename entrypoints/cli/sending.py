"""From a checked command line to a stored broadcast: read, show, ask, store, tell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from broadcast.errors import BroadcastError, BrokerAwayError, OutOfReachError
from broadcast.message import Message
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan import proof as proof_module
from broadcast.rules.reports import Report
from broadcast.rules.states import BroadcastState
from broadcast.views.words import Moment
from entrypoints.cli import exits, ledger_facts, plan_json, showing
from entrypoints.cli.asking import Ask, Asking, SendRequest
from entrypoints.cli.following import Until
from entrypoints.cli.run import Run
from entrypoints.cli.send_options import ListFile
from models.ledger.submit.submits import find
from models.ledger.views import broadcast_reports
from producer.audience import openid_list
from producer.submit.order import Order, Whom
from producer.submit.prepare import Prepared, Reader, prepare, upload
from producer.submit.store import Submitted, check_fits, store

#: The clocks of the database and of a worker's machine may be this far apart: seconds.
LATER_S: Final = 0.5


class AwayWithOutcomeError(BroadcastError):
    """An error of a part that is away, with the outcome of the broadcast."""

    exit_status = exits.OUT_OF_REACH


class StoppedError(BroadcastError):
    """Ctrl-C came before anything was stored."""

    exit_status = exits.INTERRUPTED


class Sending:
    """One ``broadcast send``."""

    def __init__(self, run: Run, wish: SendRequest) -> None:
        """*wish*: the request."""
        self._run = run
        self._terminal = run.terminal
        self._wish = wish
        self._repeat = wish.repeat
        self._asking = Asking(run, wish)
        #: That nobody has the tag that it goes to, and what WeChat has no more of its content.
        self._doubts: list[Message] = []

    def send(self, until: Until | None) -> int:
        """Submit the broadcast, follow it *until* then, and return the exit status."""
        with self._asked_for() as (order, whom):
            with nothing_stored():
                reader = Reader.PROGRAM if self._wish.ask is Ask.NOBODY else Reader.PERSON
                prepared, why = self._prepared(order, whom, "send.not_stored", reader=reader)
                check_fits(prepared)
                prepared = self._asking.cooled_off(prepared)
                unproved = self._asking.why_unproved(why)
                shown = [*prepared.notices, *self._doubts, *unproved]
                if not self._asking.may_go(prepared, shown):
                    self._terminal.note("send.declined")
                    return exits.FAILED
                prepared = self._uploaded(prepared)
            try:
                with self._with_outcome("send.maybe_stored"):
                    engine = self._run.engine
                    submitted = store(prepared, engine=engine, waker=self._run.waker)
                self._wake_later(submitted)
            except KeyboardInterrupt:
                return self._interrupted(prepared)
        for warning in (*submitted.notices, *self._doubts, *unproved):
            # What was said before the question is not said twice.
            if warning not in shown or not self._asking.is_shown(prepared):
                self._terminal.warn(warning)
        self._tell(submitted, followed=until is not None)
        if until is not None:
            return showing.wait(self._run, submitted.id, until=until, again=self._repeat)
        if self._run.as_json:
            showing.show_json(self._run, broadcast_reports.report(self._run.engine, submitted.id))
        return exits.DONE

    def dry_run(self) -> int:
        """Prove the plan, store nothing, and return the exit status."""
        with self._asked_for() as (order, whom):
            prepared, why = self._prepared(order, whom, "send.dry_run_failed", reader=Reader.PERSON)
        if prepared.existing is not None:
            return self._show_existing(prepared.existing)
        owner = prepared.list_owner
        doubt = [owner.message] if owner is not None and owner.must_be_confirmed else []
        # Why it could not be proved stands in the error at the end.
        notices = [*prepared.notices, *doubt, *self._doubts]
        self._asking.show(prepared, notices)
        proof = prepared.proof
        assert proof is not None
        in_vain = proof_module.in_vain([*self._asking.beside(prepared), *notices])
        shown = plan_json.plan_object(
            self._wish.order, prepared, proof, is_in_vain=in_vain is not None
        )
        self._run.show_done(shown)
        if in_vain is not None:
            self._terminal.note("dry_run.in_vain")
            return exits.FAILED
        match proof.fit:
            case proof_module.Fit.FITS | proof_module.Fit.SPREADS:
                self._terminal.note("dry_run.fits")
                return exits.DONE
            case proof_module.Fit.UNPROVED:
                status = exits.OUT_OF_REACH
                return self._terminal.fail("dry_run.unproved", why=why or "", status=status)
        self._terminal.note(proof_module.too_many(proof))
        return exits.FAILED

    @contextmanager
    def _asked_for(self) -> Iterator[tuple[Order, Whom]]:
        """Yield the order, narrowed, and its audience."""
        order = self._wish.order
        with ExitStack() as stack:
            with nothing_stored():
                narrowed = stack.enter_context(
                    self._wish.narrowing.read(
                        self._run, order.account, key=order.key, tag_id=self._wish.tags.id_of
                    )
                )
            whom = stack.enter_context(self._whom())
            yield replace(order, selection=narrowed.selection, excluded=narrowed.files), whom

    @contextmanager
    def _whom(self) -> Iterator[Whom]:
        """Yield the audience; a list is read first."""
        target = self._wish.target
        if not isinstance(target, ListFile):
            yield target
            return
        source = target.source
        if source == "-" and sys.stdin is not None and sys.stdin.isatty():
            self._terminal.note("send.reading_terminal")
        with nothing_stored():
            read = openid_list.read("-" if source == "-" else Path(source))
        with read as audience:
            yield audience

    def _prepared(
        self, order: Order, whom: Whom, failed: str, *, reader: Reader
    ) -> tuple[Prepared, BroadcastError | None]:
        """Check the order against the ledger and WeChat; return why WeChat gave no answer, too."""
        from producer.wiring.wechat import QuotaWithReason

        quota = QuotaWithReason(self._run.wechat)
        with self._with_outcome(failed):
            engine = self._run.engine
            prepared = prepare(
                order,
                whom,
                engine=engine,
                quota=quota,
                tagged=quota.tagged,
                reader=reader,
                others=[one for one in self._run.settings.accounts() if one != order.account.name],
            )
        if prepared.existing is None and quota.why is None:
            self._asking.tags = self._wish.tags.look_up(prepared.body)
            unread = reader is Reader.PROGRAM and order.scheduled_at is None
            self._doubts = [*self._wish.tags.empty(prepared.body, refuse=unread)]
            # Files that are named here are uploaded again.
            if not prepared.content.names:
                with suppress(BroadcastError):
                    self._doubts += self._run.wechat.gone(order.account, prepared.content.value)
        return prepared, quota.why

    def _uploaded(self, prepared: Prepared) -> Prepared:
        """Upload the files that WeChat lacks; of what is stored already it has them."""
        if prepared.existing is not None:
            return prepared
        from entrypoints.cli.wechat_calls import Uploads

        with self._with_outcome("send.not_stored"):
            return upload(prepared, engine=self._run.engine, uploader=Uploads(self._run.wechat))

    @contextmanager
    def _with_outcome(self, message_id: str) -> Iterator[None]:
        """Replace an error of a part that is away by one with what was stored, and how to go on."""
        try:
            yield
        except OutOfReachError as error:
            raise AwayWithOutcomeError(message_id, problem=error, command=self._repeat) from None

    def _wake_later(self, submitted: Submitted) -> None:
        """Wake its lane when its first call is no longer kept back: that needs no beat."""
        until = submitted.cooling_off_until
        if until is None or submitted.scheduled:
            return
        after_s = (until - submitted.now).total_seconds() + LATER_S
        with suppress(BrokerAwayError):
            self._run.waker.wake_lane(self._wish.order.account.name, submitted.id, after_s=after_s)

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
            terminal.say(_existing(broadcast_reports.report(engine, submitted.id, whole=False)))
        elif at is not None and submitted.scheduled:
            terminal.say("send.scheduled", id=submitted.id, at=Moment(at, submitted.now))
        else:
            terminal.say("send.stored_followed" if followed else "send.stored", id=submitted.id)
            if at is not None:
                terminal.say("send.at_passed", at=Moment(at, submitted.now))
            if submitted.cooling_off_until is not None and not followed:
                left = submitted.cooling_off_until - submitted.now
                terminal.say("blocker.cooling_off", id=submitted.id, left=left)
        if submitted.created:
            self._tell_what_waits(self._wish.path)
            if not self._asking.workers_are_named:
                terminal.note_each(self._asking.who_sends(scheduled=submitted.scheduled))

    def _tell_what_waits(self, path: SendPath) -> None:
        """Say that the account makes no call now; who was shown it before hears of a halt."""
        account, lanes = self._wish.order.account.name, ledger_facts.lanes(self._run.engine)
        if opens := lanes.opened_by(account, path):
            self._terminal.say("send.blocked", command=opens)
        elif self._wish.ask is Ask.NOBODY and self._wish.order.scheduled_at is None:
            self._terminal.say_each(lanes.waits(account, path))

    def _show_existing(self, broadcast_id: str) -> int:
        report = broadcast_reports.report(self._run.engine, broadcast_id)
        self._terminal.say(_existing(report))
        showing.show_json(self._run, report)
        return exits.DONE


@contextmanager
def nothing_stored(said: str = "send.interrupted") -> Iterator[None]:
    """Turn Ctrl-C into the error that nothing was stored."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(said) from None


def _existing(report: Report) -> Message:
    """Return the state of the broadcast that has this key: a cancelled one is never sent."""
    if report.state is BroadcastState.CANCELLED:
        return Message("send.existing_cancelled", id=report.id, key=report.key)
    return Message("send.existing", id=report.id, key=report.key, state=report.state)
