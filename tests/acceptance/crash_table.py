"""The table of crash points: where a process dies, and what exactly has become of it afterwards.

A worker dies at each point of its way while the first call that reaches WeChat has one of three
fates. The fate of a call is WeChat's business, the point of death ours, and they do not know of
each other; so the table is their product. A producer dies before there is any call: its points have
no fate, and a table of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from broadcast.crashpoints import Point
from broadcast.rules.calls.outcomes import Outcome

#: Every broadcast of the proof has so many batches of so many OpenIDs.
BATCHES, BATCH_SIZE = 3, 2


class Fate(StrEnum):
    """What becomes of the first mass call of the account that leaves for WeChat."""

    ARRIVED = "reply arrived"
    LOST = "reply lost after acceptance"
    NEVER = "call never arrived"


class Seen(StrEnum):
    """What WeChat's stand-in did with a mass call."""

    TAKEN = "taken"
    KNOWN = "45065"  #: accepted already, under the same clientmsgid: nobody got anything
    MISSED = "missed"  #: not executed


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of the first batch; each of the others is called once and accepted."""

    seen: tuple[Seen, ...]
    #: By number; None is an attempt of which nobody can say any more how it ended.
    attempts: tuple[Outcome | None, ...]


_TAKEN, _KNOWN, _MISSED = Seen.TAKEN, Seen.KNOWN, Seen.MISSED
_YES, _AGAIN, _UNKNOWN = Outcome.ACCEPTED, Outcome.ALREADY_ACCEPTED, Outcome.UNKNOWN
_BACK = Outcome.NOT_CALLED

#: Nothing was claimed when the worker died, or everything was recorded: as if nobody had died.
UNHURT = {
    Fate.ARRIVED: Course((_TAKEN,), (_YES,)),
    Fate.LOST: Course((_TAKEN, _KNOWN), (_UNKNOWN, _AGAIN)),
    Fate.NEVER: Course((_MISSED, _TAKEN), (_UNKNOWN, _YES)),
}
#: Claimed, not called. The next driver cannot know that, and repeats: the first call WeChat sees.
CLAIMED = {
    Fate.ARRIVED: Course((_TAKEN,), (None, _YES)),
    Fate.LOST: Course((_TAKEN, _KNOWN), (None, _UNKNOWN, _AGAIN)),
    Fate.NEVER: Course((_MISSED, _TAKEN), (None, _UNKNOWN, _YES)),
}
#: Called, and what the reply was died with the worker: the repeat finds out.
CALLED = {
    Fate.ARRIVED: Course((_TAKEN, _KNOWN), (None, _AGAIN)),
    Fate.LOST: Course((_TAKEN, _KNOWN), (None, _AGAIN)),
    Fate.NEVER: Course((_MISSED, _TAKEN), (None, _YES)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A worker that is started to die at a point, and replaced by a normal one."""

    point: Point
    #: What it leaves behind, and what the others make of it.
    left: str
    then: str
    courses: Mapping[Fate, Course]
    #: It dies when it passes the point for this time.
    nth: int = 1
    #: Requests for an access_token, in all.
    tokens: int = 1
    #: Questions to mass/get in all; None: nothing asks in this case.
    questions: int | None = None
    #: For the refresher's lock to end.
    waits_long: bool = False
    #: So slow that a slice of the lane ends by time, with batches left.
    calls_per_minute: int = 0


_LEASE = "The lane is free when the lease ends (6 s). "
_SLOW = 12

WORKER = (
    Row(
        point=Point.SWEEP_MARKED,
        courses=UNHURT,
        left="The broadcast is marked as woken for, and nobody heard.",
        then="A wake-up that nobody answered for 4 s is repeated.",
    ),
    Row(
        point=Point.SWEEP_WOKEN,
        courses=UNHURT,
        left="The wake is in the broker; the sweep is not acknowledged.",
        then="Whoever takes the wake-up plans; a second wake finds nothing to do.",
    ),
    Row(
        point=Point.PLAN_WRITTEN,
        courses=UNHURT,
        left="Batches in an open transaction.",
        then="The database forgets them; the next plan makes them anew, with the same keys.",
    ),
    Row(
        point=Point.PLAN_STORED,
        courses=UNHURT,
        left="All batches, not open for calls.",
        then="The next plan finds them there and goes on.",
    ),
    Row(
        point=Point.TOKEN_LOCKED,
        courses=UNHURT,
        waits_long=True,
        left="The refresher's lock.",
        then="It expires (20 s); the next worker fetches.",
    ),
    Row(
        point=Point.TOKEN_FETCHED,
        courses=UNHURT,
        waits_long=True,
        tokens=2,
        left="The refresher's lock; WeChat has given a token that nobody else knows.",
        then="The lock expires (20 s); the next worker fetches.",
    ),
    Row(
        point=Point.TOKEN_SHARED,
        courses=UNHURT,
        left="A token for everybody.",
        then="It is used: WeChat is asked for a token once.",
    ),
    Row(
        point=Point.PLAN_OPENING,
        courses=UNHURT,
        left="The verdict on the plan, in an open transaction.",
        then="The database forgets it; the plan is proved again.",
    ),
    Row(
        point=Point.PLAN_OPENED,
        courses=UNHURT,
        left="A lane that is open, with nobody woken.",
        then="The sweep wakes.",
    ),
    Row(
        point=Point.LANE_LEASED,
        courses=UNHURT,
        left="A lease without a driver.",
        then=_LEASE + "Nothing was claimed, so nothing is unknown.",
    ),
    Row(
        point=Point.PACE_TAKEN,
        courses=UNHURT,
        left="A slot of the pace that nobody uses.",
        then=_LEASE + "A slot is lost, no call of the day.",
    ),
    Row(
        point=Point.CLAIM_WRITTEN,
        courses=UNHURT,
        left="The claim, in an open transaction.",
        then=_LEASE + "The database forgets the claim: no attempt, and no call was wasted.",
    ),
    Row(
        point=Point.CLAIM_COMMITTED,
        courses=CLAIMED,
        left="An attempt without an outcome; nothing was called.",
        then=_LEASE + "The batch is unknown, since nobody can know that; it is repeated with its "
        "own key before any other. Nothing was wasted: the repeat is the first call WeChat sees.",
    ),
    Row(
        point=Point.CLAIM_COUNTED,
        courses=CLAIMED,
        left="An attempt without an outcome, which Redis counts; nothing was called.",
        then=_LEASE + "As above.",
    ),
    Row(
        point=Point.CALL_ENDED,
        courses=CALLED,
        left="An attempt without an outcome; the reply is lost with the worker.",
        then=_LEASE + "The batch is unknown and repeated with its own key. If WeChat had taken "
        "it, it says so (45065) and sends nothing.",
    ),
    Row(
        point=Point.RECORD_WRITTEN,
        courses=CALLED,
        left="The outcome, in an open transaction.",
        then=_LEASE + "The database forgets the outcome; then as above.",
    ),
    Row(
        point=Point.RECORD_COMMITTED,
        courses=UNHURT,
        left="A recorded outcome, and a lease without a driver.",
        then=_LEASE + "What was recorded stands; only what it calls for is called.",
    ),
    Row(
        point=Point.SLICE_ENDED,
        courses=UNHURT,
        calls_per_minute=_SLOW,
        left="A free lane with batches left, and nobody woken.",
        then="The sweep wakes.",
    ),
    # A worker's tasks before the lane's are its first sweep and the plan.
    Row(
        point=Point.TASK_ENDED,
        nth=3,
        courses=UNHURT,
        calls_per_minute=_SLOW,
        left="The next slice is woken; the message of this one is not acknowledged.",
        then="The next slice goes on. The old message comes again in ten minutes and finds in "
        "the database what there is to do.",
    ),
    Row(
        point=Point.SETTLE_TAKEN,
        courses=UNHURT,
        questions=BATCHES,
        left="Accepted batches that nobody else will ask about for a minute.",
        then="They are asked about when the minute is over.",
    ),
    Row(
        point=Point.SETTLE_ANSWERED,
        courses=UNHURT,
        questions=BATCHES + 1,
        left="An answer of mass/get that only the dead worker knew.",
        then="The same question is put again when the minute is over: it is no send.",
    ),
    Row(
        point=Point.SETTLE_STORED,
        courses=UNHURT,
        questions=BATCHES,
        left="One batch is finished, the others wait for their minute.",
        then="The others are asked about when the minute is over.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRow:
    """A `broadcast send --key K` that dies at a point, and the same command again."""

    point: Point
    left: str
    #: The same command at once.
    at_once: str
    #: It was published before the death.
    published: bool
    #: Its list goes in portions, as a long one does; else one transaction takes all.
    portions: bool


_ANEW = "Makes the broadcast, by an upload of its own. The dead one is removed after an hour."
_FIRST = "Makes the broadcast."
_SAME = "Answers with the same broadcast."

SUBMIT = (
    SubmitRow(
        point=Point.SUBMIT_BEGUN,
        portions=True,
        published=False,
        at_once=_ANEW,
        left="An open upload, which no lane sees.",
    ),
    SubmitRow(
        point=Point.SUBMIT_STORED,
        portions=True,
        published=False,
        at_once=_ANEW,
        left="An open upload with its OpenIDs, which no lane sees.",
    ),
    SubmitRow(
        point=Point.SUBMIT_PUBLISHING,
        portions=True,
        published=False,
        at_once=_ANEW,
        left="The same: the database forgets the open transaction.",
    ),
    SubmitRow(
        point=Point.SUBMIT_PUBLISHING,
        portions=False,
        published=False,
        at_once=_FIRST,
        left="Nothing, where the list is short: the database forgets the transaction.",
    ),
    SubmitRow(
        point=Point.SUBMIT_PUBLISHED,
        portions=True,
        published=True,
        at_once=_SAME,
        left="A whole broadcast, with nobody woken.",
    ),
    SubmitRow(
        point=Point.SUBMIT_PUBLISHED,
        portions=False,
        published=True,
        at_once=_SAME,
        left="The same, where the list is short.",
    ),
    SubmitRow(
        point=Point.SUBMIT_WOKEN,
        portions=False,
        published=True,
        at_once=_SAME,
        left="A whole broadcast, woken for.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A worker that dies over the files of a late broadcast; test_media.py proves it."""

    point: Point
    left: str
    then: str


FILES = (
    FileRow(
        point=Point.MEDIA_UPLOADED,
        left="A file at WeChat, under a media_id that nobody knows; nothing was called.",
        then=_LEASE + "The file is uploaded once more, and its broadcast sent.",
    ),
)


#: A worker that dies over a launch of a campaign; test_campaigns.py proves it.
LAUNCHES = (
    FileRow(
        point=Point.LAUNCH_DECIDED,
        left="A due time whose launch is begun, with its request, and no broadcast.",
        then="The next look of any worker takes it up.",
    ),
    FileRow(
        point=Point.LAUNCH_RESERVED,
        left="The same, reserved for the dead worker.",
        then="Others take it up after 30 s: in time, as a minute is.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WokenRow:
    """A worker that is stopped at a point past its lease, and wakes up when all is over."""

    point: Point
    then: str
    courses: Mapping[Fate, Course]


WOKEN = (
    WokenRow(
        point=Point.CLAIM_COMMITTED,
        then="It sees that its claim is old, does not call, and gives the claim back.",
        courses={
            Fate.ARRIVED: Course((_TAKEN,), (_BACK, _YES)),
            Fate.LOST: Course((_TAKEN, _KNOWN), (_BACK, _UNKNOWN, _AGAIN)),
            Fate.NEVER: Course((_MISSED, _TAKEN), (_BACK, _UNKNOWN, _YES)),
        },
    ),
    WokenRow(
        point=Point.CALL_ENDED,
        then="Its reply, or that there was none, is recorded on its own attempt.",
        courses={
            Fate.ARRIVED: Course((_TAKEN, _KNOWN), (_YES, _AGAIN)),
            Fate.LOST: Course((_TAKEN, _KNOWN), (_UNKNOWN, _AGAIN)),
            Fate.NEVER: Course((_MISSED, _TAKEN), (_UNKNOWN, _YES)),
        },
    ),
)
#: A stop shorter than the lease and longer than a claim may be old: nobody else is there to repeat.
NAP = Course((_TAKEN,), (_BACK, _YES))


def markdown() -> list[str]:
    """Return the tables as docs/proofs/crash-points.md has them, in lines."""
    fates = list(Fate)
    working = [
        [f"`{row.point}`", row.left, row.then, *(_cell(row.courses[fate]) for fate in fates)]
        for row in WORKER
    ]
    submitting = [[f"`{row.point}`", row.left, row.at_once] for row in SUBMIT]
    uploading = [[f"`{row.point}`", row.left, row.then] for row in FILES]
    launching = [[f"`{row.point}`", row.left, row.then] for row in LAUNCHES]
    woken = [
        [f"`{row.point}`", row.then, *(_cell(row.courses[fate]) for fate in fates)] for row in WOKEN
    ]
    return [
        *_table(["The worker dies at", "It leaves", "What becomes of it", *fates], working),
        "",
        *_table(["The command dies at", "It leaves", "The same command at once"], submitting),
        "",
        *_table(["Over a file, it dies at", "It leaves", "What becomes of it"], uploading),
        "",
        *_table(["Over a launch, it dies at", "It leaves", "What becomes of it"], launching),
        "",
        *_table(["The worker is stopped at", "When it wakes", *fates], woken),
    ]


def _cell(course: Course) -> str:
    calls = f"{len(course.seen)} call" + "s" * (len(course.seen) > 1)
    return f"{calls}: {', '.join(course.seen)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
