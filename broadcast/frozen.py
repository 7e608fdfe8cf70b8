"""Frozen values: what is known of a thing at one moment, and never changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def frozen(kind: type[T]) -> type[T]:
    """Make a class a frozen dataclass with slots, whose fields are given by their names.

    All share one comparison, hash and ``repr``: a dataclass compiles its own, which was a tenth
    of the start of a command.
    """
    made = dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)(kind)
    compared = [one.name for one in fields(cast(Any, made)) if one.compare]
    for name, method in _methods(compared).items():
        if name not in vars(kind):
            setattr(made, name, method)
    return made


def alike(kind: type[T], source: object, /, **others: object) -> T:
    """Return a *kind*: its fields are those of *source* with the same names, or *others*.

    Raises AttributeError for a field that is neither: none keeps its default unsaid.
    """
    names = [field.name for field in fields(cast(Any, kind)) if field.name not in others]
    return kind(**{name: getattr(source, name) for name in names}, **others)


def _methods(compared: list[str]) -> dict[str, Callable[..., Any]]:
    values: Callable[[object], Any] = attrgetter(*compared) if compared else type

    def equals(self: object, other: object) -> bool:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def hashed(self: object) -> int:
        return hash(values(self))

    return {"__eq__": equals, "__hash__": hashed, "__repr__": _repr}


def _repr(self: Any) -> str:  # noqa: ANN401 - of any dataclass
    shown = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"
