"""Secrets of a call never reach an error, or a log line of the libraries below.

The client knows which secrets a call carries, so it masks their values and needs no registry. What
merely looks like a secret is masked by its name. ``broadcast.redaction`` does this for the whole
process; the pattern stands here again because neither of the two packages may import the other.
"""

from __future__ import annotations

import base64
import logging
import re
import traceback
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import quote, quote_plus, unquote

from pydantic import SecretStr

MASK: Final = "***"
# Shorter values would blank ordinary words.
SHORTEST_SECRET: Final = 6

_LOOKS_SECRET: Final = re.compile(
    r"((?:access_token|secret)[\"']?(?:\s{0,4}[:=]\s{0,4}|%3d)[\"']?)(?!\*\*\*)[^\s&\"'\\,;<>{}]+"
    r"|(://[^\s:/@\"'<>]{0,128}:)[^\s\"'<>]{1,512}@",
    re.IGNORECASE,
)


class Secrets:
    """What must not be shown of a call; prints nothing itself."""

    __slots__ = ("_forms",)

    def __init__(self, values: Iterable[SecretStr] = ()) -> None:
        """Take the secrets as they are; they are masked as a URL writes them, too."""
        forms = set[str]()
        for secret in values:
            value = secret.get_secret_value()
            forms |= {value, quote(value, safe=""), quote_plus(value)}
        # Longest first: a secret that begins another one must not leave its tail behind.
        long_enough = (form for form in forms if len(form) >= SHORTEST_SECRET)
        self._forms = tuple(sorted(long_enough, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """Return *text* without them, and without what looks like one."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return _LOOKS_SECRET.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    return f"{match[1]}{MASK}" if match[1] else f"{match[2]}{MASK}@"


NO_SECRETS: Final = Secrets()


def of_url(url: SecretStr) -> tuple[SecretStr, ...]:
    """Return the password of *url* in every form in which it may be met, whatever ails the URL."""
    login, _, _ = url.get_secret_value().rpartition("@")
    login = login.rpartition("://")[2]
    name, _, password = login.partition(":")
    plain = unquote(password)
    basic = base64.b64encode(f"{unquote(name)}:{plain}".encode()).decode()
    return tuple(map(SecretStr, (password, plain, basic))) if password else ()


class LogFilter(logging.Filter):
    """Cleans the records of one logger with what is secret now; lets every record through.

    A traceback is kept as text only: a handler that draws one may draw local variables, and those
    of an HTTP library hold the URL.
    """

    def __init__(self, secrets: Callable[[], Secrets]) -> None:
        """Take what returns the secrets of the call that this thread makes."""
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean *record* in place."""
        mask = self._secrets().mask
        record.msg, record.args = mask(record.getMessage()), None
        if record.exc_info:
            drawn = "".join(traceback.format_exception(record.exc_info[1]))
            record.exc_text, record.exc_info = mask(drawn), None
        return True
