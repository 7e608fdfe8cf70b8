"""Orders: a content, its key and its terms, checked."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from broadcast import day
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.quoting import quoted
from broadcast.rules.accounts import Account
from broadcast.rules.content import Content
from broadcast.rules.drafts import Marks
from broadcast.rules.plan import cut, submission
from broadcast.rules.plan.audience import Audience, Everyone, Followers, OpenIDs, Tag
from broadcast.rules.plan.cut import Chunk
from broadcast.rules.plan.selection import EVERYBODY, Selection
from broadcast.rules.plan.submission import Figures, Options
from producer.audience import openid_list

LONGEST_KEY = 128
LONGEST_TITLE = 64
#: The highest priority that a person gives a broadcast; the lowest is its negative, 0 is usual.
HIGHEST_PRIORITY = 100


@frozen
class Order:
    """Order of a person or a program, beside the audience."""

    account: Account
    content: Content
    key: str
    terms: submission.Terms
    scheduled_at: datetime | None = None
    #: What the draft of its content says, where it was read.
    draft: Marks | None = None
    selection: Selection = EVERYBODY
    #: As of :class:`broadcast.rules.plan.submission.Body`.
    options: Options | None = None
    reserved: str | None = None
    #: The lists of the exclusions that are files, in the order of the exclusions.
    excluded: Sequence[openid_list.OpenIDs] = ()


def new_key() -> str:
    """Return a key for somebody who gave none."""
    return f"auto-{secrets.token_hex(8)}"


def checked_key(key: str) -> str:
    """Return *key*. Raises InputError where it is empty, too long or unprintable."""
    return _checked(key, "error.key.", most=LONGEST_KEY)


def checked_title(title: str) -> str:
    """Return *title*. Raises InputError where it is empty, too long or unprintable."""
    return _checked(title, "error.title.", most=LONGEST_TITLE)


def _checked(text: str, problem: str, *, most: int) -> str:
    if not text.strip():
        raise InputError(f"{problem}empty")
    if len(text) > most:
        raise InputError(f"{problem}too_long", length=len(text), most=most)
    if not text.isprintable():
        raise InputError(f"{problem}unprintable")
    return text


#: Beyond it a mistyped year is likelier than a plan.
FARTHEST = timedelta(days=366)
#: From here on a machine's clock is off, and not only the answer of the database slow.
CLOCK_OFF = timedelta(seconds=5)
#: Characters of what is no time that are shown.
_SHOWN: Final = 60


def parse_at(
    text: str, *, now: datetime | None = None, option: str = "--at", back: bool = False
) -> datetime:
    """Return the moment (UTC) that *text* names, past or to come.

    *text* is ISO 8601 or ``YYYY-MM-DD HH:MM``; without a zone it is Shanghai's, the account's own.
    *now*: a person wrote it, also as ``23:30`` or ``tomorrow 8:00``, with *option*; None: a program
    did. *back*: a day without its year is the last one. Raises InputError.
    """
    try:
        moment = _moment(text.strip(), now, back=back)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=day.SHANGHAI)
        # A moment at the edge of the calendar has no time in every zone.
        utc = zoned.astimezone(day.SHANGHAI).astimezone(UTC)
    except (ValueError, OverflowError):
        name = "error.at.unreadable" if now is None else "error.at.unreadable_here"
        field = option.removeprefix("--")
        raise InputError(name, text=quoted(text, _SHOWN), option=option, field=field) from None
    return utc


def _moment(text: str, now: datetime | None, *, back: bool) -> datetime:
    # A date alone is midnight to the parser, and hardly ever to the person.
    if ":" in text or "T" in text.upper():
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(text)
    if now is None:
        raise ValueError(f"{text!r} is no time of ISO 8601")
    return day.written_moment(text, now, back=back)


def refuse_what_is_not_ahead(at: datetime, *, now: datetime, machine_now: datetime) -> None:
    """Raise InputError where *at* is not after *now*, or more than a year after it.

    *now* is the database's moment, which alone decides; *machine_now* is what this machine takes
    for it: a refusal says if this machine's clock is off.
    """
    if at > now + FARTHEST:
        raise InputError("error.at.far", at=_local(at), bound=_local(now + FARTHEST))
    if at > now:
        return
    off = machine_now - now
    if abs(off) <= CLOCK_OFF:
        raise InputError("error.at.past", at=_local(at))
    raise InputError(
        "error.at.past_slow" if off < timedelta(0) else "error.at.past_fast",
        at=_local(at),
        now=_local(now, "%Y-%m-%d %H:%M:%S"),
        off=_span(abs(off)),
    )


def _local(moment: datetime, form: str = "%Y-%m-%d %H:%M") -> str:
    return moment.astimezone(day.SHANGHAI).strftime(form)


def _span(span: timedelta) -> str:
    """Return a span as h:mm:ss."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


#: A list is read and stored at the submit; whom the others mean is found later.
Whom: TypeAlias = openid_list.OpenIDs | Followers | Tag | Everyone


@frozen
class StoredAudience:
    """Stored form of an audience."""

    audience: Audience
    figures: Figures
    #: Of the calls that it takes if nobody is left out; empty where that is not known.
    sizes: Sequence[int] = ()
    notices: tuple[Message, ...] = ()
    #: The list in chunks, which may be read again; None: there is none to store.
    listed: openid_list.OpenIDs | None = field(default=None, repr=False)

    def chunks(self) -> Iterable[Chunk]:
        """Yield the list in chunks; nothing where it is kept elsewhere."""
        return () if self.listed is None else self.listed.chunks()


def stored_audience_of(whom: Whom, *, largest: int) -> StoredAudience:
    """Return the stored form of *whom*; *largest*: OpenIDs in one call at most."""
    match whom:
        case openid_list.OpenIDs():
            return _of_list(whom, largest=largest)
        case Followers():
            return StoredAudience(
                audience=whom, figures=Figures(planned=None, calls=None, samples={})
            )
        case Tag() | Everyone():
            return StoredAudience(audience=whom, figures=Figures(planned=None, calls=1, samples={}))


def _of_list(given: openid_list.OpenIDs, *, largest: int) -> StoredAudience:
    sizes = list(cut.cut(given.planned, largest))
    figures = Figures(
        read=given.read,
        malformed=given.malformed.count,
        duplicate=given.duplicate.count,
        planned=given.planned,
        calls=len(sizes),
        samples={
            "malformed": (given.malformed.count, given.malformed.sample),
            "duplicate": (given.duplicate.count, given.duplicate.sample),
        },
    )
    return StoredAudience(
        audience=OpenIDs(digest=given.digest),
        figures=figures,
        sizes=sizes,
        notices=_doubtful(given),
        listed=given,
    )


def _doubtful(given: openid_list.OpenIDs) -> tuple[Message, ...]:
    """Notice OpenIDs that do not look like WeChat's; its pages do not say that they must."""
    count = given.planned - given.beginning_with("o")
    if not count:
        return ()
    return (Message("notice.audience.not_o", count=count, planned=given.planned),)
