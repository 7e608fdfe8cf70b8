"""Giving a tag to the followers of a list, or taking it from them, fifty a call.

What WeChat has done already is not done again, so that a command that was ended goes on where it
was. A call that WeChat refuses for one of its followers is halved until the follower is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from broadcast.by_hand import HandResult
from broadcast.call.outcomes import Outcome
from cli.wiring.by_hand import Called

#: OpenIDs of one page of user/tag/get: what looking costs against doing it again.
PAGE: Final = 10_000

Call = Callable[[Sequence[str]], Called]


@dataclass(slots=True, kw_only=True)
class Tagged:
    """What became of the followers of a list."""

    #: How many had it before, or did not have it; None: nobody looked.
    already: int | None = None
    done: int = 0
    #: Whom WeChat refuses, and what it said.
    refused: list[tuple[str, HandResult]] = field(default_factory=list)
    #: Why it ended before the end of the list, and how many had not been called then.
    ended: Called | None = None
    left: int = 0

    @property
    def meant(self) -> int:
        """How many a call was needed for."""
        return self.done + len(self.refused) + self.left


def carry_out(todo: Iterable[str], call: Call, *, most: int, tell: Callable[[int], None]) -> Tagged:
    """Call for each of *todo*, *most* at once; *tell* how many are done now and then.

    No more than *most* of them are held; what is left is counted to its end.
    """
    found, rest = Tagged(), iter(todo)
    while some := list(islice(rest, most)):
        if found.ended is not None:
            found.left += len(some)
            continue
        _some(some, call, found)
        tell(found.done)
    return found


def _some(openids: Sequence[str], call: Call, found: Tagged) -> None:
    """Call for some followers; where one of them is to blame, for each half."""
    rest = [list(openids)]
    while rest:
        some = rest.pop(0)
        if found.ended is not None:
            found.left += len(some)
            continue
        called = call(some)
        if called.result.done:
            found.done += len(some)
        elif called.result.outcome is not Outcome.BAD_RECIPIENTS:
            found.ended, found.left = called, found.left + len(some)
        elif len(some) == 1:
            found.refused.append((some[0], called.result))
        else:
            half = len(some) // 2
            rest[:0] = [some[:half], some[half:]]


def missing(wanted: Iterable[str], present: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield each of *wanted* with whether it is *present*; both are sorted, each once."""
    rest = iter(present)
    there = next(rest, None)
    for one in wanted:
        while there is not None and there < one:
            there = next(rest, None)
        yield one, there == one


def worth_a_look(*, listed: int, tagged: int | None, most: int) -> bool:
    """Return whether looking who has the tag takes fewer calls than calling for the whole list."""
    return tagged is not None and tagged // PAGE + 2 < listed / most
