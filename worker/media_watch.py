"""Files whose media_id is dead when a call is due are uploaded again: their bytes were kept."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from broadcast import media, renewal
from broadcast.accounts import Account
from broadcast.call.outcomes import Outcome, Scope
from broadcast.call.result import NoAnswer
from broadcast.errors import MediaError
from broadcast.media import KeptFile, LocalFile
from models.ledger import preflight, renewals
from models.ledger.reading import files as kept_files
from models.ledger.reading.next_work import Said, Work
from producer.media.upload import Shelf

if TYPE_CHECKING:
    from worker.lane import LaneContext
    from worker.ports import Gateway

log = logging.getLogger(__name__)

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
        self, account: Account, file: LocalFile, *, title: str, description: str
    ) -> tuple[str | None, str | None]:
        """Upload a file; return its media_id and address."""
        log.info("account %s: %s is uploaded again: its media_id expires", account.name, file.name)
        made = self._gateway.upload(file, title=title, description=description)
        if isinstance(made, NoAnswer):
            raise _NotUploadedError(made)
        return made

    def mass_video(
        self, account: Account, media_id: str, *, title: str, description: str
    ) -> str | None:
        """Return the id of a video that can be mass-sent; None where WeChat has no such video."""
        del account
        made = self._gateway.mass_video(media_id, title=title, description=description)
        if isinstance(made, NoAnswer):
            raise _NotUploadedError(made)
        return made


class MediaWatch:
    """The looks before calls at how long the media live that they name."""

    def __init__(self, lane: LaneContext) -> None:
        """Take what the lane drives with."""
        self._lane = lane

    def allow(self, work: Work, said: Said) -> bool:
        """Return whether *work* may be called as it was read; upload its files first, if due.

        Where a call may have left it is repeated as it was. Raises RedisAwayError.
        """
        if said.msgtype not in _OF_FILES or not work.untouched:
            return True
        life = kept_files.life(self._lane.engine, work)
        if life is None or not renewal.is_due(life.dies_at, life.now):
            return True
        return self._renew(work, said)

    def _renew(self, work: Work, said: Said) -> bool:
        """Upload what died, so that the batch is read again; return True where nothing is kept."""
        lane = self._lane
        try:
            ids = self._uploaded(work.broadcast_id, said)
            if ids and not renewals.renew(
                lane.engine, work.broadcast_id, ids, appid=lane.account.appid
            ):
                self._failed(work, _TOO_SHORT)
        except _NotUploadedError as error:
            self._failed(work, error.why)
        except MediaError as error:
            why = NoAnswer(outcome=Outcome.STOP_BROADCAST, scope=Scope.PATH, errmsg=str(error))
            self._failed(work, why)
        except preflight.UNREADABLE as error:
            log.exception("broadcast %s: its kept files cannot be read", work.broadcast_id)
            preflight.cannot_be_made(lane.engine, work, preflight.problem_of(error))
        else:
            # The half of a batch after a retry of what had ended: WeChat says that it is dead.
            return ids == {}
        return False

    def _uploaded(self, broadcast_id: str, said: Said) -> dict[str, str] | None:
        """Return the living media_id of each file; None where this process is asked to stop."""
        lane = self._lane
        shelf, uploads = Shelf(lane.engine, lane.account), _Uploads(lane.gateway)
        words = media.words_of(json.loads(said.content))
        ids = dict[str, str]()
        for one in kept_files.kept(lane.engine, broadcast_id):
            if lane.stopping.is_set():
                return None
            made = shelf.put(_file(one), uploads, **words)
            assert made.media_id
            ids[one.media_id] = made.media_id
        return ids

    def _failed(self, work: Work, why: NoAnswer) -> None:
        lane, waits = self._lane, self._lane.rules.waits
        log.warning("broadcast %s: its files are not uploaded again: %s", work.broadcast_id, why)
        if not preflight.meet_if_of_account(lane.engine, lane.account, why, waits=waits):
            renewals.not_renewed(lane.engine, work, why, waits=waits)


def _file(kept: KeptFile) -> LocalFile:
    return LocalFile(
        path=Path(kept.name), kind=kept.kind, permanent=kept.permanent, format=kept.format,
        data=kept.data,
    )  # fmt: skip
