"""WeChat's answers of the last seconds: programs may submit faster than it can be asked each time.

None is of a day that is over. It may let a broadcast through; what it would refuse is refused, or
held, by a newer answer alone.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

from broadcast import day
from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan.proof import Quota

#: An answer serves for so long.
ANSWER_FOR_S: Final = 3.0
#: One so old serves who cannot wait for WeChat, while the next is being asked for.
USABLE_S: Final = 5.0
#: Who cannot wait goes on without an answer for so long after WeChat gave none.
SILENT_S: Final = 60.0
#: And after this while WeChat is being asked.
_WAIT_S: Final = 1.0
#: How to ask WeChat; None: it gives no answer now.
Ask: TypeAlias = Callable[[Account, SendPath], Quota | None]


@frozen
class Answer:
    """WeChat's answer about an account's calls, and the time of the question."""

    quota: Quota
    #: By this process's monotonic clock, in seconds, as ``answered_at``.
    asked_at: float


@dataclass(slots=True)
class _QuotaEntry:
    """Of an account and interface: the last answer, and who asks for the next."""

    asking: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer | None = None
    answered_at: float = -math.inf
    #: In Shanghai: the calls of a day that is over are gone.
    day: date | None = None

    def is_good_for(self, seconds: float) -> bool:
        return time.monotonic() - self.answered_at < seconds and self.day == _today()

    def of_today(self) -> Answer | None:
        """Return the last answer, unless the day turned since it was asked for."""
        return self.answer if self.day == _today() else None

    def serves_in_haste(self) -> bool:
        return self.is_good_for(SILENT_S if self.answer is None else USABLE_S)


class RecentQuotas:
    """The last answer for each account and interface; one asks, for all. For threads."""

    def __init__(self, ask: Ask) -> None:
        """*ask* asks WeChat; its errors pass through."""
        self._ask = ask
        self._lock = threading.Lock()
        self._all: dict[tuple[str, SendPath], _QuotaEntry] = {}

    def answer(
        self, account: Account, path: SendPath, *, since: float = -math.inf
    ) -> Answer | None:
        """Return a recent answer, not asked for before *since*; None: WeChat gives none now."""
        known = self._entry(account, path)
        with known.asking:
            recent = self.recent(account, path)
            if recent is None or recent.asked_at < since:
                self._renew(known, account, path)
                return known.of_today()
            return recent

    def recent(self, account: Account, path: SendPath) -> Answer | None:
        """Return the last answer if it is recent, asking nobody."""
        known = self._entry(account, path)
        return known.answer if known.is_good_for(ANSWER_FOR_S) else None

    def quota(self, account: Account, path: SendPath) -> Quota | None:
        """Return an answer of the last seconds, or None; wait for WeChat a moment at most.

        This is :class:`producer.submit.prepare.QuotaSource` for many requests at once.
        """
        known = self._entry(account, path)
        if not known.is_good_for(ANSWER_FOR_S):
            if known.serves_in_haste():
                self._renew_aside(known, account, path)
            elif not self._renewed(known, account, path):
                return None
        last = known.of_today()
        return None if last is None else last.quota

    def _entry(self, account: Account, path: SendPath) -> _QuotaEntry:
        with self._lock:
            return self._all.setdefault((account.appid, path), _QuotaEntry())

    def _renewed(self, known: _QuotaEntry, account: Account, path: SendPath) -> bool:
        """Ask, or wait for a question under way; return False where that takes long."""
        if not known.asking.acquire(timeout=_WAIT_S):
            return False
        try:
            if not known.is_good_for(ANSWER_FOR_S):
                self._renew(known, account, path)
            return True
        finally:
            known.asking.release()

    def _renew_aside(self, known: _QuotaEntry, account: Account, path: SendPath) -> None:
        """Ask in a thread of its own, unless somebody asks."""

        def renew() -> None:
            try:
                self._renew(known, account, path)
            finally:
                known.asking.release()

        if not known.asking.acquire(blocking=False):
            return
        try:
            threading.Thread(target=renew, name="quota", daemon=True).start()
        except RuntimeError:
            # No thread more in this process: who comes later asks.
            known.asking.release()

    def _renew(self, known: _QuotaEntry, account: Account, path: SendPath) -> None:
        # From before it is asked: it may take its time to answer, even over midnight.
        asked_at, today = time.monotonic(), _today()
        quota = self._ask(account, path)
        known.answer = None if quota is None else Answer(quota=quota, asked_at=asked_at)
        known.answered_at, known.day = time.monotonic(), today


def _today() -> date:
    return datetime.now(UTC).astimezone(day.SHANGHAI).date()
