"""What a log's lines are about: bound where it is known, added to each line of that thread or task.

An account, a broadcast, a batch, an attempt, a task; the request has :mod:`request_ids`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_bound: Final[ContextVar[Mapping[str, object]]] = ContextVar("log_facts", default={})  # noqa: B039 - replaced, never changed


def now() -> Mapping[str, object]:
    """Return the facts that are bound here."""
    return _bound.get()


@contextmanager
def about(**facts: object) -> Iterator[None]:
    """Bind more facts to the lines of a block; None is no fact."""
    before = _bound.set({**_bound.get(), **_with_values(facts)})
    try:
        yield
    finally:
        _bound.reset(before)


def begin(**facts: object) -> None:
    """Bind these facts and no others, until the next beginning: for hooks that enclose nothing."""
    _bound.set(_with_values(facts))


def _with_values(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: fact for name, fact in facts.items() if fact is not None}
