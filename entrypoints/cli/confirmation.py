"""The summary shown before a broadcast is stored: it cannot be called back afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Engine

from broadcast import day
from broadcast.errors import SettingsError
from broadcast.message import Message
from broadcast.quoting import one_line, visible
from broadcast.redaction import redact
from broadcast.rules import accounts
from broadcast.rules.accounts import ANSWERS_WITHIN, API_BASE, Account
from broadcast.rules.content import Content
from broadcast.rules.drafts import Marks
from broadcast.rules.gates import cooling_off
from broadcast.rules.media import used
from broadcast.rules.plan import proof as proof_module
from broadcast.rules.plan.audience import Everyone, Followers, Tag
from broadcast.settings import program_settings
from broadcast.views import content as contents
from broadcast.views import overlap_words
from broadcast.views.words import Joined, Moment, sizes
from entrypoints.cli.question_screen import INDENT
from entrypoints.cli.terminal import AsWritten
from producer.submit.order import Order
from producer.submit.prepare import Prepared


def summary(
    order: Order,
    prepared: Prepared,
    *,
    stops: Iterable[Message],
    content: Iterable[Message | AsWritten],
    now: datetime,
    blocked: bool,
) -> Iterator[Message | AsWritten]:
    """Yield account, audience, plan, calls left, content, time and priority, a line each.

    *stops* are why the account is off, *blocked*: it is halted or stopped; *content* are the lines
    about that.
    """
    yield from account_lines(order.account)
    yield from stops
    yield _audience(prepared)
    yield from _left_out(prepared)
    if prepared.body.selection.ignore_suppression:
        yield Message("confirmation.ignores_suppression")
    if prepared.sizes:
        total = len(prepared.sizes)
        yield Message("confirmation.batches", total=total, sizes=sizes(prepared.sizes))
    if prepared.proof is not None:
        yield _calls(prepared.proof, order.account.calls_per_minute)
    if order.terms.title:
        yield Message("confirmation.title", title=order.terms.title)
    yield from content
    yield from articles(order.draft)
    if prepared.keeps_files:
        yield Message("confirmation.keeps_files")
    if order.scheduled_at is None:
        yield Message(f"confirmation.{'when_unhalted' if blocked else 'now'}", at=Moment(now, now))
    else:
        yield Message("confirmation.at", at=Moment(order.scheduled_at, now))
    if order.terms.priority:
        yield Message("confirmation.priority", n=order.terms.priority)


def question(
    order: Order,
    prepared: Prepared,
    *,
    source: str | Message,
    opens: str | None = None,
    tags: Mapping[int, str] = MappingProxyType({}),
    everybody: Message | None = None,
    preview_to: str | None = None,
    campaign: Message | None = None,
    beside: Message | None = None,
) -> Message:
    """Return the question, with the facts that cannot be fixed afterwards: number, list, time.

    *opens*: the command that opens the account, where it is off; *tags*: the names of those that
    are known; *everybody*: how many follow, as far as is known; *preview_to*: who can get a
    preview first; *campaign*: whose run it is; *beside*: what else goes to everybody that day.
    """
    at, estimate = order.scheduled_at, prepared.estimate
    at_most = estimate is not None and estimate.at_most
    known = overlap_words.strongest(prepared.known, at_most=at_most)
    blocked = opens is not None
    when = _when(order, prepared, blocked=blocked)
    audience = prepared.wanted.audience
    recall = Message("send.recall_opened", command=opens)
    if not blocked:
        recall = _recall(prepared, at)
        if isinstance(audience, Everyone):
            recall = _with_administrator(recall, order, prepared)
            recall = _with_its_number(recall, prepared) if beside is None else recall
    if beside is not None:
        recall = Message("send.beside", beside=beside, recall=recall)
    if campaign is not None:
        recall = Message(campaign.id, **campaign.facts, recall=recall)
    name = "send.question_blocked" if blocked else "send.question"
    choices = "send.by_name" if isinstance(audience, Everyone) else "send.choices"
    facts = {
        "account": order.account.name,
        "when": when,
        "choices": Message(choices if preview_to is None else f"{choices}_preview", to=preview_to),
    }
    if isinstance(audience, Everyone):
        # The account's name is typed before everybody is sent to.
        return Message(
            f"{name}_everyone", **facts, who=everybody or Message("send.everyone"), recall=recall
        )
    if isinstance(audience, Tag):
        # Nobody can say how many they are.
        return Message(f"{name}_tag", tag=_tag(audience.tag_id, tags), recall=recall, **facts)
    return Message(
        name if known is None else f"{name}_known",
        who=_who(prepared),
        source=source,
        known=known,
        recall=recall,
        **facts,
    )


def _recall(prepared: Prepared, at: datetime | None) -> Message:
    """Return until when it can be called off without a call."""
    kept_back = prepared.terms.cooling_off
    if cooling_off.ends(kept_back, now=prepared.now, scheduled_at=at) is not None:
        return Message("send.recall_within", span=kept_back)
    return Message("send.no_recall" if at is None else "send.recall_until")


def _with_administrator(recall: Message, order: Order, prepared: Prepared) -> Message:
    """Add until when WeChat waits for the administrator, where the account has it so."""
    if not order.account.send_protection:
        return recall
    until = (order.scheduled_at or prepared.now) + ANSWERS_WITHIN
    return Message("send.administrator", until=Moment(until, prepared.now), recall=recall)


def _with_its_number(recall: Message, prepared: Prepared) -> Message:
    """Add which of WeChat's messages to everybody it is; beyond the last a notice warns."""
    count = prepared.sendalls
    if count is None or count.nth > count.allowance.most:
        return recall
    name = "send.nth_of_month" if count.allowance.a_month else "send.nth_of_day"
    most = count.allowance.most
    return Message(name, nth=count.nth, most=most, month=count.month, recall=recall)


def _when(order: Order, prepared: Prepared, *, blocked: bool) -> Message:
    """Return when it is sent; over several days, to how many on the first and from when on."""
    at, proof = order.scheduled_at, prepared.proof
    is_night = "_at_night" if day.is_night(at or prepared.now) else ""
    if at is not None:
        when = Message(f"send.when{is_night}", at=Moment(at, prepared.now))
    elif blocked:
        when = Message("send.when_unhalted")
    else:
        clock = f"{prepared.now.astimezone(day.SHANGHAI):%H:%M}"
        when = Message(f"send.when_now{is_night}", time=clock)
    if proof is None or proof.fit is not proof_module.Fit.SPREADS:
        return when
    first = sum(prepared.sizes[: proof.free])
    turn = Moment(day.turn(at or prepared.now), prepared.now)
    if not first:
        return Message("send.when_spread_later", turn=turn)
    later = sum(prepared.sizes) - first
    return Message("send.when_spread", when=when, first=first, later=later, turn=turn)


def _tag(tag_id: int, names: Mapping[int, str]) -> int | Message:
    name = names.get(tag_id)
    return tag_id if name is None else Message("send.tag_named", id=tag_id, name=one_line(name))


def _who(prepared: Prepared) -> Message:
    """Return how many would get it, by the facts known now."""
    estimate = prepared.estimate
    if estimate is None:
        return Message("send.followers", n=prepared.figures.planned)
    return Message(
        "send.followers_at_most" if estimate.at_most else "send.followers", n=estimate.left
    )


def _left_out(prepared: Prepared) -> Iterator[Message]:
    """Yield the exclusions of a list, and how many are planned without them."""
    estimate = prepared.estimate
    if estimate is None:
        return
    figures = [Message(f"skip.{reason}", n=n) for reason, n in estimate.left_out.items()]
    if figures:
        yield Message("confirmation.left_out", figures=Joined(figures, "separator"))
    yield Message(
        "confirmation.left_at_most" if estimate.at_most else "confirmation.left", n=estimate.left
    )


def _audience(prepared: Prepared) -> Message:
    """Return the audience: the lines read, or the owner of the list."""
    figures = prepared.figures
    match prepared.wanted.audience:
        case Tag(tag_id=tag):
            return Message("confirmation.audience_tag", tag=tag)
        case Everyone():
            return Message("confirmation.audience_everyone")
        case Followers(tag_id=tag):
            synced = prepared.estimate and prepared.estimate.synced_at
            name = "followers" if tag is None else "followers_tag"
            at = Moment(synced or prepared.now, prepared.now)
            return Message(f"confirmation.audience_{name}", tag=tag, at=at)
    # Who is left out, and how many are planned then, stands on the lines that follow.
    name = "confirmation.audience" if prepared.estimate is None else "confirmation.audience_read"
    return Message(
        name,
        read=figures.read,
        malformed=figures.malformed,
        duplicate=figures.duplicate,
        planned=figures.planned,
    )


def _calls(proof: proof_module.Proof, per_minute: int) -> Message:
    calls, free = proof.calls, proof.free
    match proof.fit:
        case proof_module.Fit.UNPROVED:
            return Message("confirmation.calls_unknown", calls=calls)
        case proof_module.Fit.SPREADS:
            return Message("confirmation.calls_spread", calls=calls, free=free, days=proof.days)
        case proof_module.Fit.TOO_MANY:
            return Message("confirmation.calls_short", calls=calls, free=free, short=proof.short)
    if not per_minute:
        return Message("confirmation.calls", calls=calls, free=free)
    # The calls of a minute may leave at once.
    minutes = (calls - 1) // per_minute
    lasts = Message("confirmation.lasts" if minutes else "confirmation.lasts_seconds", n=minutes)
    return Message("confirmation.calls_paced", calls=calls, free=free, lasts=lasts)


def account_lines(account: Account) -> Iterator[Message]:
    """Yield the account; where its server is not WeChat's own, whose it is as far as is known."""
    kind = Message(f"account_kind.{account.account_kind}")
    yield Message("confirmation.account", name=account.name, appid=account.appid, kind=kind)
    if account.api_base != API_BASE:
        name = "confirmation.simulator" if _is_simulator(account) else "confirmation.server"
        yield Message(name, base=redact(account.api_base), own=API_BASE)


def _is_simulator(account: Account) -> bool:
    """Return whether `broadcast up --simulator` left this account."""
    try:
        left = accounts.from_file(program_settings.UP_ACCOUNTS)
    except SettingsError:
        return False
    return any(one.api_base == account.api_base for one in left.values())


def content_lines(engine: Engine, content: Content) -> Iterator[Message | AsWritten]:
    """Yield the kind and the content that followers will get.

    Raises DatabaseAwayError.
    """
    yield Message("confirmation.content", msgtype=contents.kind(content.msgtype))
    for line in contents.written(content, names(engine, content.value, content.names)):
        yield line if isinstance(line, Message) else _indented(line)


def articles(draft: Marks | None) -> Iterator[Message]:
    """Yield the titles of a draft's articles, where it is known."""
    for n, article in enumerate(draft or (), start=1):
        yield Message("confirmation.article", n=n, title=one_line(article.title))


def names(
    engine: Engine, content: Mapping[str, Any], named: Mapping[str, str] = MappingProxyType({})
) -> Mapping[str, str]:
    """Return the names of the files: those that are *named* now, and those uploaded before."""
    ids = {one for one, _ in used(content)} - named.keys()
    if not ids:
        return named
    from models.ledger.lists import media

    known = {one: f"{name} ({one})" for one, name in media.names(engine, ids).items()}
    return {**named, **known}


def _indented(line: str) -> AsWritten:
    # What followers will read is shown as they will read it, a link with a token in it too.
    return AsWritten(f"{INDENT}{visible(line, ' ')}")
