"""A part that is built when it is first needed, once, whatever threads need it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Owner = TypeVar("Owner")
T = TypeVar("T")


class built_once(Generic[Owner, T]):  # noqa: N801 - it is read as a decorator
    """Do as ``functools.cached_property``, which has no lock from Python 3.12 on."""

    def __init__(self, build: Callable[[Owner], T]) -> None:
        """Take what builds it."""
        self._build = build
        self._name = build.__name__
        self._building = threading.RLock()
        self.__doc__ = build.__doc__

    def __get__(self, owner: Owner, _: type[Owner] | None = None) -> T:
        """Return the part; once it is built, Python finds it without asking here."""
        kept = vars(owner)
        with self._building:
            if self._name not in kept:
                kept[self._name] = self._build(owner)
            built: T = kept[self._name]
        return built
