"""Samples of metrics, as they are read; ``broadcast.views.metrics`` says what each means."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Mapping
from typing import Final, TypeAlias

#: A figure by the values of its metric's labels.
Figures: TypeAlias = Mapping[tuple[str, ...], float]
#: By the name of the metric, without the prefix that all have.
Samples: TypeAlias = Mapping[str, Figures]

#: Of a proxy, whose caller is elsewhere, or of a caller who means to show a key. A header takes
#: rights away, and gives none.
_NOT_FROM_HERE: Final = ("authorization", "forwarded", "via", "x-forwarded-for", "x-real-ip")


def is_here(peer: str, headers: Container[str]) -> bool:
    """Return whether a request of *peer* comes from this machine itself, and by no proxy on it.

    *headers*: their names, in lower case.
    """
    is_passed_on = any(name in headers for name in _NOT_FROM_HERE)
    return not is_passed_on and ipaddress.ip_address(peer).is_loopback
