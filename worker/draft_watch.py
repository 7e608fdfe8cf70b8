"""The draft of a broadcast is looked at before its first call, and after whatever it waited for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from broadcast.call.result import NoAnswer
from broadcast.states import BatchState
from models.ledger import drafts, preflight
from models.ledger.reading.next_work import Said, Work

if TYPE_CHECKING:
    from worker.lane import LaneContext

log = logging.getLogger(__name__)

_ARTICLES: Final = "mpnews"
#: Most drafts of an account that are read in one go.
AT_ONCE: Final = 20


class DraftWatch:
    """The looks before calls: of other contents there is none, of a draft whenever one is due."""

    def __init__(self, lane: LaneContext) -> None:
        """Take what the lane drives with."""
        self._lane = lane

    def allow(self, work: Work, said: Said) -> bool:
        """Return whether *work* may be called; look at its draft first, if a look is due.

        What may have been sent is repeated as it was. Raises RedisAwayError.
        """
        if not self._lane.rules.watch_drafts:
            return True
        if said.msgtype != _ARTICLES or work.state is not BatchState.PLANNED:
            return True
        return self._look(work.broadcast_id)

    def _look(self, broadcast_id: str) -> bool:
        lane, waits = self._lane, self._lane.rules.waits
        media_id = drafts.to_look_at(lane.engine, broadcast_id)
        if media_id is None:
            return True
        look = lane.gateway.draft(media_id)
        if isinstance(look, NoAnswer) and preflight.meet_if_of_account(
            lane.engine, lane.account, look, waits=waits
        ):
            return False
        return drafts.looked(lane.engine, broadcast_id, look, waits=waits)


def read_first(lane: LaneContext) -> int:
    """Read drafts that nobody could read at their submit; return how many were tried.

    Raises OutOfReachError.
    """
    if not lane.rules.watch_drafts:
        return 0
    waits = lane.rules.waits
    some = drafts.unread(lane.engine, lane.account.name, most=AT_ONCE, waits=waits)
    for one in some:
        look = lane.gateway.draft(one.media_id)
        drafts.read_first(lane.engine, one.broadcast_id, look)
        if isinstance(look, NoAnswer):
            log.warning(
                "account %s: the draft of broadcast %s is read later: %s", lane.account.name,
                one.broadcast_id, look.errmsg,
            )  # fmt: skip
            break
    return len(some)
