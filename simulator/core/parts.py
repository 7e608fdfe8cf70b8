"""Storage for a family of endpoints' own parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Owner:
    """A world, an account or a call, with the parts that families of endpoints hang on it.

    So a family that needs state needs no field in the core: `world.part(JobBook)`.
    """

    _parts: dict[Any, Any]

    def part(self, kind: Callable[[Self], T]) -> T:
        """Return this owner's part of that kind; it is made from the owner at its first use."""
        if kind not in self._parts:
            self._parts[kind] = kind(self)
        part: T = self._parts[kind]
        return part

    def drop_parts(self) -> None:
        """Drop the parts: one that knows its owner would keep it until a collection."""
        self._parts.clear()
