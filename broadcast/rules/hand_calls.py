"""Calls by hand: what a person has WeChat do beside the sends, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from broadcast.frozen import frozen
from broadcast.openid import LENGTH
from broadcast.rules.calls.outcomes import MAYBE_SENT, Outcome

#: The calls that are written down; questions are not.
ByHand = StrEnum(
    "ByHand",
    [
        "PREVIEW",  #: a message to one person; WeChat counts the calls of a day
        "RECALL",  #: an article's page taken away
        "CLEAR_QUOTA",  #: calls set back to none used; WeChat counts those of a month
        "SPEED",
    ],
)


@frozen
class HandCall:
    """One call: what it is about."""

    kind: ByHand
    who: str
    why: str | None = None
    #: To whom a preview goes, which interface is cleared, which level is set.
    target: str | None = None
    #: Of a recall: which message, of which send, and which article; None: all of them.
    broadcast_id: str | None = None
    msg_id: int | None = None
    msg_data_id: int | None = None
    article: int | None = None


@frozen
class HandResult:
    """Result of a call; ``outcome`` NOT_CALLED: nothing left this machine."""

    outcome: Outcome
    errcode: int | None = None
    errmsg: str | None = None

    @property
    def done(self) -> bool:
        """True if WeChat said that it did it."""
        return self.outcome is Outcome.ACCEPTED

    @property
    def maybe(self) -> bool:
        """True if WeChat may have done it."""
        return self.outcome in MAYBE_SENT


@frozen
class Unanswered:
    """A call that WeChat may have carried out: its reply was lost, or its command was ended."""

    at: datetime
    who: str
    target: str | None


@frozen
class Recalled:
    """A recall that WeChat carried out."""

    at: datetime
    who: str
    #: None: all of them.
    article: int | None


Groups: TypeAlias = Mapping[str, tuple[str, ...]]
#: An OpenID has 28 characters; a WeChat id 6 to 20, older ones may differ.
RECEIVER: Final = re.compile(rf"\A[A-Za-z0-9_-]{{2,{LENGTH}}}\Z")


def is_receiver(text: str) -> bool:
    """Return whether *text* has the form of an OpenID or of a WeChat id."""
    return RECEIVER.match(text) is not None


def each_once(receivers: Iterable[str]) -> list[str]:
    """Return the receivers in their order; who is named twice gets one preview."""
    return list(dict.fromkeys(receivers))


def groups(value: object) -> dict[str, tuple[str, ...]]:
    """Read groups of receivers, by name: a table of lists, or ``name=a,b;other=c`` in one line.

    Raises ValueError for a group without a name or a receiver, and for what is no receiver.
    """
    named = _of_line(value) if isinstance(value, str) else value
    if not isinstance(named, Mapping):
        raise ValueError("no groups")  # noqa: TRY004 - pydantic wants this one
    found = {str(name): tuple(map(str, members)) for name, members in named.items()}
    if any(not name or not members for name, members in found.items()):
        raise ValueError("an empty group")
    if wrong := [one for members in found.values() for one in members if not is_receiver(one)]:
        raise ValueError(f"no receiver: {wrong[0]}")
    return found


def _of_line(text: str) -> dict[str, list[str]]:
    found = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        name, _, members = part.partition("=")
        found[name.strip()] = [one.strip() for one in members.split(",")]
    return found
