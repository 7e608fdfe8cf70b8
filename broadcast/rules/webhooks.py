"""Webhooks: which URLs and addresses are taken, how a post is signed, when it is tried again.

A name is looked up, and its addresses are checked, when the webhook is delivered
(:mod:`broadcast.outbound.posting`); here nothing is asked of a network.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from pydantic import SecretStr

from broadcast.day import parse_duration
from broadcast.message import Message
from broadcast.rules.calls.waits import Waits

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


def shown_url(url: str) -> str:
    """Return *url* as it is shown: what stands behind the ``?`` may be a secret."""
    path, mark, _ = url.partition("?")
    return f"{path}?…" if mark else path


Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Global by the registry, or by an older Python's copy of it, and yet ways to inner addresses.
_WAYS_INSIDE: Final = tuple(
    ipaddress.ip_network(name)
    for name in (
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata is in it
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4
    )
)
#: The only addresses of IPv6 that are handed out for the internet.
_UNICAST: Final = ipaddress.ip_network("2000::/3")
_WAYS_INSIDE_6: Final = tuple(
    ipaddress.ip_network(name)
    for name in (
        "2001::/23",  # protocol assignments: Teredo and others carry other addresses inside
        "2002::/16",  # 6to4
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return networks that are written with commas or blanks between them. Raises ValueError.

    A network with bits behind its prefix (``10.0.3.7/24``) is a slip, and is refused.
    """
    return tuple(map(ipaddress.ip_network, text.replace(",", " ").split()))


def plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address only wraps (``::ffff:127.0.0.1``)."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_public(address: Address) -> bool:
    """Return whether *address* is one of the internet's, and none that leads elsewhere."""
    address = plain(address)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _WAYS_INSIDE)
    return address in _UNICAST and not any(address in network for network in _WAYS_INSIDE_6)


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Return whether the settings name *address*."""
    address = plain(address)
    return any(address in network for network in networks)


#: From the event, or from a person's retry, to the last try.
TRIED_FOR: Final = timedelta(hours=24)
#: After the first try that failed, after the second, and so on; the last of them repeats.
PAUSES: Final = tuple(map(parse_duration, ("5s", "30s", "2m", "10m", "30m", "1h", "2h", "4h")))


def last_try(since: datetime, *, waits: Waits) -> datetime:
    """Return when an event is tried last that is tried since *since*."""
    return since + waits.scaled(TRIED_FOR)


def next_try(tries: int, *, now: datetime, since: datetime, waits: Waits) -> datetime | None:
    """Return when to try again after *tries* in vain since *since*; None: never."""
    until = last_try(since, waits=waits)
    if now >= until:
        return None
    pause = PAUSES[min(max(tries, 1), len(PAUSES)) - 1]
    return min(now + waits.scaled(pause), until)


PREFIX: Final = "whsec_"
#: Bytes of a secret, by the specification.
SHORTEST: Final = 24
LONGEST_SECRET: Final = 64


def parse_secrets(text: str) -> tuple[SecretStr, ...]:
    """Return the secrets of *text*, newest first, with commas or lines between them.

    Raises ValueError for one that is not base64 of 24 to 64 bytes.
    """
    words = text.replace(",", " ").split()
    if not words:
        raise ValueError("no secret")
    for word in words:
        if not SHORTEST <= len(_bytes(word)) <= LONGEST_SECRET:
            raise ValueError("of another length")
    return tuple(map(SecretStr, words))


def _bytes(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        # Its own words may quote the secret.
        problem = ValueError("not base64")
    raise problem


def signed_headers(
    event_id: str, body: bytes, *, at: datetime, secrets: Sequence[SecretStr]
) -> Mapping[str, str]:
    """Return the headers that sign *body* as the event *event_id*, sent at the moment *at*."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    signatures = (
        hmac.digest(_bytes(secret.get_secret_value()), signed, hashlib.sha256) for secret in secrets
    )
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }
