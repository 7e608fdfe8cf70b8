"""What comes to the same as if it were left out of a content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def without_zeros(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content without flags that are 0: WeChat's default of each."""
    return _without(content, (0,))


def without_defaults(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content without empty texts too.

    WeChat's pages do not say whether an empty one is as good as none, so under one key they are two
    contents; a person who sends both to the same people errs all the same.
    """
    return _without(content, (0, ""))


def _without(value: Mapping[str, Any], defaults: tuple[object, ...]) -> dict[str, Any]:
    return {
        name: _without(each, defaults) if isinstance(each, Mapping) else each
        for name, each in value.items()
        if each not in defaults
    }
