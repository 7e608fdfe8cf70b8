"""Pushes of WeChat to an account's own server: checked, decrypted, read, and answered.

``Receiver`` is the whole of it for one account; it serves no HTTP and stores nothing.
"""

from __future__ import annotations

from broadcast.wechat.callback.cipher import Cipher, Refusal, RefusedError
from broadcast.wechat.callback.receiver import ReceivedPush, Receiver

__all__ = ["Cipher", "ReceivedPush", "Receiver", "Refusal", "RefusedError"]
