"""Interfaces of a lane to the outside, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Protocol

from broadcast.frozen import frozen
from broadcast.rules.calls.attempts import CallResult, NoAnswer
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import SendBy
from broadcast.rules.drafts import Look
from broadcast.rules.media import LocalFile, VideoWords
from broadcast.rules.plan.audience import Everyone, Tag
from broadcast.rules.plan.proof import Quota
from broadcast.tokens.token_service import Token


@frozen
class MassCall:
    """One call: to whom, what, and under which key.

    Either *openids* (28 bytes each, without separators) or a *filter*; nothing said is an error,
    never "everybody".
    """

    openids: bytes | None = field(default=None, repr=False)
    #: Whose list is WeChat's.
    filter: Tag | Everyone | None = None
    content: Mapping[str, Any]
    clientmsgid: str
    #: What goes over the wire, where it was made ready.
    body: bytes | None = field(default=None, repr=False)
    #: Why no request can be made of it, where none can.
    problem: str | None = None
    #: No byte of it leaves later; it is then ``NOT_CALLED``.
    send_by: SendBy | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless there is exactly one audience."""
        if (self.openids is None) is (self.filter is None):
            raise ValueError("a message has either OpenIDs or a filter")


class Gateway(Protocol):
    """WeChat, for one account; every answer and every failure is a value.

    Every method raises RedisAwayError where the shared token cannot be read.
    """

    def warm(self) -> None:
        """Open a connection, so that the next call leaves at once where WeChat is there."""

    def token(self) -> Token | NoAnswer:
        """Return the shared access_token, or why WeChat gave none."""

    def replace(self, refused: Token) -> NoAnswer | None:
        """Replace a refused token; return why it was not."""

    def ready(self, message: MassCall) -> MassCall:
        """Return *message* with its body, or with the problem that keeps it from having one."""

    def send(self, token: Token, message: MassCall) -> CallResult:
        """Make the call once and return what it ended as; what is raised is a bug."""

    def status(self, msg_id: int) -> str | NoAnswer | None:
        """Return mass/get's word, None for 40059, or why it gave none."""

    def draft(self, media_id: str) -> Look:
        """Return a draft's facts, that there is none, or why WeChat did not say."""

    def upload(
        self, file: LocalFile, words: VideoWords
    ) -> tuple[str | None, str | None] | NoAnswer:
        """Upload a file; return its media_id and address, or why WeChat gave none."""

    def mass_video(self, media_id: str, words: VideoWords) -> str | NoAnswer | None:
        """Return the id of a video for mass sends, None for 40007, or why WeChat gave none."""

    def tagged(self, tag_id: int) -> Iterable[bytes] | NoAnswer:
        """Return the packed OpenIDs of all who have a tag, sorted, or why WeChat gave none.

        They may be read more than once.
        """

    def quota(self, path: SendPath) -> Quota | NoAnswer:
        """Return today's calls of one interface, or why WeChat gave no answer."""


class Counter(Protocol):
    """The count of claims outside of the database."""

    def count(self, account: str, number: int, claim: str) -> bool:
        """Count a claim; return False where it is not the newest. Raises RedisAwayError."""


class Pace(Protocol):
    """The pace of one account's calls."""

    def take_slot(self) -> float:
        """Return 0 for a slot taken now, else the seconds to wait. Raises RedisAwayError."""
