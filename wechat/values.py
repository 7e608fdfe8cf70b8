"""What is asked of WeChat and what it answers: frozen values, one pair per endpoint.

OpenIDs travel as one byte string without separators, 28 characters each, so that a batch of
10,000 is one object and not 10,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import SecretStr

from wechat.errors import InvalidRequestError


class SendBy(Protocol):
    """The moment by which a request must have begun to leave; by which clock is the caller's."""

    @property
    def over(self) -> bool:
        """Tell whether it has passed."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take, in seconds; each must be given, none can be switched off.

    ``connect_s``: name, TCP and TLS together, and the wait for a free connection before it.
    ``read_s``: between two pieces of the reply, or for the whole request to be written.
    ``total_s``: everything. ``requests`` has no such limit: its read time-out starts anew with
    every byte, so a dripping reply would outlive the caller's lease.
    """

    connect_s: float = 5
    read_s: float = 30
    total_s: float = 45

    def __post_init__(self) -> None:
        """Raise ``InvalidRequestError`` unless all three are positive."""
        if not all(each > 0 for each in (self.connect_s, self.read_s, self.total_s)):
            raise InvalidRequestError(field="timeouts", problem="each must be above 0 seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class MassSend:
    """A mass send to OpenIDs (massSend, section "body").

    ``openids``: 2 to 10,000 ids of 28 characters, without separators.
    ``content``: WeChat's own object: ``msgtype``, its part, and ``send_ignore_reprint``.
    ``clientmsgid``: WeChat's idempotency key, at most 64 bytes.
    """

    # 280 kB that no traceback should print.
    openids: bytes = field(repr=False)
    content: Mapping[str, Any]
    clientmsgid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MassSendAll:
    """A mass send to a tag or to everybody (sendall): exactly one of the two, said out loud.

    Nothing said is an error, never "everybody".
    """

    content: Mapping[str, Any]
    clientmsgid: str
    tag_id: int | None = None
    is_to_all: bool = False

    def __post_init__(self) -> None:
        """Raise ``InvalidRequestError`` unless the audience is a tag or everybody."""
        if (self.tag_id is not None) == self.is_to_all:
            raise InvalidRequestError(
                field="filter", problem="give either tag_id or is_to_all=True, not both, not none"
            )
        if self.tag_id is not None and (isinstance(self.tag_id, bool) or self.tag_id < 0):
            raise InvalidRequestError(field="tag_id", problem="must be a number of 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReply:
    """An access_token and the seconds it has left."""

    access_token: SecretStr
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MassReply:
    """WeChat's word on a mass send, whatever its errcode: what it means is the caller's to decide.

    ``msg_id`` also comes with 45065 (clientmsgid exist) and exceeds 32 bits; ``rid`` and ``hint``
    are cut out of the errmsg.
    """

    errcode: int
    errmsg: str
    rid: str | None
    msg_id: int | None
    msg_data_id: int | None
    http_status: int
    elapsed_ms: int
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MassStatus:
    """``SEND_SUCCESS``, ``SENDING``, ``SEND_FAIL``, ``DELETE``, or a word added one day."""

    msg_id: int
    msg_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Calls of one interface today."""

    daily_limit: int
    used: int
    remain: int
