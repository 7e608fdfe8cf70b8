"""A question to WeChat before a call, about a draft or with a file, that got no answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from broadcast.call.outcomes import Outcome

#: Before the next try.
PAUSE: Final = timedelta(minutes=1)
#: Times in a row without an answer, after which a person decides.
MOST_TRIES: Final = 10

#: What passes: the next time it may be answered.
_PASSING: Final = frozenset({Outcome.WAIT, Outcome.THROTTLED, Outcome.UNLISTED})


def is_asked_again(outcome: Outcome, *, tries: int) -> bool:
    """Return whether there is another try after *tries*, the last of which gave *outcome*."""
    return outcome in _PASSING and tries < MOST_TRIES
