"""What was refused, for our log: a line a minute at most, whatever somebody throws at us."""

from __future__ import annotations

import logging
import time
from collections import Counter

from wechat.callback import Refusal

log = logging.getLogger(__name__)

EVERY_S = 60.0
#: What the account's page at WeChat and the settings here do not agree on.
_HINTS = {
    Refusal.SIGNATURE: "not signed with callback_token, or not WeChat",
    Refusal.STALE: "signed days ago or ahead: an old request, or this machine's clock is wrong",
    Refusal.PLAIN: "not encrypted, but encoding_aes_key is set: choose safe or compatible mode at"
    " WeChat, or remove the key",
    Refusal.ENCRYPTED: "encrypted, but encoding_aes_key is not set: set it, or choose plain mode at"
    " WeChat",
    Refusal.BODY: "neither XML nor JSON of WeChat's form, too long, or too slow",
    Refusal.CIPHER: "encoding_aes_key is not the one of the account's page at WeChat",
    Refusal.APPID: "meant for an account with another appid",
}


class Refusals:
    """Counts refusals by account and cause, and logs them now and then."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._counts: Counter[tuple[str, Refusal]] = Counter()
        self._logged_at: dict[tuple[str, Refusal], float] = {}

    def note(self, account: str, refusal: Refusal) -> None:
        """Count one, and log the count where the last line is old enough."""
        key = (account, refusal)
        self._counts[key] += 1
        moment = time.monotonic()
        if moment - self._logged_at.get(key, -EVERY_S) < EVERY_S:
            return
        self._logged_at[key] = moment
        log.warning(
            "account %s: %d requests refused: %s", account, self._counts.pop(key), _HINTS[refusal]
        )
