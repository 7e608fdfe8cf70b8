"""Facts in words: moments in Beijing time with their distance, states, reasons, codes, lists.

The classes here are facts that more than one value makes up; a message holds them like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import singledispatch
from numbers import Integral
from typing import TYPE_CHECKING

from broadcast import day
from broadcast.enums import is_recognised
from broadcast.errors import BroadcastError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.quoting import visible
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import BatchState, BroadcastState, Reason

if TYPE_CHECKING:
    from broadcast.views.texts import Texts

#: Most lines, batches or broadcasts that are named one by one; the rest is counted.
MOST_NAMED = 10
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, and the one at which somebody reads of it."""

    at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class ShortMoment:
    """A moment as short as it can be said: today's, yesterday's and tomorrow's without a date."""

    at: datetime
    now: datetime


@frozen
class Between:
    """Time of a beginning: the first and the last possible."""

    first: datetime
    last: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Meaning:
    """Meaning of an errcode, or that no list names it."""

    errcode: int | None


def code_of(errcode: int | None, errmsg: str | None = None) -> Message | str:
    """Return WeChat's code and message, in brackets; nothing where there is no code."""
    if errcode is None:
        return ""
    if errmsg:
        return Message("code", errcode=errcode, errmsg=printable(errmsg))
    return Message("code.bare", errcode=errcode)


def speaker(who: str, why: str | None) -> Message | str:
    """Return the author of an action, with the reason."""
    return Message("speaker", who=who, why=why) if why else who


def follower_count(count: int | None) -> Message:
    """Return a number of followers; of a send to a tag or to everybody, WeChat alone knows it."""
    return Message("followers.unknown") if count is None else Message("followers.counted", n=count)


def rest_of(count: int | None) -> Message:
    """Return those who are still to get something, as a sentence names them."""
    return Message("followers.rest") if count is None else follower_count(count)


@dataclass(frozen=True, slots=True)
class Shortened:
    """Names or numbers, of many only the first, and how many there are."""

    each: Sequence[object]


@dataclass(frozen=True, slots=True)
class Joined:
    """Messages one after the other, with the text *between* them."""

    parts: Sequence[Message]
    between: str | None = None


@singledispatch
def fact_words(fact: object, texts: Texts) -> object:
    """Return a fact as it stands in a text: words, or itself where it has no words of its own."""
    del texts
    return fact


class Count(int):
    """A number that a text may name what it counts of: ``{n:,|follower|followers}``."""

    def __format__(self, spec: str) -> str:
        """Return the number as *spec* says, and behind it the word for one or for several."""
        number, *words = spec.split("|")
        digits = int.__format__(self, number)
        if not words:
            return digits
        one, several = words
        return f"{digits} {one if self == 1 else several}"


@fact_words.register(Integral)
def _(fact: int, texts: Texts) -> object:
    del texts
    return fact if isinstance(fact, bool) else Count(fact)


@fact_words.register(Message)
@fact_words.register(BroadcastError)
def _(fact: Message | BroadcastError, texts: Texts) -> str:
    return texts(fact)


@fact_words.register(BatchState)
@fact_words.register(BroadcastState)
@fact_words.register(Outcome)
def _(fact: StrEnum, texts: Texts) -> str:
    return of_member(fact, texts, prefix=_PREFIXES[type(fact)])


def of_member(fact: StrEnum, texts: Texts, *, prefix: str) -> str:
    """Return the text of a member of an enum; of one that only a newer release knows, that."""
    return texts(member(fact, prefix=prefix))


def member(fact: StrEnum, *, prefix: str) -> Message:
    """Return the word for a member of an enum, as :func:`of_member` does."""
    if not is_recognised(fact):
        return Message("word.newer", word=fact.value)
    return Message(f"{prefix}{fact.value}")


def short(state: BroadcastState, texts: Texts) -> str:
    """Return a state in a word or two, for a table."""
    return of_member(state, texts, prefix="state.short.")


_PREFIXES: Mapping[type[StrEnum], str] = {
    BatchState: "state.batch.",
    BroadcastState: "state.broadcast.",
    Outcome: "outcome.",
}


@fact_words.register(Reason)
def _(fact: Reason, texts: Texts) -> str:
    if not is_recognised(fact):
        return texts("word.newer", word=fact.value)
    return texts(f"reason.{fact.name.lower()}")


@fact_words.register(Moment)
def _(fact: Moment, texts: Texts) -> str:
    local = fact.at.astimezone(day.SHANGHAI)
    facts = {
        "weekday": texts(f"weekday.{local.isoweekday()}"),
        "date": f"{local:%Y-%m-%d}",
        "time": f"{local:%H:%M}",
        "distance": _distance(fact, texts),
    }
    names_zone = texts.names_zone()
    if not texts.has_distances:
        return texts("moment.absolute" if names_zone else "moment.day", **facts)
    if names_zone:
        return texts("moment", **facts)
    today = local.date() == fact.now.astimezone(day.SHANGHAI).date()
    return texts("moment.time" if today else "moment.date", **facts)


@fact_words.register(ShortMoment)
def _(fact: ShortMoment, texts: Texts) -> str:
    local, today = fact.at.astimezone(day.SHANGHAI), fact.now.astimezone(day.SHANGHAI).date()
    name = _NEAR_DAYS.get((local.date() - today).days)
    return texts(name, time=f"{local:%H:%M}") if name else f"{local:%m-%d %H:%M}"


_NEAR_DAYS = {-1: "list.yesterday", 0: "list.today", 1: "list.tomorrow"}


@fact_words.register(datetime)
def _(fact: datetime, texts: Texts) -> str:
    """Write a moment in Beijing, to the second where it has one; its text says of which zone."""
    del texts
    local = fact.astimezone(day.SHANGHAI)
    return f"{local:%Y-%m-%d %H:%M:%S}" if local.second else f"{local:%Y-%m-%d %H:%M}"


@fact_words.register(Between)
def _(fact: Between, texts: Texts) -> object:
    first, last = (fact_words(Moment(one, fact.now), texts) for one in (fact.first, fact.last))
    return first if first == last else texts("moment.between", first=first, last=last)


@fact_words.register(timedelta)
def _(fact: timedelta, texts: Texts) -> str:
    seconds = round(fact.total_seconds())
    if seconds < 2 * _MINUTE_S:
        return texts("span.seconds", n=seconds)
    if seconds < 2 * _HOUR_S:
        return texts("span.minutes", n=round(seconds / _MINUTE_S))
    if seconds < 2 * _DAY_S:
        return texts("span.hours", n=round(seconds / _HOUR_S))
    return texts("span.days", n=round(seconds / _DAY_S))


@fact_words.register(Meaning)
def _(fact: Meaning, texts: Texts) -> str:
    meaning = f"errcode.{fact.errcode}"
    return texts(meaning if texts.has(meaning) else "explain.no_meaning")


@fact_words.register(Joined)
def _(fact: Joined, texts: Texts) -> str:
    between = texts(fact.between) if fact.between else ""
    return between.join(map(texts, fact.parts))


@fact_words.register(list)
@fact_words.register(tuple)
def _(fact: Sequence[object], texts: Texts) -> str:
    return texts("comma").join(str(fact_words(one, texts)) for one in fact)


@fact_words.register(Shortened)
def _(fact: Shortened, texts: Texts) -> object:
    shown = fact_words(list(fact.each[:MOST_NAMED]), texts)
    if len(fact.each) > MOST_NAMED:
        return texts("listed_more", shown=shown, count=len(fact.each))
    return shown


def _distance(moment: Moment, texts: Texts) -> str:
    """Return the distance of a moment ahead, or back; from two days on in days of the calendar."""
    span = moment.at - moment.now
    if round(abs(span).total_seconds()) < 1:
        return texts("distance.now")
    if abs(span) >= timedelta(days=2):
        dates = (each.astimezone(day.SHANGHAI).date() for each in (moment.at, moment.now))
        span = next(dates) - next(dates)
    return texts("distance.ahead" if span > timedelta(0) else "distance.back", span=abs(span))


def printable(text: str, *, longest: int | None = None) -> str:
    """Return a text of WeChat's or of a person without what moves the cursor or begins a line.

    Of one with more than *longest* characters only so many.
    """
    plain = visible(text, " ")
    if longest is None or len(plain) <= longest:
        return plain
    return plain[: longest - 1] + "…"


def suffix(n: int) -> str:
    """Return the end of a text's id where it is about one thing, not several."""
    return "_one" if n == 1 else ""


def numbered(name: str, numbers: Collection[int], **facts: object) -> Message:
    """Return a message about batches by their *numbers*; of one the text's id ends with it."""
    several = name if len(numbers) != 1 else f"{name}_one"
    return Message(several, numbers=Shortened(list(numbers)), **facts)


def sizes(each: Collection[int]) -> Message:
    """Return the sizes of batches, as one number where all are equal."""
    smallest, largest = min(each), max(each)
    if smallest == largest:
        return Message("sizes.equal", n=smallest)
    return Message("sizes.range", smallest=smallest, largest=largest)


def reason(why: Reason | None) -> Reason:
    """Return why something waits or is stopped, also where no reason was recorded."""
    return why or Reason.NONE
