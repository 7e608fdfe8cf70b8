"""The exit statuses; scripts rely on them."""

from __future__ import annotations

from typing import Final

#: All accepted; without ``--wait``: stored.
DONE: Final = 0
#: At rest with refused, held, paused or in-doubt batches, or a wait for another day.
FAILED: Final = 1
#: Bad usage or bad input, nothing stored.
BAD_INPUT: Final = 2
#: A part (database, broker, WeChat) is out of reach, or standard output is; nothing lost.
OUT_OF_REACH: Final = 3
#: Ctrl-C.
INTERRUPTED: Final = 130

ALL: Final = frozenset({DONE, FAILED, BAD_INPUT, OUT_OF_REACH, INTERRUPTED})
