"""Screens as operators meet them: a report each, with all that stands around it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from broadcast.enums import recognised
from broadcast.message import Message
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.circumstances import Circumstances, Doubt
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.gates.lateness import SignsOfLife
from broadcast.rules.reports import (
    Ahead,
    Conflict,
    Did,
    Doubtful,
    Driven,
    OperatorAction,
    OperatorActions,
    Repeat,
    Report,
    RetryGroup,
)
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from broadcast.views import next_steps, report_lines
from tests.unit.views.reports import (
    BOTH,
    FREE,
    HALTED,
    ID,
    LATER,
    NOW,
    STOPPED,
    batch,
    of_account,
    of_batches,
    own,
    report,
    stopped,
)

S, B = BroadcastState, BatchState
OTHER = "20261126-fedcba"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LONG = json.dumps({"msgtype": "text", "text": {"content": "六月会员日，全场八折，" * 9}})
QUIET = SignsOfLife()
SIZE = 7_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A report, and what is known beside it."""

    report: Report
    beside: Circumstances = field(default_factory=Circumstances)
    repeats: Sequence[Repeat] = ()
    skipped: Mapping[str, Sequence[tuple[int, str]]] | None = None

    def lines(self) -> Iterator[Message]:
        """Yield the lines that ``status`` shows."""
        steps = next_steps.lines(self.report, self.beside)
        return report_lines.report_lines(
            self.report, self.repeats, self.skipped or {}, next_steps=steps
        )


def _sent(state: BroadcastState, *lines: Any, **facts: Any) -> Report:
    facts = {"account": "flagship-store", "created_by": "cli:ann@desk", "content": LONG} | facts
    made = of_batches(state, *lines, **facts)
    planned = sum(line.size or 0 for line in lines)
    return replace(made, audience=made.audience | {"read": planned, "planned": planned})


def _batches(*states: BatchState, **facts: Any) -> list[Any]:
    return [batch(n, SIZE, state, **facts) for n, state in enumerate(states, 1)]


def _refused(errcode: int, reason: Reason, count: int = 2) -> list[Any]:
    return [
        batch(
            n,
            SIZE,
            B.REFUSED,
            errcode=errcode,
            errmsg="invalid media_id hint: [abc12345-9]",
            reason=reason,
            attempts=1,
        )
        for n in range(2, 2 + count)
    ]


def _gate(kind: GateKind, **facts: Any) -> Report:
    states = _batches(B.ACCEPTED, B.PLANNED, B.PLANNED)
    shown = S.HELD if kind is GateKind.HOLD else S.PAUSED
    return _sent(shown, *states, gates=[own(kind, **facts)])


def _driven(ahead: Ahead = Ahead(), **facts: Any) -> Report:  # noqa: B008 - it is frozen
    driven = Driven(moved_at=NOW - DAY, signs=QUIET, ahead=ahead)
    return _sent(S.SENDING, *_batches(B.ACCEPTED, B.PLANNED), driven=driven, **facts)


def _acted(*each: Did) -> OperatorActions:
    actions = [
        OperatorAction(
            at=NOW - timedelta(minutes=9 - n),
            who="cli:ann@desk",
            why="the boss calls",
            did=did,
            account="flagship-store" if did in {Did.HALT, Did.UNHALT} else None,
        )
        for n, did in enumerate(each)
    ]
    return OperatorActions(actions=actions, earlier=3)


_ONE, _ALL = _batches(B.ACCEPTED), _batches(*[B.ACCEPTED] * 4)
_DOUBT = _sent(S.HELD, *_batches(B.ACCEPTED, B.IN_DOUBT, B.ACCEPTED), finished_at=NOW)
_IN_PART = [*_ONE, *_refused(40007, Reason.CONTENT_REFUSED)]
_LOST = [
    Repeat(n=n, number=1, outcome=None, errcode=None, transport="read_timeout")
    for n in range(1, 14)
]

SCREENS: Mapping[str, Screen] = {
    "completed": Screen(report=_sent(S.COMPLETED, *_ALL, finished_at=NOW)),
    "completed with a title": Screen(
        report=_sent(S.COMPLETED, *_ALL, finished_at=NOW, title="June members' day, second try")
    ),
    "completed from a bad list": Screen(
        report=replace(
            _sent(S.COMPLETED, *_ALL, finished_at=NOW),
            audience=_sent(S.COMPLETED, *_ALL).audience
            | {"read": 1_030_018, "malformed": 5, "duplicate": 12, "suppressed": 1_000_001},
        ),
        skipped={
            name: [(n * 99_991, "x") for n in range(1, 9)] for name in ("malformed", "duplicate")
        },
    ),
    "completed after repeats": Screen(
        report=_sent(S.COMPLETED, *_ALL, finished_at=NOW),
        repeats=[
            *_LOST,
            Repeat(n=2, number=2, outcome=Outcome.TOKEN, errcode=40001, transport=None),
        ],
    ),
    "sending": Screen(report=_sent(S.SENDING, *_batches(B.ACCEPTED, B.CALLING, B.PLANNED))),
    "stored": Screen(report=report(S.PLANNING, phase=Phase.PLANNING, batch_list=[])),
    "storing": Screen(
        report=report(
            S.UPLOADING,
            phase=Phase.UPLOADING,
            batch_list=[],
            audience=report(S.UPLOADING).audience | {"planned": None},
        )
    ),
    "scheduled": Screen(
        report=report(
            S.SCHEDULED,
            phase=Phase.PLANNING,
            scheduled_at=NOW + DAY,
            gates=[own(GateKind.SCHEDULE, until=NOW + DAY)],
        )
    ),
    "overdue": Screen(
        report=report(
            S.PLANNING,
            phase=Phase.PLANNING,
            scheduled_at=NOW - HOUR,
            gates=[own(GateKind.SCHEDULE, until=NOW - HOUR)],
        )
    ),
    "paused": Screen(
        report=replace(
            _gate(GateKind.PAUSE, closed_by="cli:ann@desk", why="the boss calls"),
            operator_actions=_acted(Did.PAUSE, Did.RESUME, Did.PAUSE),
        )
    ),
    "paused and scheduled": Screen(
        report=report(
            S.PAUSED,
            phase=Phase.PLANNING,
            scheduled_at=NOW + HOUR,
            gates=[own(GateKind.PAUSE), own(GateKind.SCHEDULE, until=NOW + HOUR)],
        )
    ),
    "paused for content": Screen(
        report=_gate(
            GateKind.BREAKER, reason=Reason.CONTENT_REFUSED, errcode=45166, errmsg="bad content"
        )
    ),
    "paused for content in part": Screen(
        report=_sent(
            S.PAUSED,
            *_IN_PART,
            gates=[own(GateKind.BREAKER, reason=Reason.CONTENT_REFUSED, errcode=40007)],
        )
    ),
    "paused for a while": Screen(
        report=_gate(GateKind.BREAKER, reason=Reason.CONTENT_REFUSED, errcode=45028)
    ),
    "paused for the month": Screen(
        report=_gate(GateKind.BREAKER, reason=Reason.QUOTA_MONTH, errcode=45028, errmsg="quota")
    ),
    "paused for refusals": Screen(
        report=_gate(GateKind.BREAKER, reason=Reason.TOO_MANY_REFUSALS, errcode=40003, count=3)
    ),
    "held for calls": Screen(report=_gate(GateKind.HOLD, reason=Reason.PLAN_DOES_NOT_FIT)),
    "held for its time": Screen(
        report=replace(_gate(GateKind.HOLD, reason=Reason.MISSED_TIME), scheduled_at=NOW - 6 * HOUR)
    ),
    "held, never scheduled": Screen(
        report=replace(_gate(GateKind.HOLD, reason=Reason.MISSED_TIME), published_at=NOW - 6 * HOUR)
    ),
    "in doubt": Screen(
        report=_DOUBT,
        beside=Circumstances(doubts=[Doubt(n=2, size=SIZE, first=NOW - DAY, last=NOW, msg_ids=[])]),
    ),
    "in doubt with two msg_ids": Screen(
        report=_DOUBT,
        beside=Circumstances(
            doubts=[Doubt(n=2, size=SIZE, first=NOW - HOUR, last=NOW, msg_ids=[3_000_000_012, 13])]
        ),
    ),
    "in doubt and refused": Screen(
        report=_DOUBT,
        beside=Circumstances(doubts=[Doubt(n=2, size=SIZE, first=None, last=None, msg_ids=[])]),
    ),
    "many in doubt": Screen(
        report=_sent(S.HELD, *_batches(*[B.IN_DOUBT] * 13)),
        beside=Circumstances(
            doubts=[Doubt(n=n, size=SIZE, first=NOW, last=NOW, msg_ids=[]) for n in range(1, 14)]
        ),
    ),
    "partial": Screen(
        report=_sent(S.PARTIAL, *_ONE, *_refused(40003, Reason.RECIPIENTS_REFUSED, 13)),
        beside=Circumstances(
            left_over=[
                RetryGroup(
                    verdict=RetryVerdict.AGAIN,
                    numbers=range(2, 15),
                    followers=SIZE * 13,
                    reason=Reason.RECIPIENTS_REFUSED,
                    errcode=40003,
                )
            ]
        ),
    ),
    "partial for content": Screen(report=_sent(S.PARTIAL, *_IN_PART)),
    "failed": Screen(report=_sent(S.FAILED, *_refused(48001, Reason.ACCOUNT_STOPPED))),
    "cancelled": Screen(
        report=_sent(
            S.CANCELLED,
            *_batches(B.ACCEPTED, B.CANCELLED, B.CANCELLED),
            finished_at=NOW,
            gates=[own(GateKind.CANCEL, closed_by="cli:ann@desk", why="wrong list")],
        )
    ),
    "said not sent": Screen(
        report=_sent(S.PARTIAL, *_ONE, *_refused(40007, Reason.SAID_NOT_SENT)),
        beside=Circumstances(
            conflicts=[Conflict(n=2, at=NOW, word=Reason.SAID_NOT_SENT, msg_id=3_000_000_012)]
        ),
    ),
    "halted": Screen(report=_sent(S.SENDING, *_batches(B.ACCEPTED, B.PLANNED), lane=HALTED)),
    "stopped": Screen(report=_sent(S.SENDING, *_batches(B.ACCEPTED, B.PLANNED), lane=STOPPED)),
    "stopped and halted": Screen(report=_sent(S.SENDING, *_batches(B.PLANNED), lane=BOTH)),
    "stopped for doubts": Screen(
        report=_sent(
            S.SENDING,
            *_batches(B.IN_DOUBT, B.IN_DOUBT, B.PLANNED),
            lane=stopped(reason=Reason.TOO_MANY_DOUBTS, count=3, broadcasts=(ID, OTHER)),
        )
    ),
    "waits for tomorrow": Screen(
        report=_sent(S.SENDING, *_batches(B.ACCEPTED, B.PLANNED), lane=LATER)
    ),
    "waits for its share": Screen(
        report=_sent(
            S.SENDING,
            *_batches(B.ACCEPTED, B.PLANNED),
            lane=replace(
                FREE,
                gates=(
                    of_account(
                        GateKind.QUOTA, reason=Reason.SPREAD_OVER_DAYS, until=NOW + 20 * HOUR
                    ),
                ),
            ),
        )
    ),
    "behind others": Screen(report=_driven(Ahead(broadcasts=[OTHER, ID]))),
    "behind one": Screen(report=_driven(Ahead(broadcasts=[OTHER]))),
    "behind a doubt": Screen(
        report=_driven(
            Ahead(doubt=Doubtful(broadcast_id=OTHER, n=3, reason=None, until=NOW + HOUR))
        )
    ),
    "behind its own doubt": Screen(
        report=_driven(Ahead(doubt=Doubtful(broadcast_id=ID, n=1, reason=None, until=NOW)))
    ),
    "no worker": Screen(report=_driven()),
    "reply lost": Screen(
        report=_sent(
            S.SENDING,
            *_batches(
                B.UNKNOWN,
                B.UNKNOWN,
                attempts=1,
                reason=Reason.REPEAT_UNKNOWN,
                not_before=NOW + timedelta(minutes=1),
            ),
        )
    ),
    "of WeChat's own list": Screen(
        report=replace(
            _sent(S.SENDING, batch(1, state=B.CALLING)),
            path=SendPath.SENDALL,
            audience_kind="everyone",
            audience=report(S.SENDING).audience | {"planned": None},
        )
    ),
    "of a newer release": Screen(report=_gate(recognised(GateKind, "quiet_hours"))),
    "with a priority": Screen(report=_sent(S.SENDING, *_batches(B.ACCEPTED), priority=9)),
    "with a history": Screen(
        report=_sent(S.SENDING, *_batches(B.ACCEPTED), operator_actions=_acted(*Did))
    ),
}
