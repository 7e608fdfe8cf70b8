"""Every error that is reported to a person.

::

    BroadcastError
    ├── InputError               exit 2: bad usage or bad input, nothing stored
    │   ├── SettingsError        a value of the environment or of the accounts file
    │   ├── RequestError         a program's request, by the name of its field
    │   ├── AudienceError        the list of OpenIDs
    │   ├── ContentError         what is to be said
    │   ├── MediaError           a file, or the media_id of one
    │   ├── ArticleError         what is to become a draft
    │   ├── PlanError            does not fit the account's day
    │   ├── ConflictError        the same key with another body
    │   ├── RepeatedSendError    the same send again, under another key, within 24 h
    │   ├── UnknownIdError       no such broadcast
    │   └── ConfirmationRequiredError  a person has to confirm it first
    └── OutOfReachError          exit 3: a part is away, nothing is lost
        ├── DatabaseAwayError
        ├── SchemaError          the tables are not this program's, or cannot be upgraded
        ├── EncodingError        the database cannot keep every text
        ├── DurabilityError      the database may forget a commit in a power cut
        ├── RedisAwayError
        ├── BrokerAwayError
        └── WeChatAwayError

``IllegalMoveError`` is separate: it is a bug of ours, never a person's mistake.
Each error carries a message: the id of its text in the catalogue and the facts that fill it.
``broadcast.views`` has the words; ``str`` of an error is for the logs of engineers.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from broadcast.data_files import rows
from broadcast.message import Message


class BroadcastError(Exception):
    """An error that is reported in one line: what, where, and the fix."""

    exit_status: ClassVar[int] = 1

    def __init__(self, message_id: str, **facts: object) -> None:
        """Take the catalogue id and the facts that fill its placeholders."""
        super().__init__(message_id)
        self.message = Message(message_id, **facts)

    @property
    def message_id(self) -> str:
        """The id of its text in the catalogue."""
        return self.message.id

    @property
    def facts(self) -> Mapping[str, object]:
        """Values that fill the text."""
        return self.message.facts

    @property
    def field(self) -> str | None:
        """The field of a program's request that it is about; None: no single one."""
        return field_of(self.message)

    def __str__(self) -> str:
        """Return id and facts, for a log."""
        return str(self.message)


class InputError(BroadcastError):
    """Bad usage or bad input: nothing was stored."""

    exit_status = 2


class SettingsError(InputError):
    """A wrong value in the environment, ``.env`` or the accounts file, named."""


class RequestError(InputError):
    """A program's request is not as documented; the fact ``field`` names what is wrong."""


class AudienceError(InputError):
    """The list of OpenIDs cannot be used."""


class ContentError(InputError):
    """The content is empty, too long, or cannot be encoded."""


class MediaError(InputError):
    """WeChat would not take the file, or the media_id is not good for this use."""


class ArticleError(InputError):
    """WeChat would not take the article, or its file cannot be read as one."""


class PlanError(InputError):
    """The plan does not fit; the message carries the shortest fix."""


class ConflictError(InputError):
    """The state of a broadcast refuses it: its key has another body, its list is still to come."""


class RepeatedSendError(InputError):
    """The same content to the same audience was submitted within 24 hours."""


class UnknownIdError(InputError):
    """No broadcast has this id."""


class ConfirmationRequiredError(InputError):
    """A person has to confirm it; the fact ``id`` confirms these facts, and no others."""


class OutOfReachError(BroadcastError):
    """A part of the system is out of reach; nothing is lost."""

    exit_status = 3


class DatabaseAwayError(OutOfReachError):
    """The database cannot be reached."""


class SchemaError(OutOfReachError):
    """The tables are missing, older or newer than this program, or cannot be upgraded."""


class EncodingError(OutOfReachError):
    """The database cannot keep every text; the message names its encoding."""


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


#: Where a request says its idempotency key; by HTTP that is a header.
KEY: Final = "key"
#: By the beginning of the error's id, the first that fits: these say nothing of the request around
#: what they read.
_FIELDS: Final = [(row["begins"], row["field"]) for row in rows(__file__, "error_fields.csv")]


def field_of(reason: Message) -> str | None:
    """Return the field that a refusal names, or is known to be about; None: about none alone."""
    named = reason.facts.get("field")
    if named is not None:
        return str(named) or None
    return by_id(reason.id)


def confirmation_of(reason: Message) -> str | None:
    """Return the id that confirms what a refusal names; None: nobody can confirm it."""
    return str(reason.facts["id"]) if reason.id.startswith("error.confirm.") else None


#: Of the common errors of a file, by their names; all else is in the system's words.
_OF_FILES: Final = {row["errno"]: row["message"] for row in rows(__file__, "file_errors.csv")}


def of_file(error: OSError) -> Message | str:
    """Return why a file cannot be read or written."""
    known = _OF_FILES.get(errno.errorcode.get(error.errno or 0, ""))
    return Message(known) if known else error.strerror or type(error).__name__


def refuse_pipe(path: Path) -> None:
    """Raise OSError for a pipe: whoever opens it waits until somebody writes."""
    if path.is_fifo():
        raise OSError(errno.EINVAL, "a pipe")


@contextmanager
def about(field: str) -> Iterator[None]:
    """Let bad input that is found within name this field of a request, where it names none."""
    try:
        yield
    except InputError as error:
        error.message = Message(error.message_id, **{"field": field, **error.facts})
        raise


def by_id(message_id: str) -> str | None:
    """Return the field that errors of this id are about, where they name none."""
    return next((field for word, field in _FIELDS if message_id.startswith(word)), None)
