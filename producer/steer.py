"""Steering by programs: commands on a broadcast or an account, and the wake of a worker."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from typing import Protocol

from sqlalchemy import Engine

from broadcast.errors import BrokerAwayError, InputError, PlanError, SettingsError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import content_stays_refused
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.blockers import is_driven
from broadcast.rules.gates.gate import RESUME_OPENS, RETRY_LEAVES, GateKind
from broadcast.rules.jobs import Job
from broadcast.rules.overlap import Newer
from broadcast.rules.plan.proof import of_resume
from broadcast.rules.reports import Report
from broadcast.rules.states import BatchState, Phase, Reason
from broadcast.settings.program_settings import Settings
from models.ledger.lane import call_history
from models.ledger.outcomes import job_lookup
from models.ledger.rows import locked_rows
from models.ledger.steer import operator, retries
from models.ledger.views import in_flight
from producer.submit.prepare import QuotaSource


class LaneWaker(Protocol):
    """Wakes a worker for stored work."""

    def wake_planner(self, broadcast_id: str) -> None:
        """Ask a worker to plan a broadcast. Raises BrokerAwayError."""

    def wake_lane(self, account: str, broadcast_id: str) -> None:
        """Ask a worker to drive a lane. Raises BrokerAwayError."""


def resume(
    engine: Engine,
    report: Report,
    *,
    settings: Settings,
    quota: QuotaSource,
    who: str,
    why: str | None,
    maybe_sent: bool,
) -> bool:
    """Resume a broadcast, its remaining calls proved once more; return False if nothing kept it.

    *report* with its batches; *maybe_sent* as for :func:`operator.resume`. Raises PlanError,
    UnknownIdError, and InputError, also for what a person would be asked first: a draft that is
    gone or was edited, and a newer broadcast that reached the same followers.
    """
    _refuse_unseen(report)
    refuse_reached(engine, report, by_resume(report), command="resume")
    shown = operator.ShownFacts(gates={gate.id for gate in report.gates}, draft=None)
    return resume_as_shown(
        engine,
        report,
        shown,
        settings=settings,
        quota=quota,
        who=who,
        why=why,
        maybe_sent=maybe_sent,
    )


def resume_as_shown(
    engine: Engine,
    report: Report,
    shown: operator.ShownFacts,
    *,
    settings: Settings,
    quota: QuotaSource,
    who: str,
    why: str | None,
    maybe_sent: bool,
) -> bool:
    """Resume a broadcast as it was *shown* to a person, or read for a program.

    Raises as :func:`operator.resume`.
    """
    account = _account(settings, report.account)
    try:
        return operator.resume(
            engine,
            report.id,
            who=who,
            why=why,
            shown=shown,
            maybe_sent=maybe_sent,
            quota=quota.quota(account, report.path) if account else None,
            shared_quota=account is None or account.shared_quota,
        )
    except PlanError as error:
        raise of_resume(error, report) from None


def _refuse_unseen(report: Report) -> None:
    """Refuse what a draft says that nobody saw: a person on a terminal is shown it, and asked."""
    gate = report.gate(GateKind.DRAFT)
    if gate is None:
        return
    if gate.reason is Reason.DRAFT_GONE:
        raise InputError("error.resume.draft_gone", id=report.id, gone=Message("resume.draft_gone"))
    raise InputError("error.resume.draft_unseen", id=report.id)


def _account(settings: Settings, name: str) -> Account | None:
    try:
        return settings.account(name)
    except SettingsError:
        # The plan is proved by a worker that has it, before the next call.
        return None


def wake(waker: LaneWaker, report: Report) -> None:
    """Wake a worker for a broadcast that may go on; with the broker away the sweep does."""
    if not is_driven(report):
        return
    with contextlib.suppress(BrokerAwayError):
        if report.phase is Phase.PLANNING:
            waker.wake_planner(report.id)
        else:
            waker.wake_lane(report.account, report.id)


def wake_lane(engine: Engine, waker: LaneWaker, account: str) -> None:
    """Wake a worker for what of an account may go on; with the broker away the sweep does."""
    waiting = in_flight.waiting(engine, [account]).get(account)
    if waiting is not None and waiting.going:
        with contextlib.suppress(BrokerAwayError):
            waker.wake_lane(account, waiting.going[0])


@frozen
class CalledAgainWarnings:
    """By the number of each batch: should the verdict be wrong, a retry sends it twice."""

    #: Jobs that WeChat ended, that no batch has, and that can be this one.
    ended: Mapping[int, Sequence[Job]] = field(default_factory=dict)
    #: How long ago its last call was of which WeChat no longer knows the key.
    forgotten: Mapping[int, timedelta] = field(default_factory=dict)


def called_again_warnings(engine: Engine, report: Report, *, waits: Waits) -> CalledAgainWarnings:
    """Return the warnings against calling the batches of a broadcast again."""
    # A retry of what is cancelled is refused in any case.
    if not report.batches["refused"] or report.gate(GateKind.CANCEL) is not None:
        return CalledAgainWarnings()
    if ended := job_lookup.jobs_of_called_not_sent(engine, report.account, report.id):
        return CalledAgainWarnings(ended=ended)
    again = _called_again_facts(engine, report)
    return CalledAgainWarnings(
        forgotten=call_history.forgotten_of(engine, report.id, again, waits=waits)
    )


def _called_again_facts(engine: Engine, report: Report) -> list[int]:
    left = retries.retry_verdicts(engine, report.id) if report.batches["refused"] else ()
    return [n for one in left if one.verdict is RetryVerdict.AGAIN for n in one.numbers]


def by_resume(report: Report) -> list[int]:
    """Return the batches that a resume lets be called: none where it has nothing to open."""
    if report.gate(*RESUME_OPENS) is None:
        return []
    # What is not cut into batches yet is number 0.
    return _waiting(report) if report.batch_list else [0]


def by_retry(engine: Engine, report: Report) -> list[int]:
    """Return the batches that a retry lets be called: none where only a resume opens the way."""
    breaker = report.gate(GateKind.BREAKER)
    stays = breaker is not None and content_stays_refused(breaker.reason, breaker.errcode)
    if stays or report.gate(GateKind.CANCEL, *RETRY_LEAVES):
        return []
    # What waits goes on with it where the circuit breaker stopped it.
    return [*_called_again_facts(engine, report), *(_waiting(report) if breaker else ())]


def _waiting(report: Report) -> list[int]:
    waits = {BatchState.PLANNED, BatchState.UNKNOWN}
    return [line.n for line in report.batch_list if line.state in waits]


def reached(engine: Engine, report: Report, numbers: Collection[int]) -> Newer | None:
    """Return the followers of batches *numbers* that a newer broadcast reached; None: nobody."""
    among = locked_rows.newer(engine, report.id) if numbers else ()
    if not among:
        return None
    from models.ledger.views import received

    # Of two that wait none takes the place of the other: each has its own time.
    to_come = report.started_at is not None
    found = received.newer(engine, report.id, numbers, among=among, to_come=to_come)
    return found if found.followers else None


def refusal(report: Report, found: Newer, *, command: str) -> InputError:
    """Return the refusal where nobody can be asked: a person's *command* does it all the same."""
    return InputError(
        "error.broadcast.newer",
        id=report.id,
        count=found.followers,
        ids=list(found.ids),
        command=f"broadcast {command} {report.id} --yes",
    )


def refuse_reached(
    engine: Engine, report: Report, numbers: Collection[int], *, command: str
) -> None:
    """Raise InputError where a newer broadcast reached followers who would be called again."""
    found = reached(engine, report, numbers)
    if found is not None:
        raise refusal(report, found, command=command)
