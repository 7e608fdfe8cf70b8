"""Which options a server's URL may have after ``?``: those that all who read it take alike.

Our own client (redis-py) and Celery's transport (kombu) read the same Redis URL and differ: kombu
ends with a TypeError at ``socket_timeout``, redis-py at ``heartbeat``, and ``ssl_min_version`` is a
number to the one and a text to the other. What only one of them takes would fail too late, when
the broadcast is stored and no worker can start. RabbitMQ's URL is read by kombu alone, which ends
with a TypeError there, too, at all but a few.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit


def _any(_value: str) -> bool:
    return True


def _cert_reqs(value: str) -> bool:
    return value in {"none", "optional", "required"}


def _true_or_false(value: str) -> bool:
    # "no" and "0" are false to redis-py and true to kombu.
    return value.lower() in {"true", "false"}


def _heartbeat(value: str) -> bool:
    # Seconds, in sixteen bits of the protocol.
    return value.isdecimal() and int(value) < 1 << 16


def _login_method(value: str) -> bool:
    return value in {"AMQPLAIN", "EXTERNAL", "PLAIN"}


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
_AMQP: Mapping[str, Callable[[str], bool]] = {
    "heartbeat": _heartbeat,
    "login_method": _login_method,
}
#: By scheme. A plain ``redis://`` has none: its database and its login stand before the ``?``. At
#: a socket the path is the socket's, so the database can only be named here; ``unix`` is our
#: client's word for it, and ``redis+socket`` Celery's.
_TAKEN: Mapping[str, Mapping[str, Callable[[str], bool]]] = {
    "redis": {},
    "rediss": _TLS,
    "unix": {"db": str.isdecimal, "username": _any, "password": _any},
    "redis+socket": {"virtual_host": str.isdecimal},
    "amqp": _AMQP,
    "amqps": _AMQP,
    "pyamqp": _AMQP,
}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")


def refused(url: str) -> list[str]:
    """Return the names of the options of *url* that may not be there, sorted; never a value.

    Raises:
        ValueError: an option's name may be a piece of a password, so it cannot be reported.
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


def for_celery(urls: str) -> str:
    """Return *urls* in Celery's words: ``unix://`` of our client is its ``redis+socket://``.

    Celery takes several, with ``;`` between them.
    """
    return ";".join(map(_for_celery, urls.split(";")))


def _for_celery(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    # Our client lets what stands before the "@" win.
    user = unquote(parts.username or "") or options.get("username", "")
    password = unquote(parts.password or "") or options.get("password", "")
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    place = f"{login}@" if login else ""
    path = quote(unquote(parts.path))
    return f"redis+socket://{place}{path}?virtual_host={options.get('db', '0')}"
