"""Everything that can go wrong in words a person reads.

::

    BroadcastError
    ├── InputError               exit 2: bad usage or bad input, nothing stored
    │   ├── SettingsError        a value of the environment or of the accounts file
    │   ├── AudienceError        the list of OpenIDs
    │   ├── ContentError         what is to be said
    │   ├── PlanError            does not fit the account's day
    │   ├── ConflictError        the same key with another body
    │   ├── RepeatedSendError    the same send again, under another key, within 24 h
    │   └── UnknownIdError       no such broadcast
    └── OutOfReachError          exit 3: a part is away, nothing is lost
        ├── DatabaseAwayError
        ├── SchemaError          the database is older or newer than this program
        ├── DurabilityError      the database may forget a commit in a power cut
        ├── RedisAwayError
        ├── BrokerAwayError
        └── WeChatAwayError

``IllegalMoveError`` stands apart: it is a bug of ours, never a person's mistake.
Each error carries the id of its text in the catalogue (``broadcast.text``) and the facts that
fill it, so that the same error can be told in any language and asserted without its words.
"""

from __future__ import annotations

from typing import ClassVar

from broadcast.text import t


class BroadcastError(Exception):
    """An error that a person is told in one line: what, where, and how to mend it."""

    exit_status: ClassVar[int] = 1

    def __init__(self, message_id: str, **facts: object) -> None:
        """Take the catalogue id and the facts that fill its placeholders."""
        super().__init__(message_id)
        self.message_id = message_id
        self.facts = facts

    def __str__(self) -> str:
        """Return the one line, in the language of ``BROADCAST_LANG``."""
        return t(self.message_id, **self.facts)


class InputError(BroadcastError):
    """Bad usage or bad input: nothing was stored."""

    exit_status = 2


class SettingsError(InputError):
    """A wrong value in the environment, ``.env`` or the accounts file, named."""


class AudienceError(InputError):
    """The list of OpenIDs cannot be used."""


class ContentError(InputError):
    """The content is empty, too long, or cannot be encoded."""


class PlanError(InputError):
    """The plan does not fit; the message carries the shortest fix."""


class ConflictError(InputError):
    """The key is already taken by another body."""


class RepeatedSendError(InputError):
    """The same content to the same audience was submitted within 24 hours."""


class UnknownIdError(InputError):
    """No broadcast has this id."""


class OutOfReachError(BroadcastError):
    """A part of the system is out of reach; nothing is lost."""

    exit_status = 3


class DatabaseAwayError(OutOfReachError):
    """The database cannot be reached."""


class SchemaError(OutOfReachError):
    """The database's schema is older or newer than this program."""


class DurabilityError(OutOfReachError):
    """A commit of the database may not survive a power cut; the message names the setting."""


class RedisAwayError(OutOfReachError):
    """Redis cannot be reached."""


class BrokerAwayError(OutOfReachError):
    """The broker cannot be reached."""


class WeChatAwayError(OutOfReachError):
    """WeChat cannot be reached."""


class IllegalMoveError(RuntimeError):
    """A state was asked to move where the table of legal moves does not lead: a bug."""
