"""What driving a lane needs from outside, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from broadcast.call.result import CallResult, NoAnswer
from broadcast.call.sendby import SendBy
from broadcast.plan import Quota
from coordination.tokens import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One call: to whom (28-byte OpenIDs without separators), what, and under which key."""

    openids: bytes
    content: Mapping[str, Any]
    clientmsgid: str
    #: What goes over the wire, where it was made ready.
    body: bytes | None = field(default=None, repr=False)
    #: No byte of it leaves later; it is then ``NOT_CALLED``.
    send_by: SendBy | None = None


class Gateway(Protocol):
    """WeChat, for one account; every answer and every failure is a value."""

    def warm(self) -> None:
        """Have a connection open, so that the next call leaves at once where WeChat is there."""

    def ready(self, message: Message) -> Message:
        """Return *message* with its body made; one that cannot be sent is told by ``send``."""

    def send(self, token: Token, message: Message) -> CallResult:
        """Make the call and return what it ended as; what is raised is a bug."""

    def status(self, token: Token, msg_id: int) -> str | NoAnswer | None:
        """Return mass/get's word, None for 40059, or why it gave none."""

    def quota(self, token: Token) -> Quota | NoAnswer:
        """Return today's calls of mass/send, or why WeChat gave no answer."""


class Tokens(Protocol):
    """The shared access_token of one account."""

    def get(self) -> Token | NoAnswer:
        """Return a token, or why WeChat gave none. Raises RedisAwayError."""

    def replace(self, failed: Token) -> NoAnswer | None:
        """Have a refused token replaced; return why it was not. Raises RedisAwayError."""


class Pace(Protocol):
    """The pace of one account's calls."""

    def take(self) -> float:
        """Return 0 for a slot taken now, else the seconds to wait. Raises RedisAwayError."""
