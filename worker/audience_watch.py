"""Who asked out or left is taken out before the first call of a batch leaves.

After each resume, unhalt, suppression, sync of the followers and push of who left, and on each new
day; a batch of which a call may have left never changes. So a batch that is called again after a
retry is left alone where somebody in it was suppressed meanwhile. Of WeChat's own list nobody can
be taken out: its call is held, unless an earlier one may have been taken.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from broadcast.call.path import SendPath
from broadcast.states import BatchState
from models.ledger import freshness, preflight, retries
from models.ledger.reading import retry_verdicts
from models.ledger.reading.next_work import Work
from worker import pushes

if TYPE_CHECKING:
    from worker.lane import LaneContext

log = logging.getLogger(__name__)

#: Nobody is missed for longer who asked out or left: a look counts for the calls within it.
LOOK_EVERY_S: Final = 1.0
#: A look that took longer is good for one call that comes this soon after it. Otherwise lists that
#: change all the time would let no call be made.
ONE_CALL_WITHIN_S: Final = 1.0


class AudienceWatch:
    """The looks of one slice."""

    def __init__(self, lane: LaneContext, *, goes_on: Callable[[], bool]) -> None:
        """Take what the lane drives with, and what says whether a look may go on.

        The end of the slice ends no look: one that is longer than a slice would never be done.
        """
        self._lane, self._goes_on = lane, goes_on
        #: Until when, by this process's clock, no look at a broadcast is needed.
        self._good: dict[str, float] = {}
        #: The same for one call alone.
        self._good_once: dict[str, float] = {}

    def allow(self, work: Work) -> bool:
        """Return whether *work* may be claimed now; else it has changed, or will.

        To be asked after everything slow, right before the claim.
        """
        if work.state is not BatchState.PLANNED:
            # It may have been sent: a repeat with its key does no harm, and settles it.
            return True
        if not work.untouched and work.path is not SendPath.SENDALL:
            return not work.begins_anew or self._is_still_wanted(work)
        moment = time.monotonic()
        once = self._good_once.get(work.broadcast_id, moment)
        if max(once, self._good.get(work.broadcast_id, moment)) > moment:
            return True
        lane = self._lane
        pushes.heed_followers(lane.engine, lane.account.name, rules=lane.rules)
        if work.path is SendPath.SENDALL:
            return not self._is_overtaken(work)
        wanted = freshness.due(self._lane.engine, work.broadcast_id)
        if wanted is not None and not self._refreeze(work.broadcast_id, wanted):
            return False
        self._good[work.broadcast_id] = moment + LOOK_EVERY_S
        # What was taken out of this batch gave it another key, and the claim compares that. After
        # a long look the call needs another slot of the pace.
        return wanted is None or time.monotonic() < moment + LOOK_EVERY_S

    @property
    def owes_call(self) -> bool:
        """Whether the call is still to come for which a look was made: no slice ends before it.

        A look that outlasts its slice would be for nothing, and so would the next slice's.
        """
        return max(self._good_once.values(), default=0.0) > time.monotonic()

    def called(self, work: Work) -> None:
        """Take note that *work* is called: a look that was good for one call is used up."""
        self._good_once.pop(work.broadcast_id, None)

    def _is_still_wanted(self, work: Work) -> bool:
        """Leave a batch alone that waits since a retry, where somebody in it is suppressed."""
        lane = self._lane
        pushes.heed_followers(lane.engine, lane.account.name, rules=lane.rules)
        found = retry_verdicts.suppressed_in(lane.engine, work.broadcast_id, [work.batch_id])
        if not found:
            return True
        if retries.leave(lane.engine, work):
            log.warning(
                "broadcast %s: batch %s is not called again, %d in it are suppressed by now",
                work.broadcast_id, work.n, found[work.batch_id],
            )  # fmt: skip
        return False

    def _is_overtaken(self, work: Work) -> bool:
        """Hold a call by WeChat's own list where somebody is suppressed since its plan."""
        if not preflight.overtaken_before_call(self._lane.engine, work):
            return False
        log.warning(
            "broadcast %s: held, WeChat's own list has people who are suppressed",
            work.broadcast_id,
        )
        return True

    def _refreeze(self, broadcast_id: str, wanted: str) -> bool:
        """Take out who asked out or left; return whether that was done to the end."""
        # numpy, which only a process that takes people out should load.
        from models.ledger import refreeze  # noqa: PLC0415
        from models.ledger.reading.followers import ListGoneError  # noqa: PLC0415

        try:
            taken = refreeze.refreeze(
                self._lane.engine, broadcast_id, wanted, goes_on=self._goes_on
            )
        except ListGoneError as error:
            log.warning("broadcast %s: who left is looked for again: %s", broadcast_id, error)
            return False
        if taken is None:
            return False
        self._good_once[broadcast_id] = time.monotonic() + ONE_CALL_WITHIN_S
        if taken:
            log.info("broadcast %s: %d who asked out or left are left out", broadcast_id, taken)
        return True
