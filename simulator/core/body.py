"""Bodies of requests (section 10)."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import orjson

from simulator.core.errors import RefusalError
from simulator.core.switches import Switches

Message: TypeAlias = dict[str, Any]

# Control characters have no other form in JSON, so only higher code points are refused.
_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?!00[0-7])[0-9a-fA-F]{4}")


def parsed(body: bytes, switches: Switches) -> Message:
    """Read a JSON body.

    Raises:
        RefusalError: 44002 empty, 40033 charset or escapes, 47001 not a JSON object.
    """
    if not body.strip():
        raise RefusalError(44002)
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise RefusalError(40033) from error
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusalError(47001) from error
    if not isinstance(message, dict):
        raise RefusalError(47001)
    if switches.escaped_unicode == "refuse" and b"\\u" in body and _ESCAPED.search(body):
        raise RefusalError(40033)
    return message
