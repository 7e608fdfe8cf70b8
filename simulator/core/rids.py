"""The calls that were refused, by the rid in their replies (sections 0.1 and 5.3)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

KEPT = 1_000
BODY_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCall:
    """One of them. `at` is a time of the shifted clock, Unix seconds."""

    rid: str
    appid: str | None
    at: float
    cost_ms: int
    query: str
    body: str = field(repr=False)
    response: str
    ip: str


class RidBook:
    """The last thousand of them."""

    def __init__(self, _world: object) -> None:
        self._calls: OrderedDict[str, RefusedCall] = OrderedDict()

    def keep(self, call: RefusedCall) -> None:
        """Remember one, in place of the oldest."""
        self._calls[call.rid] = call
        if len(self._calls) > KEPT:
            self._calls.popitem(last=False)

    def get(self, rid: str) -> RefusedCall | None:
        """Return one."""
        return self._calls.get(rid)
