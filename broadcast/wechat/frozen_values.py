"""Frozen values of this client: what is asked and what was answered never changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(kind: type[T]) -> type[T]:
    """Make a class a frozen dataclass with slots, whose fields are given by their names."""
    return dataclass(frozen=True, slots=True, kw_only=True)(kind)
