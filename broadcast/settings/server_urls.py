"""The URLs of the database, of Redis and of the broker: which are taken, and which are refused.

What is refused is reported without its value, which may have a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

DATABASE_SCHEMES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb")
REDIS_SCHEMES = ("redis", "rediss", "unix")
#: A socket of this machine, as our client calls it and as Celery does.
SOCKET_SCHEMES = ("unix", "redis+socket")
AMQP_SCHEMES = ("amqp", "amqps", "pyamqp")
BROKER_SCHEMES = (*REDIS_SCHEMES, "redis+socket", *AMQP_SCHEMES)
#: The kinds of error of an option after ``?`` that is not taken.
OPTION: Final = "option"
AMQP_OPTION: Final = "amqp_option"


def checked_database(value: SecretStr) -> SecretStr:
    """Return a database's URL. Raises ValueError where its scheme or its place is wrong."""
    parts = urlsplit(value.get_secret_value())
    scheme = parts.scheme.partition("+")[0]
    parts.port  # noqa: B018 - the property raises ValueError on a port that is no number
    named = scheme == "sqlite" or parts.hostname or parts.query
    if scheme not in DATABASE_SCHEMES or not named:
        raise ValueError(scheme)
    return value


def checked_servers(urls: SecretStr, schemes: tuple[str, ...]) -> SecretStr:
    """Return the URLs of brokers: Celery takes several, and tries the next where one is away.

    Raises ValueError where a scheme or a place is wrong, and an error of the kind :data:`OPTION`
    or :data:`AMQP_OPTION` with the names of ``options`` that are not taken.
    """
    each = urls.get_secret_value().split(";")
    for url in each:
        _refuse_without_place(url, schemes)
    for url in each:
        _refuse_options(url)
    return urls


def _refuse_without_place(url: str, schemes: tuple[str, ...]) -> None:
    parts = urlsplit(url)
    parts.port  # noqa: B018 - as above
    if parts.scheme in SOCKET_SCHEMES:
        # With two slashes the first folder of the path would be taken for a host, and left out.
        named = not parts.hostname and bool(parts.path.strip("/"))
    else:
        named = bool(parts.hostname)
    if parts.scheme not in schemes or not named:
        raise ValueError(parts.scheme)


def _refuse_options(url: str) -> None:
    if wrong := refused_option(url):
        kind = AMQP_OPTION if urlsplit(url).scheme in AMQP_SCHEMES else OPTION
        raise PydanticCustomError(kind, "option", {"options": ", ".join(wrong)})


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


def refused_option(url: str) -> list[str]:
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


def is_amqp(urls: str) -> bool:
    """Return whether a broker is RabbitMQ."""
    return urlsplit(urls).scheme in AMQP_SCHEMES


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


_AUTHORITY = re.compile(r"[^/?#]*")


def torn(url: str) -> bool:
    """Return whether an ``@`` of *url* may belong to a password that is not escaped.

    It may where there are two, or where one stands behind the host. Where nothing stands before
    the path (``sqlite:///…``, ``unix:///…``), nothing is a password, and a folder may have an
    ``@`` in its name.
    """
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        return "@" in scheme
    return not rest.startswith("/") and (
        rest.count("@") > 1 or "@" in _AUTHORITY.sub("", rest, count=1)
    )


def any_torn(urls: str) -> bool:
    """Return the same for a broker's URLs: Celery takes several, with ``;`` between them."""
    return any(map(torn, urls.split(";")))
