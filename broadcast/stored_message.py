"""A message as a row keeps it: JSON, read again in the language of whoever asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Final

from broadcast.errors import BroadcastError
from broadcast.message import Message

#: A text of a release that is gone, or a row that somebody changed.
UNREADABLE: Final = Message("message.unreadable")
_LONGEST_FACT: Final = 500


def stored(message: Message) -> str:
    """Return the JSON of *message*, in ASCII; a fact that JSON does not have is kept as text."""
    return json.dumps(_value(message))


def beginning(message_id: str) -> str:
    """Return how the JSON of a message begins whose id begins with *message_id*."""
    return json.dumps({"id": message_id}).removesuffix('"}')


def parse(text: str) -> Message:
    """Return the message of a row; where that is none, one that says so."""
    try:
        found = _fact(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return UNREADABLE
    return found if isinstance(found, Message) else UNREADABLE


def _value(fact: object) -> Any:  # noqa: ANN401 - JSON
    match fact:
        case BroadcastError():
            return _value(fact.message)
        case Message():
            return {"id": fact.id, "facts": {name: _value(one) for name, one in fact.facts.items()}}
        case list() | tuple():
            return [_value(one) for one in fact]
    return _plain(fact)


def _plain(fact: object) -> object:
    match fact:
        case datetime():
            return {"moment": fact.isoformat()}
        case date():
            return {"day": fact.isoformat()}
        case timedelta():
            return {"seconds": fact.total_seconds()}
        case Enum():
            return fact.value
        case None | bool() | int() | float():
            return fact
    return str(fact)[:_LONGEST_FACT]


def _fact(value: Any) -> object:  # noqa: ANN401 - JSON
    match value:
        case {"id": str(name), "facts": Mapping() as facts}:
            return Message(name, **{name: _fact(one) for name, one in facts.items()})
        case {"moment": str(moment)}:
            return datetime.fromisoformat(moment)
        case {"day": str(day)}:
            return date.fromisoformat(day)
        case {"seconds": seconds}:
            return timedelta(seconds=seconds)
        case list():
            return [_fact(one) for one in value]
        case dict():
            raise ValueError("no fact")
    return value
