"""Files of people who are left out: read where a broadcast or a campaign's run is made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules.plan.selection import Excluded, Exclusion
from producer.audience import openid_list
from producer.audience.openid_list import OpenIDs

#: Bad lines of a file that are named.
_NAMED: Final = 5


@contextlib.contextmanager
def read(paths: Iterable[str]) -> Iterator[Mapping[Exclusion, OpenIDs]]:
    """Yield the lists of files, open, each by its exclusion.

    The order is that of the exclusions: the same lists from other files are the same. Raises
    AudienceError for a file that cannot be used, and InputError: a line that names nobody may be
    somebody who is not to get it.
    """
    with contextlib.ExitStack() as stack:
        found = {}
        for path in paths:
            one = stack.enter_context(openid_list.read(Path(path), least=1))
            _refuse_malformed(path, one)
            found[Exclusion(kind=Excluded.FILE, value=one.digest)] = one
        yield dict(sorted(found.items(), key=lambda each: each[0]))


def _refuse_malformed(path: str, one: OpenIDs) -> None:
    if not one.malformed.count:
        return
    lines = [Message("suppress.line", n=n, text=text) for n, text in one.malformed.sample[:_NAMED]]
    raise InputError(
        "error.exclude.malformed", file=Path(path).name, count=one.malformed.count, lines=lines
    )
