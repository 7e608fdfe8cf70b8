"""Before a broadcast is stored: it is shown on a terminal, and a person is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import API_BASE, Account
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.cooling_off import CoolingOff
from broadcast.rules.plan.audience import Everyone
from broadcast.settings.program_settings import UP_ACCOUNTS, USUAL_REDIS
from broadcast.views import overlap_words
from broadcast.views.words import Moment
from entrypoints.cli import confirmation, ledger_facts, questions
from entrypoints.cli.confirmation import question, summary
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.question_screen import NOTICE, fitting, weighed
from entrypoints.cli.run import Run
from entrypoints.cli.send_options import ListFile, NarrowingOptions, Target
from models import schema
from producer.submit.order import Order
from producer.submit.prepare import Prepared

if TYPE_CHECKING:
    from entrypoints.cli.tag_lookup import Tags
    from producer.submit.checks import ListedTag


class Ask(Enum):
    """The person who sees a broadcast before it is stored."""

    NOBODY = auto()  #: no terminal
    SHOW = auto()  #: a terminal, and it was said before that it may go
    ASK = auto()


def is_said(*, to_all: bool, yes: bool, yes_to_all: bool) -> bool:
    """Return whether it was said that it may go: a bare yes is no word for everybody."""
    return yes_to_all or (yes and not to_all)


def ask_of(*, said: bool) -> Ask:
    """Return who sees it; *said*: as :func:`is_said`."""
    if not is_terminal():
        return Ask.NOBODY
    return Ask.SHOW if said else Ask.ASK


@frozen
class SendRequest:
    """Request of the command line."""

    target: Target
    narrowing: NarrowingOptions
    tags: Tags
    order: Order
    ask: Ask
    #: For how long the first call is kept back once a person has said yes.
    cooling_off: CoolingOff
    #: The ids of what is confirmed already.
    confirmed: Collection[str] = ()
    #: What sends the same to the rest of an earlier broadcast; None: no command does.
    to_the_rest: str | Message | None = None
    #: Whose run it is, where it is a campaign's.
    campaign: Message | None = None
    #: What repeats this one safely.
    repeat: str | Message
    #: A preview can be sent of what it has now.
    has_preview: bool = True
    #: Says which command shows what does not fit before the question.
    more: str = "send.more"

    @property
    def path(self) -> SendPath:
        """The interface of WeChat's that it goes by."""
        target = self.target
        return SendPath.MASS_SEND if isinstance(target, ListFile) else target.path


class Asking:
    """What a person sees of one broadcast, and is asked."""

    def __init__(self, run: Run, wish: SendRequest) -> None:
        """*wish*: the request."""
        self._run = run
        self._terminal = run.terminal
        self._wish = wish
        #: The tags that are named, as WeChat has them.
        self.tags: Sequence[ListedTag] = ()
        #: Before the question it was said whether a worker answers.
        self.workers_are_named = False

    def show(
        self, prepared: Prepared, warnings: Iterable[Message], *, asks: bool = False
    ) -> str | None:
        """Show the broadcast to be sent, with *warnings*; return what opens its account, if off.

        *asks*: a question follows, so that only the weightiest lines are shown.
        """
        order, path = self._wish.order, self._wish.path
        lanes, engine = ledger_facts.lanes(self._run.engine), self._run.engine
        opens = lanes.opened_by(order.account.name, path)
        facts = summary(
            order,
            prepared,
            stops=lanes.stops(order.account.name, path),
            now=prepared.now,
            content=confirmation.content_lines(engine, order.content),
            blocked=opens is not None,
        )
        lines = [*weighed([*facts, *map(_tag, self.tags)])]
        lines += [(NOTICE, one) for one in self._notices(prepared, warnings, asks=asks)]
        self._terminal.note_each(
            fitting(self._terminal, lines, more=self._wish.more)
            if asks
            else (line for _, line in lines)
        )
        return opens

    def _notices(
        self, prepared: Prepared, warnings: Iterable[Message], *, asks: bool
    ) -> Iterator[Message]:
        """Yield what a person may have overlooked, the weightiest first."""
        order = self._wish.order
        # The question says it as well.
        for other in () if asks else self.beside(prepared):
            yield Message("output.warning", text=other)
        if asks and order.scheduled_at is None:
            self.workers_are_named = True
            yield from self.who_sends(scheduled=False)
        if UP_ACCOUNTS.is_file() and order.account.api_base == API_BASE:
            beside = Message("send.real_beside_simulator", account=order.account.name)
            warnings = [beside, *warnings]
        known = list(self._overlaps(prepared))
        yield from known[:1]
        # That the calls left are unknown stands beside those that it needs.
        for warning in sorted(warnings, key=lambda one: one.id == "notice.plan.unproved"):
            # The question says it as well.
            if not (asks and warning.id == "notice.administrator_asked"):
                yield Message("output.warning", text=warning)
        yield from known[1:]

    def beside(self, prepared: Prepared) -> Sequence[Message]:
        """Return what else goes to everybody on the day of a send to everybody."""
        if not isinstance(self._wish.target, Everyone):
            return ()
        from models.ledger.campaigns import counted_sends

        campaign = self._wish.campaign
        return counted_sends.beside_to_all(
            self._run.engine,
            self._wish.order.account,
            prepared.starts,
            name=str(campaign.facts["name"]) if campaign else "",
        )

    def _overlaps(self, prepared: Prepared) -> Iterator[Message]:
        """Yield earlier and coming broadcasts to the followers of the list, and alternatives."""
        known, estimate, now = prepared.known, prepared.estimate, prepared.now
        if known is None:
            return
        drawn = prepared.body.selection.sample is not None
        sample = drawn and estimate is not None and not estimate.at_most
        yield from overlap_words.overlap_lines(known, Moment(now, now), sample=sample)
        # Where nobody is asked, it is stored before anybody can do something else instead.
        send = self._wish.to_the_rest
        if self._wish.ask is not Ask.SHOW and send is not None:
            yield from overlap_words.instead(known, send)

    def is_shown(self, prepared: Prepared) -> bool:
        """Return whether a person sees it before it is stored: on a terminal, where it is new."""
        return self._wish.ask is not Ask.NOBODY and prepared.existing is None

    def why_unproved(self, why: BroadcastError | None) -> list[Message]:
        """Return why the calls left are unknown: of a broken account in the words of `up`'s check.

        Raises InputError where a person would be asked for a send that cannot go out.
        """
        if why is None or self._wish.ask is not Ask.ASK:
            return [] if why is None else [why.message]
        order = self._wish.order
        facts = broken(self._run, order.account, why)
        if facts is None:
            return [why.message]
        if order.scheduled_at is None:
            raise InputError("error.send.account_broken", **facts)
        return [Message("send.account_broken", **facts)]

    def cooled_off(self, prepared: Prepared) -> Prepared:
        """Add for how long its first call is kept back, by the number of people known now.

        Of WeChat's own lists it is not known: they count as large.
        """
        kept_back = self._wish.cooling_off.for_people(prepared.people)
        return replace(prepared, terms=replace(prepared.terms, cooling_off=kept_back))

    def may_go(self, prepared: Prepared, warnings: Iterable[Message]) -> bool:
        """Show the broadcast on a terminal, and ask unless it was said that it may go."""
        is_shown = self.is_shown(prepared)
        asks = self._wish.ask is Ask.ASK
        opens = self.show(prepared, warnings, asks=asks) if is_shown else None
        if not questions.may_go(
            prepared.list_owner,
            self._wish.confirmed,
            repeat=self._wish.repeat,
            terminal=self._terminal if is_shown else None,
        ):
            return False
        return not (is_shown and asks) or self._agreed(prepared, opens=opens)

    def _agreed(self, prepared: Prepared, *, opens: str | None) -> bool:
        """Ask with the facts that cannot be corrected afterwards: how many, which list, when.

        For everybody the account's name is asked for: a yes is typed too easily.
        """
        target, account = self._wish.target, self._wish.order.account.name
        is_everyone = isinstance(target, Everyone)
        message = question(
            self._wish.order,
            prepared,
            opens=opens,
            everybody=self._everybody() if is_everyone else None,
            tags={one.id: one.name for one in self.tags},
            preview_to=self._preview_to,
            campaign=self._wish.campaign,
            beside=next(iter(self.beside(prepared)), None),
            source=target.name
            if isinstance(target, ListFile)
            else Message("audience.source.synced"),
        )
        answer = self._answer(prepared, message)
        if not is_everyone:
            return self._terminal.agrees(answer)
        if answer and answer != account:
            self._terminal.note("send.not_the_name", account=account)
        return answer == account

    def _everybody(self) -> Message:
        """Return how many followers there are: by our own list, else as WeChat counts them."""
        from models.ledger.followers import followers as ours

        account = self._wish.order.account
        if known := ours.count(self._run.engine, account.name):
            return Message("send.everyone_known", n=known)
        from broadcast.wechat.api.users import UserGet

        try:
            total = self._run.wechat.ask(account, UserGet()).total
        except BroadcastError:
            return Message("send.everyone")
        return Message("send.everyone_counted", n=total)

    @property
    def _preview_to(self) -> str | None:
        """Who can get a preview first; nobody where the letter for it is the account's name."""
        is_name = self._wish.order.account.name in self._terminal.texts("send.preview").split()
        return self._run.settings.preview_to if self._wish.has_preview and not is_name else None

    def _answer(self, prepared: Prepared, message: Message) -> str:
        """Ask; after each preview that is asked for, ask again."""
        while True:
            answer = self._terminal.ask(message)
            to = self._preview_to
            if to is None or answer.casefold() not in self._terminal.texts("send.preview").split():
                return answer
            self._preview(prepared, to)

    def _preview(self, prepared: Prepared, to: str) -> None:
        """Send the preview, or say in one line why not; a file is uploaded once for both."""
        from entrypoints.cli import previewing

        account = self._wish.order.account
        try:
            each = previewing.calls_of(self._run, account, prepared.content)
            list(previewing.sent(self._run, account, each, receivers=[to]))
        except BroadcastError as error:
            self._terminal.warn(error)

    def who_sends(self, *, scheduled: bool) -> Iterator[Message]:
        """Yield which processes must run for it to be sent, and that none answers."""
        if self._run.settings.redis_is_guessed:
            yield Message("send.redis_guessed", url=USUAL_REDIS)
        try:
            workers = ledger_facts.workers(self._run)
            ours = schema.installation(self._run.engine)
        except OutOfReachError:
            return  # said already, as a warning
        if workers and all(one.installation != ours for one in workers):
            yield Message("output.warning", text=Message("send.other_database"))
        elif scheduled:
            yield Message("send.scheduled_needs" if workers else "send.scheduled_no_worker")
        elif not workers:
            yield Message("send.no_worker")


def broken(run: Run, account: Account, why: BroadcastError) -> Mapping[str, object] | None:
    """Return what *why*, an error of WeChat's, says of a broken account, in `up`'s words."""
    from entrypoints.cli import readiness_checks

    check = readiness_checks.keeping_from_sending(run.settings, account, why)
    if check is None:
        return None
    return {"account": account.name, "found": check.found, "fix": check.fix}


def _tag(one: ListedTag) -> Message:
    name = "confirmation.tag" if one.count is not None else "confirmation.tag_uncounted"
    return Message(name, id=one.id, name=one.name, count=one.count)
