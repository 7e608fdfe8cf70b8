"""The check before calls: whether this is the database that made the account's calls.

It stands before each slice of a lane and each plan. Where it fails, every lane is closed until a
person answers (``broadcast restored``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final, NoReturn

from sqlalchemy import Engine

from broadcast.errors import OutOfReachError, SchemaError
from broadcast.rules.accounts import Account
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import NEAR_TURN, Waits
from broadcast.rules.gates import restore_guard
from broadcast.rules.gates.restore_guard import DatabaseFacts, Trust, Verdict
from broadcast.rules.states import Reason
from broadcast.tokens.claim_counter import ClaimCounter
from models import schema
from models.ledger.gates import restores
from models.ledger.lane import obstacles
from worker.delivery.ports import Gateway

log = logging.getLogger(__name__)

#: So often, and so many seconds apart, a database whose table was made anew is compared with Redis.
_LOOKS: Final = 20
_LOOK_AFTER_S: Final = 0.05


class DatabaseCheck:
    """The restore guard of one process."""

    def __init__(
        self,
        engine: Engine,
        *,
        counter: ClaimCounter,
        gateway: Callable[[Account], Gateway],
        waits: Waits,
        end: Callable[[SchemaError], None] | None = None,
    ) -> None:
        """*counter*: of this database, and of no other. *end*: what ends this worker."""
        self.counter = counter
        self._engine = engine
        self._gateway = gateway
        self._waits = waits
        self._end = end
        #: By this process, since it began.
        self._has_noted = False

    def check(self, account: Account) -> None:
        """Return if the account's calls may be made. Raises OutOfReachError where they may not."""
        if not self._is_proved(account):
            raise OutOfReachError("error.database.uncounted", account=account.name)

    def watch(self, accounts: Mapping[str, Account]) -> set[str]:
        """Check each lane of *accounts* apart; return those that WeChat does not answer.

        A worker is at work then, and knows the others: that is noted. Of a lane that this worker
        has no account for it sees no more than that the database is not the one that made its
        calls. Raises OutOfReachError where the lanes are closed.
        """
        counts = self.counter.read()
        facts = self._facts()
        if facts.is_closed:
            return set()
        unproved = set[str]()
        for name in sorted({*facts.lanes, *counts.claims}):
            lane = facts.lane(name)
            verdict = restore_guard.judge(facts, name, counts=counts)
            if isinstance(verdict, Reason):
                self._close(verdict)
            is_here = name in accounts and name in facts.lanes
            if not is_here or (verdict is Trust.KNOWN and facts.is_recent(lane.seen_at)):
                continue
            rests = verdict is Trust.COUNT_CALLS and lane.rests
            if rests or not self._is_proved(accounts[name]):
                unproved.add(name)
        if not (self._has_noted and facts.is_recent(facts.seen_at)):
            self._note_seen()
        return unproved

    def _note_seen(self, accounts: Collection[str] = ()) -> None:
        """Note that a worker is at work, and let Redis know; raises RedisAwayError."""
        is_emptied = self.counter.read().notes is None
        number = restores.note_seen(self._engine, accounts, is_emptied=is_emptied)
        if number is not None:
            self.counter.note(number)
            self._has_noted = True

    def _is_proved(self, account: Account) -> bool:
        """Return whether the account's calls may be made; False: WeChat does not answer.

        Raises OutOfReachError where the lanes are closed.
        """
        facts, verdict = self._facts_and_verdict(account.name)
        if verdict is not Trust.KNOWN:
            # Another thread may have begun to count between the look into Redis and the ledger.
            facts, verdict = self._facts_and_verdict(account.name)
        if verdict is Trust.COUNT_CALLS:
            verdict = self._by_count(account, facts)
        if verdict is Trust.COUNT_CALLS:
            return False
        if isinstance(verdict, Reason):
            self._close(verdict)
        lane = facts.lane(account.name)
        if verdict is Trust.NEW:
            self.counter.begin(account.name, lane.claims)
        if not facts.is_recent(lane.seen_at):
            self._note_seen([account.name])
        return True

    def _close(self, reason: Reason) -> NoReturn:
        for name in restores.close_lanes(self._engine, reason):
            log.error("account %s: its calls are stopped, %s: broadcast restored", name, reason)
        raise OutOfReachError("error.database.restored")

    def _facts_and_verdict(self, account: str) -> tuple[DatabaseFacts, Verdict]:
        """Look at the database and judge it. Raises OutOfReachError where the lanes are closed."""
        # Redis first: a claim or note is committed before it is counted.
        counts = self.counter.read()
        facts = self._facts([account])
        if facts.is_closed:
            raise OutOfReachError("error.database.restored")
        verdict = restore_guard.judge(facts, account, counts=counts)
        if verdict is Trust.COUNT_CALLS:
            owed = restores.owed(self._engine, account)
            verdict = restore_guard.judge(facts, account, counts=counts, owed=owed)
        return facts, verdict

    def _facts(self, accounts: Collection[str] | None = None) -> DatabaseFacts:
        """Return the facts of the lanes of *accounts*, once a new name of its place is noted.

        Raises SchemaError where an upgrade has ended what this program may do.
        """
        facts = restores.facts(self._engine, accounts)
        if facts.oldest_compatible > schema.NUMBER:
            self._refuse_newer()
        if facts.is_closed or not facts.is_renamed:
            return facts
        # A call may be claimed between the looks into Redis and the ledger.
        for _ in range(_LOOKS):
            counts = self.counter.read()
            facts = restores.facts(self._engine)
            if not facts.is_renamed or facts.is_closed:
                break
            if facts.has_new_place(counts):
                restores.note_new_place(self._engine, facts.known_place, facts.place)
            elif not facts.was_rebuilt:
                break
            else:
                time.sleep(_LOOK_AFTER_S)
        return restores.facts(self._engine, accounts)

    def _refuse_newer(self) -> None:
        try:
            schema.check(self._engine)
        except SchemaError as error:
            if self._end is not None:
                self._end(error)
            raise

    def _by_count(self, account: Account, facts: DatabaseFacts) -> Verdict:
        """Judge by WeChat's count of today's calls; the same as before where it is away."""
        used: dict[SendPath, int] = {}
        for path in SendPath:
            answer = self._gateway(account).quota(path)
            if not isinstance(answer, NoAnswer):
                used[path] = answer.used
            elif answer.keeps_the_lane:
                obstacles.apply_no_answer(self._engine, account, answer, waits=self._waits)
                return Trust.COUNT_CALLS
            else:
                # WeChat does not say it to this account: the others go on.
                obstacles.wait_for_count(self._engine, account, waits=self._waits)
                return Trust.COUNT_CALLS
        # WeChat's count may be of the day that has just ended here.
        called = restores.called_today(self._engine, account.name, facts.now - NEAR_TURN)
        if restore_guard.explains(used, called, shared_quota=account.shared_quota):
            return Trust.NEW
        return Reason.REDIS_EMPTY
