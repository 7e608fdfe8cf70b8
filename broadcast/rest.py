"""The rest of a broadcast, whom WeChat was not given: the commands that put them into a file."""

from __future__ import annotations

from collections.abc import Collection

FILE = "rest.txt"


def listing(broadcast_id: str, filled: Collection[str]) -> list[str]:
    """Return the commands that list the rest, of the sets that are *filled*; none without a rest.

    Who still waits is cancelled first: their calls would go on.
    """
    sets = {"cancelled" if name == "waiting" else name for name in filled}
    names = [name for name in ("cancelled", "refused") if name in sets]
    first = [f"broadcast cancel {broadcast_id}"] if "waiting" in filled else []
    return first + [
        f"broadcast recipients {broadcast_id} --set {name} {into} {FILE}"
        for name, into in zip(names, (">", ">>"), strict=False)
    ]
