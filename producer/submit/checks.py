"""Checks of a submit: tags, drafts, calls left, exclusions, newer broadcasts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final, Protocol

from sqlalchemy import Engine

from broadcast import day
from broadcast.digests import sha256
from broadcast.errors import BroadcastError, InputError, OutOfReachError, UnknownIdError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules import content as contents
from broadcast.rules import reports
from broadcast.rules.accounts import ALLOWANCES, Account, Allowance
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.content import Content
from broadcast.rules.drafts import Marks
from broadcast.rules.overlap import ListOverlaps
from broadcast.rules.plan import submission
from broadcast.rules.plan.audience import Everyone, Followers, Tag
from broadcast.rules.plan.cut import Chunk
from broadcast.rules.plan.selection import Excluded
from broadcast.rules.plan.submission import Body
from broadcast.rules.states import Phase
from models.ledger.views import at_wechat, broadcast_reports
from producer.audience.openid_list import OpenIDs
from producer.submit.order import LONGEST_TITLE

#: Most tags that an error names.
MOST_NAMED: Final = 10


class ListedTag(Protocol):
    """A tag as WeChat lists it."""

    @property
    def id(self) -> int:
        """The tag's number."""

    @property
    def name(self) -> str:
        """The tag's name at WeChat."""

    @property
    def count(self) -> int | None:
        """The number of its followers; WeChat's count lags. None: it does not say."""


def named_tags(body: Body) -> list[int]:
    """Return the tags that a send goes to or leaves out."""
    found = {int(one.value) for one in body.selection.exclude if one.kind is Excluded.TAG}
    if isinstance(body.audience, Tag | Followers) and body.audience.tag_id is not None:
        found.add(body.audience.tag_id)
    return sorted(found)


def listed_tags(body: Body, all_tags: Sequence[ListedTag]) -> list[ListedTag]:
    """Return WeChat's tags of *body*. Raises InputError for one that is not there.

    Of a tag that WeChat does not list, 0 say, it names nobody and gives no error.
    """
    by_id = {one.id: one for one in all_tags}
    for tag_id in named_tags(body):
        if tag_id not in by_id:
            raise InputError(
                "error.tag.unknown" if all_tags else "error.tag.none",
                tag=tag_id,
                field=_field(body, tag_id),
                account=body.account.name,
                tags=_names(all_tags),
            )
    return [by_id[tag_id] for tag_id in named_tags(body)]


def empty_tags(body: Body, all_tags: Sequence[ListedTag], *, refuse: bool) -> list[Message]:
    """Return that WeChat counts nobody with the tag that *body* goes to, where that is so.

    Raises InputError instead if *refuse*: nobody would read it before the call.
    """
    wanted = body.audience.tag_id if isinstance(body.audience, Tag) else None
    found = [one for one in all_tags if one.id == wanted and one.count == 0]
    facts = [
        {"id": one.id, "name": one_line(one.name), "account": body.account.name} for one in found
    ]
    if facts and refuse:
        raise InputError("error.tag.empty", field="audience.tag_id", **facts[0])
    return [Message("notice.tag.empty", **each) for each in facts]


def _field(body: Body, tag_id: int) -> str:
    """Return the field of a request that names a tag."""
    match body.audience:
        case Tag(tag_id=number) if number == tag_id:
            return "audience.tag_id"
        case Followers(tag_id=number) if number == tag_id:
            return "with_tag"
    return "exclude"


def _names(all_tags: Sequence[ListedTag]) -> str:
    shown = ", ".join(f"{one.id} {one_line(one.name)}" for one in all_tags[:MOST_NAMED])
    return shown + (", …" if len(all_tags) > MOST_NAMED else "")


@frozen
class Read:
    """A content, and what its draft says where WeChat said so."""

    content: Content
    draft: Marks | None = None

    @property
    def title(self) -> str | None:
        """The title of a broadcast of it, unless somebody gave another."""
        # WeChat's own titles may be longer than ours.
        return one_line(self.draft[0].title)[:LONGEST_TITLE] or None if self.draft else None


def read_draft(content: Content, look: Callable[[str], Marks | None]) -> Read:
    """Return *content* with its draft of now; of other contents nothing is asked.

    *look* returns what the draft of a media_id says, None where WeChat has none, and raises what
    keeps it from an answer. Raises InputError, which is none of WeChat's.
    """
    media_id = contents.draft_of(content.canonical)
    if media_id is None:
        return Read(content=content)
    try:
        marks = look(media_id)
    except InputError:
        raise
    except OutOfReachError as error:
        return _noticed(content, Message("notice.draft.unread", problem=error))
    except BroadcastError as error:
        return _noticed(content, Message("notice.draft.refused", problem=error))
    if marks is None:
        return _noticed(content, Message("notice.draft.none"))
    return Read(content=content, draft=marks)


def _noticed(content: Content, notice: Message) -> Read:
    return Read(content=replace(content, notices=(*content.notices, notice)))


@frozen
class SendallCount:
    """Sends by WeChat's own list in the day or month of a broadcast, and how many WeChat allows."""

    sent: int
    to_come: int
    #: May have been sent.
    in_doubt: int
    allowance: Allowance
    #: In the month.
    at: datetime

    @property
    def nth(self) -> int:
        """Position of one more among them, counted from 1."""
        return self.sent + self.to_come + 1

    @property
    def month(self) -> date:
        """First day of the month, by Shanghai's calendar."""
        return day.month_start(self.at.astimezone(day.SHANGHAI)).date()


def count_sendalls(engine: Engine, body: Body, *, now: datetime) -> SendallCount | None:
    """Count what stands against a broadcast in WeChat's allowance; None where none is known."""
    account, audience = body.account, body.audience
    allowance = ALLOWANCES.get(account.account_kind)
    if allowance is None:
        return None
    at = max(now, body.scheduled_at or now)
    if not allowance.tags_count and not isinstance(audience, Everyone):
        # Of each follower WeChat counts the messages, and refuses no call for it.
        sent = at_wechat.sendalls_of_broadcasts(engine, account.name, since=allowance.begins(at))
        return SendallCount(sent=sent, to_come=0, in_doubt=0, allowance=allowance, at=at)
    if audience.path is not SendPath.SENDALL:
        return None
    return SendallCount(
        sent=at_wechat.sendalls_accepted(engine, account.name, allowance, at=at),
        to_come=at_wechat.sendalls_to_come(engine, account.name, allowance, at=at),
        in_doubt=at_wechat.sendalls_in_doubt(engine, account.name, allowance, at=at),
        allowance=allowance,
        at=at,
    )


def used_up(body: Body, count: SendallCount) -> Iterator[Message]:
    """Yield the notice that WeChat will refuse a broadcast with 45028, where that is foreseen.

    It is none of ours to refuse: WeChat alone knows what was sent from its console, and what it
    gives back.
    """
    allowance, sent, more = count.allowance, count.sent, count.to_come
    if not allowance.tags_count and not isinstance(body.audience, Everyone):
        if sent >= allowance.most:
            yield Message(
                "notice.messages.followers", n=sent, most=allowance.most, month=count.month
            )
        return
    period = "month" if allowance.a_month else "day"
    facts: dict[str, object] = {
        "account": body.account.name,
        "n": sent,
        "most": allowance.most,
        "month": count.month,
    }
    if sent + more >= allowance.most:
        if more:
            facts["more"] = more
            period += "_to_come"
        yield Message(f"notice.messages.{period}", **facts, until=allowance.ends(count.at))
    elif sent + more + count.in_doubt >= allowance.most:
        facts |= {"more": more, "doubts": count.in_doubt}
        until = allowance.ends(count.at)
        yield Message(f"notice.messages.{period}_in_doubt", **facts, until=until)


#: Signs that differ in an id that is mistyped.
_A_SLIP: Final = 2


def refuse_what_lists_nobody(
    engine: Engine, account: Account, broadcast_id: str, *, field: str = "exclude"
) -> None:
    """Raise InputError unless this is a broadcast to a list of the same account, and has that list.

    *field*: where it is named. Raises UnknownIdError where there is none.
    """
    try:
        report = broadcast_reports.report(engine, broadcast_id, whole=False)
    except UnknownIdError as error:
        problem = _not_there(broadcast_id, near=str(error.facts.get("near", "")).split(", "))
        raise problem from None
    if report.account != account.name:
        raise InputError(
            "error.exclude.other_account",
            id=broadcast_id,
            other=report.account,
            account=account.name,
        )
    if report.path is SendPath.SENDALL:
        raise InputError("error.exclude.no_list", id=broadcast_id)
    if report.phase is Phase.UPLOADING:
        raise InputError("error.exclude.awaited", id=broadcast_id, field=field)


def _not_there(broadcast_id: str, *, near: Sequence[str]) -> UnknownIdError:
    """Return the refusal; an id of another day is no slip, and whoever took it would be resent."""
    slips = [one for one in near if one and _apart(one, broadcast_id) <= _A_SLIP]
    if slips:
        return UnknownIdError(
            "error.broadcast.unknown_near", id=broadcast_id, near=", ".join(slips), field="exclude"
        )
    return UnknownIdError("error.broadcast.unknown", id=broadcast_id, field="exclude")


def _apart(one: str, other: str) -> int:
    """Return how many characters must be changed, left out or added to make *other* of *one*."""
    row = list(range(len(other) + 1))
    for n, sign in enumerate(one, start=1):
        before, row[0] = row[0], n
        for m, wanted in enumerate(other, start=1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (sign != wanted))
    return row[-1]


def list_overlaps(engine: Engine, body: submission.Body, chunks: Iterable[Chunk]) -> ListOverlaps:
    """Return the ledger's facts for an operator; *chunks* are the list of *body*."""
    from models.ledger.submit import overlaps

    known = overlaps.list_overlaps(engine, body, chunks)
    return replace(known, uncounted=overlaps.uncounted(engine, body, by_list=True))


def overlaps_without_list(engine: Engine, body: submission.Body) -> ListOverlaps:
    """Return the ledger's facts for an operator where only WeChat knows who gets it."""
    from models.ledger.submit import overlaps

    uncounted = overlaps.uncounted(engine, body, by_list=False)
    # Whoever gets those is left out of this one.
    excluded = {one.value for one in body.selection.exclude if one.kind is Excluded.BROADCAST}
    return ListOverlaps(
        today=0,
        today_ids=[],
        earlier=[],
        to_come=[],
        uncounted=[one for one in uncounted if one.id not in excluded],
    )


def notice_of_nobody(engine: Engine, body: submission.Body) -> Iterator[Message]:
    """Notice a broadcast that may go to the same people, where only WeChat knows them.

    The newest with the same content, or else the newest.
    """
    uncounted = overlaps_without_list(engine, body).uncounted
    for one in sorted(uncounted, key=lambda each: not each.same_content)[:1]:
        name = "uncounted_same" if one.same_content else "uncounted"
        yield Message(f"notice.submit.{name}", id=one.id)


def earlier(engine: Engine, body: submission.Body, *, moment: datetime) -> Sequence[Any]:
    """Find earlier broadcasts that went out in part; :func:`notices` counts who got them."""
    from models.ledger.submit import overlaps

    return overlaps.earlier(engine, body, moment=moment)


def notices(
    engine: Engine,
    body: submission.Body,
    found: Sequence[Any],
    *,
    chunks: Iterable[Chunk],
    planned: int | None,
) -> Iterator[Message]:
    """Notice earlier broadcasts that a part of this list got, or may have: it would get both.

    *found*: by :func:`earlier`.
    """
    from models.ledger.submit import overlaps

    for one in overlaps.counted(engine, body, found, chunks=chunks):
        # Of another list the rest is none of this one's followers.
        commands = reports.rest_listing(one.id, one.rest) if one.same_list else []
        name = "notice.submit.overlap" if commands else "notice.submit.overlap_no_rest"
        yield Message(
            name if one.same_list else "notice.submit.overlap_other_list",
            count=one.followers,
            planned=planned,
            id=one.id,
            at=one.started_at,
            commands=" && ".join(commands),
            file=reports.REST_FILE,
        )


#: OpenIDs that are looked up, drawn evenly from the list.
LOOKED_UP = 1_000


@frozen
class ListOwner:
    """A list of which less than half are known as followers of the account, those who left too."""

    account: str
    planned: int
    looked_up: int
    known: int
    #: Another account, and how many of them are known as its followers: more than half.
    other: str | None = None
    known_to_other: int = 0
    #: Another list has another one.
    digest: str

    @property
    def must_be_confirmed(self) -> bool:
        """True if under 5 % are known, or most to another account."""
        return self.other is not None or self.known * 20 < self.looked_up

    @property
    def id(self) -> str:
        """The id that confirms these facts: others have another id."""
        facts = (self.account, self.known, self.looked_up, self.other, self.known_to_other)
        return sha256(repr((*facts, self.digest)))[:10]

    @property
    def message(self) -> Message:
        """The figures, in one sentence."""
        name = "list_owner.unknown" if self.other is None else "list_owner.other"
        return Message(
            name,
            account=self.account,
            planned=self.planned,
            looked_up=self.looked_up,
            known=self.known,
            other=self.other,
            known_to_other=self.known_to_other,
        )


def doubtful(
    engine: Engine, account: str, audience: OpenIDs, *, others: Sequence[str] = ()
) -> ListOwner | None:
    """Return the owner of a list where it is doubtful; *others*: the accounts that may be named.

    None also where no whole pass shows the followers of any of them.
    """
    from models.ledger.followers import followers

    planned, looked_up = audience.planned, min(LOOKED_UP, audience.planned)
    places = (planned * n // looked_up for n in range(looked_up))
    drawn = b"".join(audience.openids.slice(place, 1) for place in places)
    known = followers.known_among(engine, account, drawn)
    if known is not None and known * 2 >= looked_up:
        return None
    counts = ((one, followers.known_among(engine, one, drawn) or 0) for one in others)
    other, theirs = next((one for one in counts if one[1] * 2 > looked_up), (None, 0))
    if known is None and other is None:
        return None
    return ListOwner(
        account=account,
        planned=planned,
        looked_up=looked_up,
        known=known or 0,
        other=other,
        known_to_other=theirs,
        digest=audience.digest,
    )
