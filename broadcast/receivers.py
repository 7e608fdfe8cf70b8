"""Whom a preview goes to: OpenIDs and WeChat ids of people who are named one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from broadcast.openid import LENGTH

Groups: TypeAlias = Mapping[str, tuple[str, ...]]
#: An OpenID has 28 characters; a WeChat id 6 to 20, older ones may differ.
_RECEIVER: Final = re.compile(rf"[A-Za-z0-9_-]{{2,{LENGTH}}}")


def is_receiver(text: str) -> bool:
    """Return whether *text* has the form of an OpenID or of a WeChat id."""
    return _RECEIVER.fullmatch(text) is not None


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
