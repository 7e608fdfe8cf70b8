"""What every endpoint has: a path, its limits, a body to send and a reply to read.

An endpoint is a class in ``wechat.api``: its fields are what is asked, ``body`` writes them, and
``read`` returns what WeChat answered. A new one needs no other change here.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

from pydantic import SecretStr
from urllib3.filepost import encode_multipart_formdata

from wechat.deadline import Timeouts
from wechat.errors import InvalidRequestError
from wechat.reply import RawReply, success

Reply = TypeVar("Reply")

JSON: Final = "application/json"
# JSON writes every other control character as \u00XX, which WeChat shows as it stands.
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")
_DEEPEST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is sent. A mapping is written as JSON when it leaves; its secrets stay wrapped until."""

    data: bytes | Mapping[str, Any] = field(repr=False)
    content_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a multipart upload; WeChat wants a name with an extension."""

    name: str
    data: bytes = field(repr=False)
    content_type: str


class Request(ABC, Generic[Reply]):
    """One request to one endpoint."""

    __slots__ = ()

    method: ClassVar[Literal["GET", "POST"]] = "POST"
    path: ClassVar[str]
    #: The longest that a call may take, whatever the client allows.
    timeouts: ClassVar[Timeouts] = Timeouts()
    #: A larger reply is none of this endpoint's. Most have a few hundred bytes.
    largest_reply_bytes: ClassVar[int] = 1_000_000
    #: It is called with an access_token.
    needs_token: ClassVar[bool] = True
    #: It may be called again after a refused token, which WeChat looks at before anything else;
    #: a mass send may not: its repeat is a decision of its own.
    repeatable: ClassVar[bool] = True
    #: The reply is a secret itself, so no part of it may be shown.
    confidential: ClassVar[bool] = False

    def query(self) -> Mapping[str, str | SecretStr]:
        """Return what stands in the URL beside the access_token."""
        return {}

    def body(self) -> Body | None:
        """Return what is sent. Raises ``InvalidRequestError`` for what cannot be written."""
        return None

    @abstractmethod
    def read(self, raw: RawReply) -> Reply:
        """Return what WeChat answered. Raises ``APIError`` and ``UnknownOutcomeError``."""


class Deed(Request[None]):
    """One request whose answer says no more than that it was done."""

    __slots__ = ()

    def read(self, raw: RawReply) -> None:
        """Raise ``APIError`` where it was refused."""
        success(raw)


def multipart(files: Mapping[str, File], fields: Mapping[str, str] | None = None) -> Body:
    """Return an upload of *files* and *fields*, each by the name of its form field."""
    parts: dict[str, Any] = {
        name: (file.name, file.data, file.content_type) for name, file in files.items()
    }
    data, content_type = encode_multipart_formdata({**(fields or {}), **parts})
    return Body(data=data, content_type=content_type)


def json_bytes(value: object, *, name: str) -> bytes:
    r"""Return *value* as the JSON that WeChat reads: UTF-8 as written, without a ``\u`` escape.

    With escapes WeChat shows ``\u4e2d`` to the follower, or refuses it (40033, 47002). So what has
    no other form raises ``InvalidRequestError``, with *name* as its field: half a surrogate pair,
    a control character.
    """
    # Raised after the handlers, so that the error carries no second traceback.
    try:
        if any(_CONTROL.search(text) for text in _strings(value, depth=0)):
            problem = "holds a control character (NUL, say), which WeChat cannot show"
        else:
            written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return written.encode()
    except UnicodeEncodeError:
        problem = "holds half a surrogate pair, which has no UTF-8"
    except (TypeError, ValueError, RecursionError):
        problem = "cannot be written as JSON"
    raise InvalidRequestError(field=name, problem=problem)


def _strings(value: object, *, depth: int) -> Iterator[str]:
    """Yield every text in *value*, keys too."""
    if depth > _DEEPEST:
        raise ValueError("too deep for any request of WeChat's")
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(key, depth=depth + 1)
            yield from _strings(item, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item, depth=depth + 1)
