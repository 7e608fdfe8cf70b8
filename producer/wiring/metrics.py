"""Figures of what is beside the ledger: Redis, the broker, and WeChat's count of calls."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from broadcast import day
from broadcast.errors import BroadcastError, BrokerAwayError, RedisAwayError
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.metrics import Figures, Samples
from broadcast.rules.plan.proof import Quota
from producer.waking import CeleryWaker
from producer.wiring.wechat import WeChat

#: WeChat is asked for the calls that are left so often.
ASKED_EVERY_S: Final = 300.0


class PartsMetrics:
    """The figures of the parts of one process. For threads."""

    def __init__(self, wechat: WeChat, waker: CeleryWaker, accounts: Mapping[str, Account]) -> None:
        """*accounts*: those of the settings."""
        self._wechat, self._waker, self._accounts = wechat, waker, accounts
        self._calls_left = CallsLeft(wechat.quota, accounts)

    def samples(self) -> Samples:
        """Return what the parts say, nothing of one that is away."""
        found: dict[str, Figures] = {"calls_left_today": self._calls_left.figures()}
        reachable: dict[tuple[str, ...], float] = {("redis",): 0, ("broker",): 0}
        with contextlib.suppress(RedisAwayError):
            found["last_sweep_age_seconds"] = {(): self._wechat.sweep_mark.age().total_seconds()}
            found |= self._tokens()
            reachable["redis",] = 1
        with contextlib.suppress(BrokerAwayError):
            lengths = self._waker.queue_lengths()
            found["queue_messages"] = {(name,): count for name, count in lengths.items()}
            reachable["broker",] = 1
        return found | {"part_reachable": reachable}

    def _tokens(self) -> Samples:
        found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
        for name, account in self._accounts.items():
            found["token_remaining_seconds"][name,] = 0
            if token := self._wechat.tokens.peek(account.appid):
                left = token.expires_at - datetime.now(UTC)
                found["token_remaining_seconds"][name,] = left.total_seconds()
                found["token_age_seconds"][name,] = token.age.total_seconds()
                found["token_changes_total"][name,] = token.generation
        return found


class CallsLeft:
    """WeChat's answers of the last minutes, asked for by a thread of its own."""

    def __init__(
        self, ask: Callable[[Account, SendPath], Quota], accounts: Mapping[str, Account]
    ) -> None:
        """*ask* raises BroadcastError where WeChat does not answer."""
        self._ask, self._accounts = ask, accounts
        self._next = 0.0
        self._answers: dict[tuple[str, SendPath], tuple[int, datetime]] = {}

    def figures(self) -> Figures:
        """Return what WeChat last said today, by account and path; ask anew where that is due."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + ASKED_EVERY_S
            # There may be no thread more in this process.
            with contextlib.suppress(RuntimeError):
                threading.Thread(target=self._renew, daemon=True).start()
        today = _today()
        return {of: left for of, (left, asked) in [*self._answers.items()] if asked == today}

    def _renew(self) -> None:
        for of in itertools.product(self._accounts, SendPath):
            self._answers.pop(of, None)
            today = _today()
            # It is away, or has no such path for this account: nothing is known.
            with contextlib.suppress(BroadcastError):
                self._answers[of] = self._ask(self._accounts[of[0]], of[1]).remain, today


def _today() -> datetime:
    return day.start(datetime.now(UTC))
