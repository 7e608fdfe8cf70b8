"""The URL of a receiver: its form, and what is refused before anything is stored.

A name is looked up, and its addresses are checked, when the webhook is delivered
(:mod:`worker.webhooks.connection`); here nothing is asked of a network.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from broadcast.message import Message
from broadcast.webhooks.address import Address, Network, is_allowed, is_public

LONGEST: Final = 2048
_HIGHEST_PORT: Final = 65_535

#: Everything that two readers of a URL could take for different hosts is outside of this form.
_FORM: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>[/?][!-\"$-\[\]-~]*)?",
    re.IGNORECASE,
)
_QUAD: Final = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!\Z)|\Z)){4}", re.ASCII)
#: Systems take ``2130706433``, ``0x7f.1`` and ``017700000001`` for addresses as well.
_LIKE_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
_LOOPBACK: Final = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


class _Parts(NamedTuple):
    secure: bool
    host: str


def problem_of(url: str, allowed: Sequence[Network] = ()) -> Message | None:
    """Return why nothing may be posted to *url*, as the end of a sentence; None: it may.

    *allowed* are private networks that may be reached, by plain HTTP too.
    """
    parts = _parts(url)
    if isinstance(parts, Message):
        return parts
    addresses = _addresses(parts.host)
    if addresses and not any(is_public(one) or is_allowed(one, allowed) for one in addresses):
        return Message("webhook.url.private")
    inside = any(is_allowed(one, allowed) for one in addresses)
    # A name over plain HTTP has to lead to an allowed network, which shows at the delivery.
    if not parts.secure and not (inside or (not addresses and allowed)):
        return Message("webhook.url.https")
    return None


def form_problem(url: str) -> Message | None:
    """Return what is wrong with the form of *url* alone, wherever it leads."""
    parts = _parts(url)
    return parts if isinstance(parts, Message) else None


def _parts(url: str) -> _Parts | Message:
    if len(url) > LONGEST:
        return Message("request.reason.too_long", n=LONGEST)
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        return Message("webhook.url.login")
    found = _FORM.fullmatch(url)
    if found is None or not 0 < int(found["port"] or 1) <= _HIGHEST_PORT:
        return Message("webhook.url.form")
    host = found["host"].strip("[]").rstrip(".").lower()
    is_number = _LIKE_NUMBER.fullmatch(host) is not None
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return Message("webhook.url.form")
    elif is_number and not _QUAD.fullmatch(host):
        return Message("webhook.url.form")
    return _Parts(secure=found["scheme"].lower() == "https", host=host)


def _addresses(host: str) -> Sequence[Address]:
    """Return the addresses that *host* is known to be without asking; empty for a name."""
    if host == "localhost" or host.endswith(".localhost"):
        return _LOOPBACK
    try:
        return (ipaddress.ip_address(host),)
    except ValueError:
        return ()


def origin(url: str) -> str:
    """Return scheme, host and port: whom a delivery keeps waiting."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def shown(url: str) -> str:
    """Return *url* as it is shown: what stands behind the ``?`` may be a secret."""
    path, mark, _ = url.partition("?")
    return f"{path}?…" if mark else path
