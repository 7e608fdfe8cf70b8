"""Findings of ``broadcast doctor``: what is wrong, and the command that repairs it.

Facts that the probes noted go in, findings come out. A fault that only follows from another one is
left out, and what could not be looked at because of one is named, never taken for healthy.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from broadcast import names
from broadcast.data_files import rows
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates import restore_guard
from broadcast.rules.readiness import Check, ClockFacts, Level, Subject, of_clocks

#: Kinds of findings, in the order of the report.
Fault = StrEnum(
    "Fault",
    "DOTENV SETTINGS NO_ACCOUNT APPID MISSPELT OPEN_FILE DATABASE_AWAY DATABASE_EMPTY DATABASE_OLD "
    "DATABASE_NEW DATABASE_UNFIT DURABILITY COLLATION PACKET REDIS_AWAY REDIS_REPLICA REDIS_FULL "
    "REDIS_EVICTS REDIS_UNSEEN BROKER_AWAY NO_WORKER WORKER_ELSEWHERE WORKER_DEAF NO_BEAT "
    "WECHAT_AWAY TOKEN WHITELIST TOKEN_REPLACED QUOTA CALLS_UNKNOWN OTHER_PROGRAM CLOCK RESTORED "
    "ACCOUNT_OFF CALLBACK DEAD_LETTERS DISK",
)

#: Of each fault: whether it keeps something from being sent today (``error``); whether the command
#: of such a finding, where it has one, is all that its repair takes; which parts it *hides*: they
#: were not looked at; which faults it *explains*: they are left out, of its own account if it is
#: about one; and what it hides and explains beside those if it is about the broker's server.
_TRAITS: Final = {Fault(row["fault"]): row for row in rows(__file__, "faults.csv")}
WARNINGS: Final = frozenset(f for f, row in _TRAITS.items() if row["severity"] == "warning")
REPAIRED: Final = frozenset(f for f, row in _TRAITS.items() if row["repaired"])
#: The queues that workers read.
QUEUES: Final = (names.QUEUE, names.ENQUEUE)
#: Of a check of WeChat that did not pass.
_OF_SUBJECT: Final[Mapping[Subject, Fault]] = {
    Subject.WECHAT: Fault.WECHAT_AWAY,
    Subject.TOKEN: Fault.TOKEN,
    Subject.WHITELIST: Fault.WHITELIST,
    Subject.CALLS: Fault.CALLS_UNKNOWN,
}


#: Part of the system that is looked at.
Part = StrEnum(
    "Part",
    [
        "REDIS",
        "DATABASE",
        "STORED",  #: what the database says of accounts, letters, pushes
        "WORKERS",  #: and beat
        "WECHAT",
        "CALLS",  #: those that are left
        "TOKEN",
        "DISK",
    ],
)


@frozen
class Finding:
    """One fault that was found."""

    fault: Fault
    what: Message
    account: str | None = None
    #: Where *what* does not say it, and a command is not enough.
    fix: Message | None = None
    #: As a shell takes it, in the folder in which it was found.
    command: str | None = None
    #: The service of docker-compose.yml that is to be started.
    starts: str | None = None
    #: The command helps until a person has done the rest.
    is_stopgap: bool = False
    #: It is about the server that is the broker.
    is_of_broker: bool = False

    @property
    def is_error(self) -> bool:
        """True if it keeps something from being sent, safely or at all."""
        return self.fault not in WARNINGS

    @property
    def is_repairable(self) -> bool:
        """True if the command alone repairs it."""
        return self.command is not None and self.fault in REPAIRED and not self.is_stopgap

    @property
    def why(self) -> Message:
        """Why it matters."""
        return Message(f"doctor.why.{self.fault}")

    def says(self, column: str) -> list[str]:
        """Return what it *hides* or *explains*."""
        row = _TRAITS[self.fault]
        return f"{row[column]} {row[f'broker_{column}'] if self.is_of_broker else ''}".split()


def of_fault(
    fault: Fault,
    *,
    account: str | None = None,
    command: str | None = None,
    has_fix: bool = False,
    **facts: object,
) -> Finding:
    """Return the finding whose texts are ``doctor.FAULT`` and, if it *has_fix*, its fix."""
    if account is not None:
        facts["account"] = account
    return Finding(
        fault=fault,
        account=account,
        command=command,
        what=Message(f"doctor.{fault}", **facts),
        fix=Message(f"fix.doctor.{fault}", **facts) if has_fix else None,
    )


@frozen
class Worker:
    """The answer of a worker."""

    name: str
    installation: str
    #: The queues that it reads; None: it is of a release that does not say it.
    queues: Collection[str] | None = None
    #: Whether a beat runs in it.
    has_beat: bool = False


@dataclass(slots=True, kw_only=True)
class Facts:
    """What the probes note beside the findings; None: nobody could tell."""

    installation: str | None = None
    workers: Sequence[Worker] | None = None
    has_beat: bool = False
    #: By how much this machine's clock is ahead of WeChat's, and the database's of this machine's.
    ahead: timedelta | None = None
    database_ahead: timedelta | None = None
    #: Today's calls by account: as WeChat counts them, and as the ledger does.
    used: dict[str, Mapping[SendPath, int]] = field(default_factory=dict)
    called: dict[str, Mapping[SendPath, int]] = field(default_factory=dict)
    #: Accounts whose two interfaces share their calls.
    sharing: set[str] = field(default_factory=set)


def judge(
    found: Iterable[Finding], facts: Facts, *, celery: str
) -> tuple[list[Finding], list[Part]]:
    """Return what is wrong, in order, and what was not looked at because of it.

    *celery*: how a shell calls Celery with our application.
    """
    every = [*found, *_of_clocks(facts), *_of_counts(facts)]
    if facts.workers is not None:
        every += of_workers(
            facts.workers, facts.installation, celery=celery, has_beat=facts.has_beat
        )
    left = sorted(
        (one for one in every if not _follows(one, every)),
        key=lambda one: (list(Fault).index(one.fault), one.account or ""),
    )
    behind = {part for one in every for part in one.says("hides")}
    return left, [part for part in Part if part in behind]


def _follows(finding: Finding, every: Iterable[Finding]) -> bool:
    """Return whether a finding follows from another one."""
    return any(
        finding.fault in one.says("explains") and one.account in {None, finding.account}
        for one in every
    )


def _of_clocks(facts: Facts) -> Iterator[Finding]:
    if facts.ahead is None:
        return
    check = of_clocks(ClockFacts.of_both(facts.ahead, facts.database_ahead))
    if check.level is not Level.GOOD:
        yield Finding(
            fault=Fault.CLOCK, what=Message("doctor.clock", found=check.found), fix=check.fix
        )


def _of_counts(facts: Facts) -> Iterator[Finding]:
    """Yield the accounts from which somebody else sends: WeChat counts calls that are not ours."""
    # A probe that is late still adds to it.
    for account, used in [*facts.used.items()]:
        called = facts.called.get(account)
        shared = account in facts.sharing
        if called is None or restore_guard.explains(used, called, shared_quota=shared):
            continue
        counted, ours = max(used.values()), sum(called.values())
        yield of_fault(
            Fault.OTHER_PROGRAM, account=account, has_fix=True, used=counted, called=ours
        )


def of_workers(
    workers: Sequence[Worker], installation: str | None, *, celery: str, has_beat: bool
) -> Iterator[Finding]:
    """Yield what is wrong with the workers that answer, and whether beat is missing.

    *installation*: of our database; None: nobody could tell.
    """
    here = [one for one in workers if installation in {None, one.installation}]
    for one in workers:
        if one not in here:
            yield of_fault(Fault.WORKER_ELSEWHERE, has_fix=True, worker=one.name)
    if not workers:
        yield _start("worker", Fault.NO_WORKER, celery=celery)
    yield from _deaf(here, celery=celery)
    if not has_beat and not any(one.has_beat for one in workers):
        yield _start("beat", Fault.NO_BEAT, celery=celery)


def _start(program: str, fault: Fault, *, celery: str) -> Finding:
    files = f"--pidfile={program}.pid --logfile={program}.log"
    found = of_fault(fault, has_fix=True, command=f"{celery} {program} --detach {files}")
    return replace(found, starts=program)


def _deaf(here: Sequence[Worker], *, celery: str) -> Iterator[Finding]:
    """Yield the workers that read nothing, and all where a queue has no reader."""
    # One that does not say what it reads may read everything.
    read = {queue for one in here for queue in (QUEUES if one.queues is None else one.queues)}
    for one in here:
        known = read if one.queues or one.queues is None else ()
        missing = [queue for queue in QUEUES if queue not in known]
        order = f"{celery} control --destination {shlex.quote(one.name)} add_consumer"
        if missing:
            command = " && ".join(f"{order} {queue}" for queue in missing)
            yield of_fault(Fault.WORKER_DEAF, command=command, worker=one.name, queues=missing)


def of_check(check: Check) -> Iterator[Finding]:
    """Yield the finding of a check that did not pass."""
    if check.level is Level.GOOD:
        return
    fault, command = _OF_SUBJECT[check.subject], None
    if check.found.id == "check.calls.none":
        fault, command = Fault.QUOTA, f"broadcast quota clear --account {check.account} --yes"
    elif check.found.id == "check.token.away":
        fault = Fault.WECHAT_AWAY
    yield Finding(
        fault=fault,
        account=check.account,
        fix=check.fix,
        command=command,
        what=Message("doctor.of_account", account=check.account, found=check.found)
        if check.account
        else check.found,
    )
