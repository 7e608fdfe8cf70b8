"""Frozen values: what is known of a thing at one moment, and never changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def frozen(kind: type[T]) -> type[T]:
    """Make a class a frozen dataclass with slots, whose fields are given by their names."""
    return dataclass(frozen=True, slots=True, kw_only=True)(kind)
