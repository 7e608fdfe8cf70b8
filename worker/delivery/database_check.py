"""The check before calls: whether this is the database that made the account's calls.

It stands before each slice of a lane and each plan. Where it fails, every lane is closed until a
person answers (``broadcast restored``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy import Engine

from broadcast.errors import OutOfReachError
from broadcast.rules.accounts import Account
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates import restore_guard
from broadcast.rules.gates.restore_guard import Sight, Trust, Verdict
from broadcast.rules.states import Reason
from broadcast.tokens.claim_counter import ClaimCounter
from models.ledger.gates import restores
from models.ledger.gates.restores import DatabaseFacts
from models.ledger.lane import obstacles
from worker.delivery.ports import Gateway

log = logging.getLogger(__name__)


class DatabaseCheck:
    """The restore guard of one process."""

    def __init__(
        self,
        engine: Engine,
        *,
        counter: ClaimCounter,
        gateway: Callable[[Account], Gateway],
        waits: Waits,
    ) -> None:
        """*counter*: of this database, and of no other."""
        self.counter = counter
        self._engine = engine
        self._gateway = gateway
        self._waits = waits

    def check(self, account: Account) -> None:
        """Return if the account's calls may be made. Raises OutOfReachError where they may not."""
        facts, verdict = self._facts_and_verdict(account)
        if verdict is not Trust.KNOWN:
            # Another thread may have begun to count between the look into Redis and the ledger.
            facts, verdict = self._facts_and_verdict(account)
        if verdict is Trust.COUNT_CALLS:
            verdict = Trust.NEW if self._explains(account) else Reason.REDIS_EMPTY
        if isinstance(verdict, Reason):
            for name in restores.close_lanes(self._engine, verdict):
                log.error(
                    "account %s: its calls are stopped, %s: broadcast restored", name, verdict
                )
            raise OutOfReachError("error.database.restored")
        if verdict is Trust.NEW:
            # In this order: who finds the place finds the count.
            self.counter.begin(account.name, facts.claims.get(account.name, 0))
            restores.begin(self._engine)
        if not facts.is_seen_now:
            restores.note_seen(self._engine)

    def _facts_and_verdict(self, account: Account) -> tuple[DatabaseFacts, Verdict]:
        """Look at the database and judge it. Raises OutOfReachError where the lanes are closed."""
        # Redis first: a claim is committed before it is counted.
        counts = self.counter.read()
        facts = restores.facts(self._engine, [account.name])
        if facts.is_closed:
            raise OutOfReachError("error.database.restored")
        return facts, self._verdict(account, facts, counts)

    def watch(self, accounts: Mapping[str, Account]) -> int:
        """Check the lanes of *accounts* that need it; return how many did.

        Where every lane is as it was, a worker is at work on the right database, and that is noted.
        Raises OutOfReachError.
        """
        counts = self.counter.read()
        facts = restores.facts(self._engine, None)
        if facts.is_closed or facts.known_place is None:
            return 0
        suspect = [
            name
            for name in facts.claims
            if restore_guard.judge(_sight(facts, counts, name)) is not Trust.KNOWN
        ]
        for account in (accounts[name] for name in suspect if name in accounts):
            self.check(account)
        if not suspect and not facts.is_seen_now:
            restores.note_seen(self._engine)
        return len(suspect)

    def _verdict(
        self, account: Account, facts: DatabaseFacts, counts: Mapping[str, int]
    ) -> Verdict:
        sight = _sight(facts, counts, account.name)
        verdict = restore_guard.judge(sight)
        if verdict is not Trust.COUNT_CALLS:
            return verdict
        owed_since = restores.owed_since(self._engine, account.name)
        return restore_guard.judge(replace(sight, owed_since=owed_since))

    def _explains(self, account: Account) -> bool:
        """Return whether the ledger's calls of today explain WeChat's count."""
        used: dict[SendPath, int] = {}
        for path in SendPath:
            answer = self._gateway(account).quota(path)
            if not isinstance(answer, NoAnswer):
                used[path] = answer.used
            elif answer.keeps_the_lane:
                obstacles.apply_no_answer(self._engine, account, answer, waits=self._waits)
                raise OutOfReachError("error.database.uncounted", account=account.name)
            else:
                # WeChat does not say it to this account.
                return False
        called = restores.called_today(self._engine, account.name)
        return restore_guard.explains(used, called, shared_quota=account.shared_quota)


def _sight(facts: DatabaseFacts, counts: Mapping[str, int], account: str) -> Sight:
    return Sight(
        known_place=facts.known_place, place=facts.place, claims=facts.claims.get(account, 0),
        counted=counts.get(account), counts_others=bool(counts), seen_at=facts.seen_at,
        owed_since=None, now=facts.now,
    )  # fmt: skip
