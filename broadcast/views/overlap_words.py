"""Earlier and coming broadcasts to the followers of a new list, in words: before it is too late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from broadcast.message import Message
from broadcast.rules import reports
from broadcast.rules.overlap import ListOverlaps, Overlap, ToCome, Uncounted
from broadcast.views.objects import members
from broadcast.views.words import Joined, Moment, ShortMoment

#: Most broadcasts that are named of a kind.
MOST = 3


def overlap_lines(
    known: ListOverlaps, moment: Moment, *, sample: bool = False
) -> Iterator[Message]:
    """Yield earlier and coming broadcasts to the followers, a line each; *moment*: when it is read.

    *sample*: those in a sample were counted, not the list that it is drawn from.
    """
    of = Message("overlap.of_sample" if sample else "overlap.of_list")
    several = len(known.today_ids)
    # One that is an earlier version, and the only one, has its own line.
    if several > 1 or set(known.today_ids) - {one.id for one in known.earlier}:
        yield Message(
            "overlap.today" if several > 1 else "overlap.today_by",
            count=known.today,
            n=several,
            id=known.today_ids[0],
            of=of,
        )
    for one in known.earlier[:MOST]:
        at = ShortMoment(one.started_at, moment.now)
        name = "overlap.earlier" if one.same_list else "overlap.in_part"
        yield Message(name, of=of, count=one.followers, id=one.id, time=at)
    for later in known.to_come[:MOST]:
        yield _to_come(later, moment, of)
    for stopped in known.stopped[:MOST]:
        yield Message("overlap.stopped", of=of, count=stopped.followers, id=stopped.id)
    yield from _uncounted(known.uncounted[:MOST], moment)
    of_a_kind = (known.earlier, known.to_come, known.stopped, known.uncounted)
    if known.more or max(map(len, of_a_kind)) > MOST:
        yield Message("overlap.more")


def _uncounted(broadcasts: Sequence[Uncounted], moment: Moment) -> Iterator[Message]:
    """Yield a line for all of a kind: several that differ in an id alone hide the question."""
    of: dict[str, list[Uncounted]] = {}
    for one in broadcasts:
        of.setdefault(_kind(one), []).append(one)
    for name, each in of.items():
        if len(each) == 1:
            yield Message(name, id=each[0].id, time=_begun(each[0], moment))
            continue
        timed = [Message("overlap.id_at", id=one.id, time=_begun(one, moment)) for one in each]
        ids = (
            Joined(timed, "semicolon") if name == "overlap.uncounted" else [one.id for one in each]
        )
        yield Message(f"{name}_several", ids=ids)


def _kind(one: Uncounted) -> str:
    if one.same_content:
        return "overlap.uncounted_same"
    return "overlap.uncounted_to_come" if one.started_at is None else "overlap.uncounted"


def _begun(one: Uncounted, moment: Moment) -> ShortMoment | None:
    return None if one.started_at is None else ShortMoment(one.started_at, moment.now)


def _to_come(one: ToCome, moment: Moment, of: Message) -> Message:
    if one.at is None:
        return Message("overlap.sent_now", of=of, count=one.followers, id=one.id)
    return Message(
        "overlap.scheduled", of=of, count=one.followers, id=one.id, at=Moment(one.at, moment.now)
    )


def instead(known: ListOverlaps, send: str | Message) -> Iterator[Message]:
    """Yield the commands that reach the rest of the version before alone, a line each.

    *send* sends to :data:`broadcast.rules.reports.REST_FILE` what is now to go to the whole list.
    """
    if len(known.earlier) > 1:
        yield _leave_out(known.earlier)
        return
    if not known.earlier:
        return
    [most] = known.earlier
    commands = reports.rest_listing(most.id, most.rest)
    if not most.same_list:
        # Its rest is not in the new list, so a send to it would reach other people.
        yield Message(
            "overlap.leave_out_cancel" if _goes_on(most) else "overlap.leave_out", id=most.id
        )
    elif not commands:
        yield Message("overlap.no_rest", id=most.id)
    else:
        yield Message(
            "overlap.instead", id=most.id, commands=reports.rest_lines(commands), send=send
        )


def _goes_on(one: Overlap) -> bool:
    # Until it is cancelled, who may have it is among those who wait.
    return one.possibly or "waiting" in one.rest


def _leave_out(earlier: Sequence[Overlap]) -> Message:
    """Name the options that leave out who got one of several: the rest may have got another."""
    options = " ".join(f"--exclude broadcast:{one.id}" for one in earlier)
    cancels = [f"broadcast cancel {one.id} --yes" for one in earlier if _goes_on(one)]
    if not cancels:
        return Message("overlap.leave_out_several", n=len(earlier), options=options)
    return Message(
        "overlap.leave_out_several_cancel",
        n=len(earlier),
        options=options,
        commands=reports.rest_lines(cancels),
    )


def _most(earlier: Sequence[Overlap]) -> Overlap:
    """Return the one that most of the list got; of equal ones the newest."""
    return max(earlier, key=lambda one: one.followers)


def strongest(known: ListOverlaps | None, *, at_most: bool = False) -> Message | None:
    """Return the one fact that belongs into the question; None where there is none.

    *at_most*: fewer may get it than were counted, so it is said of the list.
    """
    if known is None:
        return None
    of = Message("overlap.asked_of_list" if at_most else "overlap.asked_of_them")
    if known.earlier:
        most = _most(known.earlier)
        name = "overlap.asked_earlier" if most.same_list else "overlap.asked_in_part"
        return Message(name, of=of, count=most.followers, id=most.id)
    if known.today:
        return Message("overlap.asked_today", of=of, count=known.today)
    if known.to_come:
        one = max(known.to_come, key=lambda each: each.followers)
        return Message("overlap.asked_to_come", of=of, count=one.followers, id=one.id)
    if known.uncounted:
        return Message("overlap.asked_uncounted", id=known.uncounted[0].id)
    return None


def overlap_json(known: ListOverlaps) -> dict[str, object]:
    """Return the object of ``--json``: moments in UTC, ids whole."""
    return {
        "today": {"followers": known.today, "broadcasts": list(known.today_ids)},
        "earlier": [members(one, "id", "followers", "started_at") for one in known.earlier],
        "to_come": [members(one, "id", "followers", "at") for one in known.to_come],
        "uncounted": [members(one, "id", "started_at", "same_content") for one in known.uncounted],
        "more": known.more,
    }
