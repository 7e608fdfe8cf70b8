"""Why a request was not taken for WeChat's. For our own log: a sender learns nothing of it."""

from __future__ import annotations

from enum import StrEnum

from wechat.errors import WeChatError


class Refusal(StrEnum):
    """What was wrong, in the order in which it is looked at."""

    SIGNATURE = "signature"  #: missing or wrong: another token, or not WeChat
    STALE = "stale"  #: signed too long ago, or in the future
    PLAIN = "plain"  #: not encrypted, and this account has an AES key
    ENCRYPTED = "encrypted"  #: encrypted, and this account has no AES key
    BODY = "body"  #: neither XML nor JSON of WeChat's form
    CIPHER = "cipher"  #: the encrypted part cannot be decrypted with this AES key
    APPID = "appid"  #: decrypted, and meant for another account


class RefusedError(WeChatError):
    """A request that is not WeChat's, or not for this account. It carries nothing of it."""

    def __init__(self, refusal: Refusal) -> None:
        """Take why."""
        super().__init__(refusal.value)
        self.refusal = refusal
