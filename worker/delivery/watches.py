"""Watches: audience, draft and files of a batch, looked at before its first call leaves.

Opt-outs and unsubscribers are removed after each resume, unhalt, suppression, sync of the followers
and push of who left, and on each new day; a batch of which a call may have left never changes. So a
batch that is called again after a retry is left alone where somebody in it was suppressed
meanwhile. Of WeChat's own list nobody can be taken out: its call is held, unless an earlier one may
have been taken.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from broadcast.errors import MediaError
from broadcast.rules import media
from broadcast.rules.accounts import Account
from broadcast.rules.calls import waits as waits_module
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope, SendPath
from broadcast.rules.media import KeptFile, LocalFile, VideoWords
from broadcast.rules.states import BatchState
from models.ledger.boxes import pushes as waiting_pushes
from models.ledger.gates import drafts
from models.ledger.lane import obstacles
from models.ledger.lane.next_work import CallContent, Work
from models.ledger.plan import late_opt_outs, renewals
from models.ledger.steer import retries
from producer import pushes
from producer.media.upload import UploadCache

if TYPE_CHECKING:
    from worker.delivery.lane import LaneContext
    from worker.delivery.ports import Gateway

log = logging.getLogger(__name__)

#: No opt-out is missed for longer: a look counts for the calls within it.
LOOK_EVERY_S: Final = 1.0
#: A look that took longer is good for one call that comes this soon after it. Otherwise lists that
#: change all the time would let no call be made.
ONE_CALL_WITHIN_S: Final = 1.0


class AudienceWatch:
    """The looks of one slice."""

    def __init__(self, lane: LaneContext, *, goes_on: Callable[[], bool]) -> None:
        """*goes_on* says whether a look may go on.

        The end of the slice ends no look: one that is longer than a slice would never be done.
        """
        self._lane, self._goes_on = lane, goes_on
        #: Until when, by this process's clock, no look at a broadcast is needed.
        self._good: dict[str, float] = {}
        #: The same for one call alone.
        self._good_once: dict[str, float] = {}

    def prepare_for_call(self, work: Work) -> bool:
        """Take out who must not get *work*; return whether it may be claimed now.

        Pushes that wait are applied first. Else its batch was shrunk, refused or held, or will be.
        Right before the claim, after everything slow.
        """
        if work.state is not BatchState.PLANNED:
            # It may have been sent: a repeat with its key does no harm, and settles it.
            return True
        if not work.untouched and work.path is not SendPath.SENDALL:
            return not work.begins_anew or not self._mark_refused_if_suppressed(work)
        moment = time.monotonic()
        once = self._good_once.get(work.broadcast_id, moment)
        if max(once, self._good.get(work.broadcast_id, moment)) > moment:
            return True
        return self._apply_pending_opt_outs() and self._update_audience(work, moment)

    def _update_audience(self, work: Work, moment: float) -> bool:
        """Look at the audience of *work*, since *moment*; return whether it may be claimed now."""
        if work.path is SendPath.SENDALL:
            return not self._hold_if_suppressed(work)
        wanted = late_opt_outs.due_opt_outs(self._lane.engine, work.broadcast_id)
        if wanted is not None and not self._remove_late_opt_outs(work.broadcast_id, wanted):
            return False
        self._good[work.broadcast_id] = moment + LOOK_EVERY_S
        # What was taken out of this batch gave it another key, and the claim compares that. After
        # a long look the call needs another slot of the pace.
        return wanted is None or time.monotonic() < moment + LOOK_EVERY_S

    @property
    def owes_call(self) -> bool:
        """True if the call is still to come for which a look was made: no slice ends before it.

        A look that outlasts its slice would be for nothing, and so would the next slice's.
        """
        return max(self._good_once.values(), default=0.0) > time.monotonic()

    def called(self, work: Work) -> None:
        """Note that *work* is called: a look that was good for one call is used up."""
        self._good_once.pop(work.broadcast_id, None)

    def _apply_pending_opt_outs(self) -> bool:
        """Apply what followers did; return whether every opt-out is applied: else calls wait."""
        lane = self._lane
        name = lane.account.name
        is_whole = pushes.apply_pending_follower_events(lane.engine, name, tuning=lane.tuning)
        if is_whole or not waiting_pushes.unapplied_opt_outs(lane.engine, name):
            return True
        log.warning("account %s: calls wait for opt-outs that are not applied", name)
        obstacles.wait_for_opt_outs(lane.engine, lane.account)
        return False

    def _mark_refused_if_suppressed(self, work: Work) -> bool:
        """Refuse a batch again that waits since a retry, where somebody in it is suppressed.

        Returns whether it is not to be called.
        """
        lane = self._lane
        if not self._apply_pending_opt_outs():
            return True
        found = retries.suppressed_in(lane.engine, work.broadcast_id, [work.batch_id])
        if not found:
            return False
        if retries.mark_refused_again(lane.engine, work):
            log.warning(
                "broadcast %s: batch %s is not called again, %d in it are suppressed by now",
                work.broadcast_id,
                work.n,
                found[work.batch_id],
            )
        return True

    def _hold_if_suppressed(self, work: Work) -> bool:
        """Hold a send by WeChat's own list if somebody was suppressed after its plan.

        Returns whether it is not to be called.
        """
        if not obstacles.hold_if_suppressed(self._lane.engine, work):
            return False
        log.warning(
            "broadcast %s: held, WeChat's own list has people who are suppressed",
            work.broadcast_id,
        )
        return True

    def _remove_late_opt_outs(self, broadcast_id: str, wanted: str) -> bool:
        """Remove opt-outs and unsubscribers; return whether that was done to the end."""
        # numpy, which only a process that takes people out should load.
        from models.ledger.followers.followers import ListGoneError
        from models.ledger.plan import late_opt_outs

        try:
            taken = late_opt_outs.remove(
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


_ARTICLES: Final = "mpnews"
#: Most drafts of an account that are read in one go.
AT_ONCE: Final = 20


class DraftWatch:
    """The looks before calls: of other contents there is none, of a draft whenever one is due."""

    def __init__(self, lane: LaneContext) -> None:
        """*lane*: the parts that drive it."""
        self._lane = lane

    def prepare_for_call(self, work: Work, content: CallContent) -> bool:
        """Look at the draft of *work*, if a look is due; return whether it may be called.

        What may have been sent is repeated as it was. Raises RedisAwayError.
        """
        if not self._lane.tuning.watch_drafts:
            return True
        if content.msgtype != _ARTICLES or work.state is not BatchState.PLANNED:
            return True
        return self._read_draft(work.broadcast_id)

    def _read_draft(self, broadcast_id: str) -> bool:
        lane, waits = self._lane, self._lane.tuning.waits
        media_id = drafts.draft_to_read(lane.engine, broadcast_id)
        if media_id is None:
            return True
        look = lane.gateway.draft(media_id)
        if isinstance(look, NoAnswer) and obstacles.apply_no_answer_of_account(
            lane.engine, lane.account, look, waits=waits
        ):
            return False
        return drafts.record_look(lane.engine, broadcast_id, look, waits=waits)


def read_first(lane: LaneContext) -> int:
    """Read drafts that nobody could read at their submit; return how many were tried.

    Raises OutOfReachError.
    """
    if not lane.tuning.watch_drafts:
        return 0
    waits = lane.tuning.waits
    some = drafts.unread(lane.engine, lane.account.name, most=AT_ONCE, waits=waits)
    for one in some:
        look = lane.gateway.draft(one.media_id)
        drafts.read_first(lane.engine, one.broadcast_id, look)
        if isinstance(look, NoAnswer):
            log.warning(
                "account %s: the draft of broadcast %s is read later: %s",
                lane.account.name,
                one.broadcast_id,
                look.errmsg,
            )
            break
    return len(some)


_OF_FILES: Final = frozenset({"image", "voice", "mpvideo"})
#: Without a wait for it the lane would upload for ever, and nothing of its account would be sent.
_TOO_SHORT: Final = NoAnswer(
    outcome=Outcome.WAIT, scope=Scope.PATH, errmsg="the new media_ids die too soon as well"
)


class _NotUploadedError(Exception):
    """WeChat took no file."""

    def __init__(self, why: NoAnswer) -> None:
        super().__init__(why.errmsg)
        self.why = why


class _Uploads:
    """:class:`producer.media.upload.Uploader` on the gateway of a lane."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def upload(
        self, account: Account, file: LocalFile, words: VideoWords
    ) -> tuple[str | None, str | None]:
        """Upload a file; return its media_id and address."""
        log.info("account %s: %s is uploaded again: its media_id expires", account.name, file.name)
        made = self._gateway.upload(file, words)
        if isinstance(made, NoAnswer):
            raise _NotUploadedError(made)
        return made

    def mass_video(self, account: Account, media_id: str, words: VideoWords) -> str | None:
        """Return the id of a video that can be mass-sent; None where WeChat has no such video."""
        del account
        made = self._gateway.mass_video(media_id, words)
        if isinstance(made, NoAnswer):
            raise _NotUploadedError(made)
        return made


class MediaWatch:
    """The looks before calls at how long the media live that they name."""

    def __init__(self, lane: LaneContext) -> None:
        """*lane*: the parts that drive it."""
        self._lane = lane

    def prepare_for_call(self, work: Work, content: CallContent) -> bool:
        """Upload the files of *work* anew, if due; return whether it may be called as it was read.

        Where a call may have left it is repeated as it was. Raises RedisAwayError.
        """
        if content.msgtype not in _OF_FILES or not work.untouched:
            return True
        life = renewals.life_of_files(self._lane.engine, work)
        if life is None or not waits_module.dies_too_soon(life.dies_at, life.now):
            return True
        return self._renew(work, content)

    def _renew(self, work: Work, content: CallContent) -> bool:
        """Upload what died, so that the batch is read again; return True where nothing is kept."""
        lane = self._lane
        try:
            ids = self._uploaded(work.broadcast_id, content)
            if ids and not renewals.renew(
                lane.engine, work.broadcast_id, ids, appid=lane.account.appid
            ):
                self._failed(work, _TOO_SHORT)
        except _NotUploadedError as error:
            self._failed(work, error.why)
        except MediaError as error:
            why = NoAnswer(outcome=Outcome.STOP_BROADCAST, scope=Scope.PATH, errmsg=str(error))
            self._failed(work, why)
        except obstacles.UNREADABLE as error:
            log.exception("broadcast %s: its kept files cannot be read", work.broadcast_id)
            obstacles.hold_unmade_call(lane.engine, work, obstacles.problem_of(error))
        else:
            # The half of a batch after a retry of what had ended: WeChat says that it is dead.
            return ids == {}
        return False

    def _uploaded(self, broadcast_id: str, content: CallContent) -> dict[str, str] | None:
        """Return the living media_id of each file; None where this process is asked to stop."""
        lane = self._lane
        cache, uploads = UploadCache(lane.engine, lane.account), _Uploads(lane.gateway)
        words = media.words_of(json.loads(content.content))
        ids = dict[str, str]()
        for one in renewals.kept_files(lane.engine, broadcast_id):
            if lane.stopping.is_set():
                return None
            made = cache.get_or_upload(_file(one), uploads, words)
            assert made.media_id
            ids[one.media_id] = made.media_id
        return ids

    def _failed(self, work: Work, why: NoAnswer) -> None:
        lane, waits = self._lane, self._lane.tuning.waits
        log.warning("broadcast %s: its files are not uploaded again: %s", work.broadcast_id, why)
        if not obstacles.apply_no_answer_of_account(lane.engine, lane.account, why, waits=waits):
            renewals.delay_renewal(lane.engine, work, why, waits=waits)


def _file(kept: KeptFile) -> LocalFile:
    return LocalFile(
        path=Path(kept.name),
        kind=kept.kind,
        permanent=kept.permanent,
        format=kept.format,
        data=kept.data,
    )
