"""Moments, numbers and names as a person reads them: Beijing time with the distance."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from broadcast import day
from broadcast.call.attempts import Reason
from broadcast.call.outcomes import Outcome
from broadcast.states import BatchState, BroadcastState
from broadcast.text import t
from wechat.errcodes import errcodes

#: Most lines, batches or broadcasts that are named one by one; the rest is counted.
MOST_NAMED = 10
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def utc_now() -> datetime:
    """Return this machine's present moment; what is decided goes by the database's."""
    return datetime.now(UTC)


def moment(when: datetime, now: datetime) -> str:
    """Return *when* in Beijing with its weekday, and how far it is from *now*."""
    local = when.astimezone(day.SHANGHAI)
    weekday = t(f"weekday.{local.isoweekday()}")
    return t(
        "moment", weekday=weekday, date=f"{local:%Y-%m-%d}", time=f"{local:%H:%M}",
        distance=distance(when - now),
    )  # fmt: skip


def between(first: datetime, last: datetime, now: datetime) -> str:
    """Return when something began; where it began more than once, the first time and the last."""
    one, other = moment(first, now), moment(last, now)
    return one if one == other else t("moment.between", first=one, last=other)


def distance(span: timedelta) -> str:
    """Return how far a moment lies ahead, or back."""
    seconds = round(abs(span).total_seconds())
    far = _span(seconds)
    if seconds < 1:
        return t("distance.now")
    return t("distance.ahead" if span > timedelta(0) else "distance.back", span=far)


def _span(seconds: int) -> str:
    if seconds < 2 * _MINUTE_S:
        return t("span.seconds", n=seconds)
    if seconds < 2 * _HOUR_S:
        return t("span.minutes", n=round(seconds / _MINUTE_S))
    if seconds < 2 * _DAY_S:
        return t("span.hours", n=round(seconds / _HOUR_S))
    return t("span.days", n=round(seconds / _DAY_S))


def span(length: timedelta) -> str:
    """Return a length of time."""
    return _span(round(length.total_seconds()))


def listed(each: Iterable[object]) -> str:
    """Return names or numbers one after the other."""
    return t("comma").join(map(str, each))


def shortened(each: Sequence[object]) -> str:
    """Return names or numbers one after the other; of many the first, and how many there are."""
    shown = listed(each[:MOST_NAMED])
    if len(each) > MOST_NAMED:
        return t("listed_more", shown=shown, count=len(each))
    return shown


def suffix(n: int) -> str:
    """Return what a text's id ends with where it speaks of one thing, not of several."""
    return "_one" if n == 1 else ""


def sizes(each: Collection[int]) -> str:
    """Return how many followers a batch has, as one number where all are equal."""
    smallest, largest = min(each), max(each)
    if smallest == largest:
        return t("sizes.equal", n=f"{smallest:,}")
    return t("sizes.range", smallest=f"{smallest:,}", largest=f"{largest:,}")


def reason(why: Reason | None) -> str:
    """Return why something waits or stands still."""
    return t(f"reason.{(why or Reason.NONE).name.lower()}")


def speaker(who: str, why: str | None) -> str:
    """Return who said something, with the reason that was given."""
    return t("speaker", who=who, why=why) if why else who


def broadcast_state(state: BroadcastState) -> str:
    """Return where a broadcast stands."""
    return t(f"state.broadcast.{state}")


def batch_state(state: BatchState) -> str:
    """Return where a batch stands."""
    return t(f"state.batch.{state}")


def outcome(ended: Outcome | None) -> str:
    """Return what a call ended as; None is a call whose end nobody recorded."""
    return t(f"outcome.{ended or Outcome.UNKNOWN}")


def meaning(errcode: int | None) -> str:
    """Return what an errcode means, or that no list names it."""
    return t(f"errcode.{errcode}") if errcode in errcodes() else t("explain.no_meaning")


def code(errcode: int | None, errmsg: str | None) -> str:
    """Return WeChat's code and message in brackets, or nothing."""
    if errcode is None:
        return ""
    return t("code", errcode=errcode, errmsg=errmsg) if errmsg else t("code.bare", errcode=errcode)
