"""What a program may say of a broadcast or an account that is there; a worker is woken for it."""

from __future__ import annotations

import contextlib
from typing import Protocol

from sqlalchemy import Engine

from broadcast.accounts import Account
from broadcast.errors import BrokerAwayError, InputError, PlanError, SettingsError
from broadcast.gates.blockers import is_driven
from broadcast.gates.kinds import GateKind
from broadcast.message import Message
from broadcast.plan.no_room import of_resume
from broadcast.reasons import Reason
from broadcast.redaction import redact
from broadcast.reports import Report
from broadcast.settings import Settings
from broadcast.states import Phase
from models.ledger import operator
from models.ledger.reading import in_flight
from producer import called_again
from producer.prepare import QuotaSource


class LaneWaker(Protocol):
    """Calls a worker for what is stored."""

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
) -> bool:
    """Let a broadcast go on, its remaining calls proved once more; return False if nothing kept it.

    *report* with its batches. Raises PlanError, UnknownIdError, and InputError, also for what a
    person would be asked first: a draft that is gone or was edited, and a newer broadcast that
    reached the same followers.
    """
    _refuse_unseen(report)
    called_again.refuse_reached(engine, report, called_again.by_resume(report), command="resume")
    account = _account(settings, report.account)
    try:
        return operator.resume(
            engine, report.id, who=who, why=why,
            quota=quota.quota(account, report.path) if account else None,
            shared_quota=account is None or account.shared_quota,
            shown=operator.Shown(gates={gate.id for gate in report.gates}, draft=None),
        )  # fmt: skip
    except PlanError as error:
        problem = of_resume(error, report)
    raise problem


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


def in_one_line(why: str | None) -> str | None:
    """Return somebody's words as they are kept: in one line, without secrets; None for no words."""
    line = "".join(sign if sign.isprintable() else " " for sign in why or "")
    return redact(" ".join(line.split())) or None
