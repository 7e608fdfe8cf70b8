"""Lua scripts beside this file: loaded as package data, run without leaving secrets behind.

Decisions that two processes must not take at once are taken inside Redis, in one script each.
Every script opens with a map of its keys and arguments.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

from broadcast.errors import RedisAwayError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coordination.connection import Connection

Argument = str | int


class Script:
    """One Lua script in Redis; uploaded again when Redis has forgotten it."""

    def __init__(self, redis: Connection, name: str) -> None:
        """Take ``coordination/NAME.lua``."""
        text = resources.files("coordination").joinpath(f"{name}.lua").read_text(encoding="utf-8")
        self._script = redis.register_script(text)

    def __call__(self, keys: Sequence[str], args: Sequence[Argument]) -> Any:  # noqa: ANN401 - any reply
        """Run it and return Redis's reply.

        Raises:
            RedisAwayError: with a traceback that starts here, so that no frame in it holds *args*.
        """
        try:
            return self._script(keys=list(keys), args=list(args))
        except RedisAwayError as error:
            away = error
        del args
        # redis-py uploads a forgotten script inside a handler: the NOSCRIPT error that it handled
        # hangs on this one as its context, and its frames hold the arguments too.
        away.__context__ = None
        raise away.with_traceback(None)
