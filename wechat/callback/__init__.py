"""What WeChat pushes to an account's own server: checked, decrypted, read, and answered.

``Receiver`` is the whole of it for one account; it serves no HTTP and stores nothing.
"""

from __future__ import annotations

from wechat.callback.cipher import Cipher
from wechat.callback.receiver import ReceivedPush, Receiver
from wechat.callback.refusal import Refusal, RefusedError

__all__ = ["Cipher", "ReceivedPush", "Receiver", "Refusal", "RefusedError"]
