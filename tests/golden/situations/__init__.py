"""What can have happened to broadcasts: each situation is laid out, then every door is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from tests.golden.scene import Scene

Situation: TypeAlias = Callable[[Scene], object]
#: By the name of the file that keeps what was answered.
ALONE: Final[dict[str, Situation]] = {}
#: Those in which commands find Redis and WeChat's stand-in.
WITH_WECHAT: Final[dict[str, Situation]] = {}


def situation(tell: Situation) -> Situation:
    """Let a function be the situation of its name."""
    return _named(tell, ALONE)


def with_wechat(tell: Situation) -> Situation:
    """Let a function be the situation of its name, where WeChat is there."""
    return _named(tell, WITH_WECHAT)


def _named(tell: Situation, where: dict[str, Situation]) -> Situation:
    name = tell.__name__.replace("_", "-")
    assert name not in {**ALONE, **WITH_WECHAT}, name
    where[name] = tell
    return tell
