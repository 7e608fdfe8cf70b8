"""Which options a Redis URL may have after ``?``: those that all who read it take alike.

Our own client (redis-py) and Celery's transport (kombu) read the same URL and differ: kombu ends
with a TypeError at ``socket_timeout``, redis-py at ``heartbeat``, and ``ssl_min_version`` is a
number to the one and a text to the other. What only one of them takes would be told too late, when
the broadcast is stored and no worker can start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit


def _any(_value: str) -> bool:
    return True


def _cert_reqs(value: str) -> bool:
    return value in {"none", "optional", "required"}


def _true_or_false(value: str) -> bool:
    # "no" and "0" are false to redis-py and true to kombu.
    return value.lower() in {"true", "false"}


_TLS: Mapping[str, Callable[[str], bool]] = {
    "ssl_ca_certs": _any,
    "ssl_ca_data": _any,
    "ssl_ca_path": _any,
    "ssl_cert_reqs": _cert_reqs,
    "ssl_certfile": _any,
    "ssl_check_hostname": _true_or_false,
    "ssl_ciphers": _any,
    "ssl_keyfile": _any,
    "ssl_password": _any,
}
#: By scheme. A plain ``redis://`` has none: its database and its login stand before the ``?``. At
#: a socket the path is the socket's, so the database can only be named here; ``unix`` is our
#: client's alone, and ``redis+socket`` Celery's.
_TAKEN: Mapping[str, Mapping[str, Callable[[str], bool]]] = {
    "redis": {},
    "rediss": _TLS,
    "unix": {"db": str.isdecimal, "username": _any, "password": _any},
    "redis+socket": {"virtual_host": str.isdecimal},
}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")


def refused(url: str) -> list[str]:
    """Return the names of the options of *url* that may not be there, sorted; never a value.

    Raises:
        ValueError: an option's name may be a piece of a password, so that it cannot be told.
    """
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    taken = _TAKEN.get(parts.scheme, {})
    wrong = {name for name, value in options if not (value and taken.get(name, _none)(value))}
    names = {name for name, _ in options}
    if "ssl_keyfile" in names and "ssl_certfile" not in names:
        wrong.add("ssl_keyfile")
    # A password with a "?" that should have been escaped ends up here, up to its "@".
    if wrong and ("@" in parts.query or not all(map(_NAME.fullmatch, wrong))):
        raise ValueError("query")
    return sorted(wrong)


def _none(_value: str) -> bool:
    return False
