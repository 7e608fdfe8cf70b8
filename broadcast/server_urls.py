"""The URLs of the database, of Redis and of the broker: which are taken, and which are refused.

What is refused is reported without its value, which may have a password.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from broadcast import url_options

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
    if wrong := url_options.refused(url):
        kind = AMQP_OPTION if urlsplit(url).scheme in AMQP_SCHEMES else OPTION
        raise PydanticCustomError(kind, "option", {"options": ", ".join(wrong)})
