"""Dead letters: messages of other programs that became no broadcast, kept until a person acts."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Final

from broadcast.digests import sha256
from broadcast.frozen import frozen
from broadcast.message import Message

#: Characters of a body that are kept; 100,000 OpenIDs are 3.2 million.
MOST_CHARACTERS: Final = 4_000_000
#: Letters on which nobody has acted, and characters of their bodies, above which a further one is
#: counted by its reason: a program in a loop must not fill the disk.
MOST_OPEN: Final = 100_000
MOST_OPEN_CHARACTERS: Final = 1_000_000_000
#: Characters of the first body that are kept of such.
BEGINNING: Final = 2_000
#: Reasons that lie in the body itself, by their ids or how these begin.
_OF_THE_BODY: Final = ("error.request.", "error.key.", "error.audience.", "error.dead.no_message")
#: These say what the settings of this side do not allow.
OF_SETTINGS: Final = frozenset({"error.request.notify", "error.request.notify_unsigned"})
#: These say that the key stands for another body, which it does for ever.
_OF_ANOTHER_BODY: Final = (
    "error.submit.key_taken",
    "error.submit.other_options",
    "error.submit.other_time",
)
#: Reasons of letters that are not what their key stands for, by their ids or how these begin, but
#: for those of settings.
NEVER_STORED: Final = (*_OF_THE_BODY, *_OF_ANOTHER_BODY)


def stays_wrong(reason: Message) -> bool:
    """Return whether a letter of this reason is refused however often it is submitted again."""
    return reason.id.startswith(_OF_THE_BODY) and reason.id not in OF_SETTINGS


class LetterState(StrEnum):
    """State of a dead letter."""

    #: Nobody has acted on it.
    DEAD = "dead"
    #: It became a broadcast: tried again, or because the same message came again.
    SENT = "sent"
    #: A person put it aside.
    DROPPED = "dropped"


class LetterSource(StrEnum):
    """The way by which it came."""

    CELERY = "celery"
    #: A transaction of an app that shares the database.
    OUTBOX = "outbox"


@frozen
class Letter:
    """A message that became no broadcast, and why."""

    source: LetterSource
    #: As it came; JSON where it could be read as such.
    body: str = field(repr=False)
    reason: Message
    #: Where it named them and they could be read.
    key: str | None = None
    account: str | None = None

    @property
    def digest(self) -> str:
        """Digest of its body: brokers deliver twice."""
        return sha256(f"{self.source}\n{storable(self.body)}")

    @property
    def kept_body(self) -> str:
        """Part of the body that is kept, as every database takes it."""
        return storable(self.body)[:MOST_CHARACTERS]

    @property
    def is_cut(self) -> bool:
        """True if its body is longer than what is kept of it."""
        return len(storable(self.body)) > MOST_CHARACTERS

    @property
    def one_of_many(self) -> Letter:
        """The letter that stands for every further one of its reason, where there are too many."""
        return _OneOfMany(
            source=self.source,
            body=self.body,
            reason=Message("error.dead.full", problem=self.reason),
        )


class _OneOfMany(Letter):
    """It is of no account, and has no key: the next one has others."""

    @property
    def digest(self) -> str:
        problem = self.reason.facts["problem"]
        kind = problem.id if isinstance(problem, Message) else ""
        return sha256(f"{self.source}\0{kind}")

    @property
    def kept_body(self) -> str:
        return storable(self.body)[:BEGINNING]

    @property
    def is_cut(self) -> bool:
        return True


def is_full(letters: int, characters: int) -> bool:
    """Return whether this many open letters, with this many characters, are enough."""
    return letters >= MOST_OPEN or characters >= MOST_OPEN_CHARACTERS


def storable(text: str) -> str:
    """Return *text* with what databases refuse, halves of characters and NUL, written out."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", r"\x00")


@frozen
class KeptLetter:
    """A dead letter as it is stored."""

    id: str
    state: LetterState
    source: LetterSource
    key: str | None
    account: str | None
    reason: Message
    #: How often it came.
    times: int
    #: Its body was too long to be kept whole: it cannot be tried again from here.
    is_cut: bool
    first_at: datetime
    last_at: datetime
    broadcast_id: str | None
    closed_at: datetime | None
    closed_by: str | None
