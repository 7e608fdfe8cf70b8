"""What can go wrong with the shared token, beside Redis being away.

::

    OutOfReachError
    ├── TokenFetchError     another process failed to fetch it moments ago
    └── TokenWaitError      nobody brought a token in time
    BroadcastError
    └── TokenRefusedError   WeChat refuses the token it gives: an operator must look
"""

from __future__ import annotations

from typing import cast

from broadcast.errors import BroadcastError, OutOfReachError


class TokenFetchError(OutOfReachError):
    """A refresh by another process failed moments ago, and is not repeated yet.

    Carries what is known of that failure without its text, which might quote a URL.
    """

    @property
    def errcode(self) -> int | None:
        """WeChat's errcode, or None where the failure was none of WeChat's answers."""
        return cast("int | None", self.facts["errcode"])

    @property
    def error(self) -> str:
        """The class name of the original exception."""
        return str(self.facts["error"])


class TokenWaitError(OutOfReachError):
    """No token came within the bound: its refresher is slow, or was killed with the lock."""


class TokenRefusedError(BroadcastError):
    """The token was refused (40001, 40014, 42001), and no other can be had now."""

    @property
    def retry_after_s(self) -> float:
        """Seconds until WeChat's rules allow the next ``force_refresh``."""
        return float(cast("float", self.facts["seconds"]))
