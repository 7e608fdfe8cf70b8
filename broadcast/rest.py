"""The rest of a broadcast, whom WeChat was not given: the commands that put them into a file."""

from __future__ import annotations

from collections.abc import Collection, Iterable

FILE = "rest.txt"


def listing(broadcast_id: str, filled: Collection[str]) -> list[str]:
    """Return the commands that list the rest, of the sets that are *filled*; none without a rest.

    Who still waits is cancelled first: their calls would go on. On a terminal a cancel asks, and
    would take the next pasted line for the answer.
    """
    sets = {"cancelled" if name == "waiting" else name for name in filled}
    names = [f"--set {name}" for name in ("cancelled", "refused") if name in sets]
    if not names:
        return []
    first = [f"broadcast cancel {broadcast_id} --yes"] if "waiting" in filled else []
    return [*first, f"broadcast recipients {broadcast_id} {' '.join(names)} > {FILE}"]


def lines(commands: Iterable[str]) -> str:
    """Return commands as lines that are pasted in order, each farther in than a text."""
    return "\n    ".join(commands)
