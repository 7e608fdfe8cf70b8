"""What a worker asks WeChat of an account before it stores what another program asks for."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from broadcast.accounts import Account
from broadcast.call.result import NoAnswer
from broadcast.drafts.mark import Marks
from broadcast.drafts.watch import Gone
from broadcast.errors import BroadcastError, OutOfReachError, WeChatAwayError
from broadcast.redaction import redact
from wechat.api.draft import DraftGet
from wechat.api.tags import TagInfo
from worker.wiring import Parts

log = logging.getLogger(__name__)


class Looks:
    """:class:`producer.looks.Looks` of a worker."""

    def __init__(self, here: Parts) -> None:
        """Take this process's parts."""
        self._here = here

    def tags(self, account: Account) -> Sequence[TagInfo] | None:
        """Return every tag, or None where WeChat gives no answer."""
        try:
            return self._here.gateway(account).tags()
        except OutOfReachError as error:
            # The token's Redis: a plan asks for the people of a tag itself.
            log.warning("account %s: not asked for its tags: %s", account.name, error)
            return None

    def draft(self, account: Account, media_id: str) -> Marks | None:
        """Return what a draft says; None: there is none.

        Raises OutOfReachError where WeChat is away, and another BroadcastError where it would not.
        """
        seen = self._here.gateway(account).draft(media_id)
        match seen:
            case Gone():
                return None
            case NoAnswer():
                raise _as_error(seen, account)
        return seen


def _as_error(said: NoAnswer, account: Account) -> BroadcastError:
    if said.errcode is None:
        return WeChatAwayError(
            "error.wechat.away", address=redact(account.api_base), reason=said.errmsg or "-"
        )
    return BroadcastError(
        "error.wechat.refused", account=account.name, endpoint=DraftGet.path,
        errcode=said.errcode, errmsg=said.errmsg or "", rid=said.rid or "-",
    )  # fmt: skip
