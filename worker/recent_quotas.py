"""WeChat's answers of the last seconds: programs may submit faster than it can be asked each time.

An answer is never older than ``ANSWER_FOR_S``, and never of a day that is over. It may let a
broadcast through; what it would refuse is refused, or held, by a newer answer alone.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

from broadcast import day
from broadcast.accounts import Account
from broadcast.call.path import SendPath
from broadcast.call.result import NoAnswer
from broadcast.plan import Quota

ANSWER_FOR_S: Final = 3.0
_Whose: TypeAlias = tuple[str, SendPath]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What WeChat said, and when it was asked."""

    quota: Quota
    #: By this process's monotonic clock.
    asked_at: float
    #: In Shanghai.
    day: date


class RecentQuotas:
    """Of each account and interface, the last answer and who asks for the next. For threads."""

    def __init__(self, ask: Callable[[Account, SendPath], Quota | NoAnswer]) -> None:
        """Take who asks WeChat; what it raises passes through."""
        self._ask = ask
        self._answers: dict[_Whose, Answer] = {}
        # One asks, and the others wait for its answer.
        self._asking: defaultdict[_Whose, threading.Lock] = defaultdict(threading.Lock)

    def answer(
        self, account: Account, path: SendPath, *, since: float = -math.inf
    ) -> Answer | NoAnswer:
        """Return the calls left today by a recent answer, not asked for before *since*."""
        with self._asking[account.appid, path]:
            recent = self.recent(account, path)
            if recent is not None and recent.asked_at >= since:
                return recent
            return self._new(account, path)

    def recent(self, account: Account, path: SendPath) -> Answer | None:
        """Return the last answer if it is recent, asking nobody."""
        last = self._answers.get((account.appid, path))
        if last is None or last.asked_at + ANSWER_FOR_S <= time.monotonic():
            return None
        return last if last.day == _today() else None

    def _new(self, account: Account, path: SendPath) -> Answer | NoAnswer:
        # From before it is asked: it may take its time to answer, even over midnight.
        asked_at, today = time.monotonic(), _today()
        said = self._ask(account, path)
        if isinstance(said, NoAnswer):
            return said
        made = Answer(quota=said, asked_at=asked_at, day=today)
        self._answers[account.appid, path] = made
        return made


def _today() -> date:
    return datetime.now(UTC).astimezone(day.SHANGHAI).date()
