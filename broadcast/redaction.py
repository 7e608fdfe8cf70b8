"""Secrets never reach a log, an error or a screen.

Two nets, because each has holes. *Patterns* know how secrets look: ``access_token=…``,
``"secret": "…"``, ``Authorization: …``, the password of a URL. *The registry* knows the secrets
themselves: whoever takes one into use calls ``remember``, and from then on it is replaced wherever
it stands, whatever stands around it.

``install`` puts both nets under every log record of the process, at the record factory: a filter
on a logger is not asked for its children's records, and one on a handler is forgotten by the next
handler. What is *not* caught: fields that a caller adds with ``extra=``, and the local variables of
a traceback that is kept as an object. So a package that handles secrets holds them as ``SecretStr``
and lets no foreign traceback out.
"""

from __future__ import annotations

import logging
import re
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

from broadcast.quoting import one_line

MASK: Final = "***"

#: Where a record keeps its message without arguments, which cleaning may replace.
TEMPLATE: Final = "template"

# Shorter values would blank ordinary words out of every log line.
SHORTEST_SECRET: Final = 6

# 1,000 accounts with a secret and a few generations of tokens each. The oldest value gives way
# first; one that is still used comes back with its next use.
CAPACITY: Final = 4096

_NAMES = (
    "access_token|refresh_token|app_?secret|client_secret|secret|password|passwd"
    "|api_?keys?|encoding_?aes_?key|callback_?token"
)
# A value that is a mask already, or says that there is none, stays readable.
_HARMLESS = r"(?!SecretStr|SecretBytes|\*\*\*|None\b|null\b)"
_QUOTE = r"\\{0,3}[\"']"
# Plain substring searches: most lines have none of these and are spared the patterns.
_CLUES = ("secret", "token", "passw", "api", "aes", "authorization", "bearer", "://")
_PATTERNS: Final = (
    # "secret": "…" and 'secret': '…', also inside a string that was escaped once more
    (
        re.compile(
            rf"((?:{_NAMES})(?:{_QUOTE})?\s{{0,4}}[:=]\s{{0,4}}({_QUOTE})){_HARMLESS}"
            r"(?:(?!\2)(?:\\.|.))*(?:\2|\Z)",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1{MASK}\2",
    ),
    # secret=… in a query, an environment, a header
    (
        re.compile(
            rf"((?:{_NAMES})(?:{_QUOTE})?\s{{0,4}}(?:[:=]|%3d)\s{{0,4}}){_HARMLESS}"
            r"[^\s&\"'\\,;<>(){}\[\]]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            rf"(authorization(?:{_QUOTE})?\s{{0,4}}[:=]\s{{0,4}}(?:{_QUOTE})?[a-z]{{1,20}}\s)"
            r"[^\s\"'\\]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(\bbearer\s{1,4})[a-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1{MASK}"),
    # scheme://user:password@host. Up to the last @, since people do not escape theirs; bounded,
    # so that a long text with many "://" costs no quadratic time.
    (re.compile(r"(://[^\s:/@\"'<>]{0,128}:)[^\s\"'<>]{1,512}@"), rf"\1{MASK}@"),
)


class _Registry:
    """Known secrets by their first characters.

    A text is scanned once, whatever the number of secrets: an alternation of thousands of
    literals would cost milliseconds a line.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, None] = {}
        # Replaced, never changed in place: readers take no lock.
        self._by_head: Mapping[str, tuple[str, ...]] = {}

    def __contains__(self, value: str) -> bool:
        return value in self._values

    def add(self, value: str) -> None:
        """Add *value* and its forms in a URL; the oldest give way beyond ``CAPACITY``."""
        with self._lock:
            values, by_head = dict(self._values), dict(self._by_head)
            for form in (quote(value, safe=""), quote_plus(value), value):
                values[form] = None
                head = form[:SHORTEST_SECRET]
                # Longest first: a secret that begins another one must not leave its tail behind.
                by_head[head] = tuple(sorted({*by_head.get(head, ()), form}, key=len, reverse=True))
            while len(values) > CAPACITY:
                oldest = next(iter(values))
                del values[oldest]
                head = oldest[:SHORTEST_SECRET]
                by_head[head] = tuple(each for each in by_head[head] if each != oldest)
                if not by_head[head]:
                    del by_head[head]
            self._values, self._by_head = values, by_head

    def clear(self) -> None:
        with self._lock:
            self._values, self._by_head = {}, {}

    def mask(self, text: str) -> str:
        """Return *text* with every known secret replaced."""
        by_head = self._by_head
        if not by_head:
            return text
        windows = {text[at : at + SHORTEST_SECRET] for at in range(len(text))}
        if by_head.keys().isdisjoint(windows):
            return text
        return self._replace(text, by_head)

    @staticmethod
    def _replace(text: str, by_head: Mapping[str, tuple[str, ...]]) -> str:
        kept: list[str] = []
        start = at = 0
        while at < len(text):
            for secret in by_head.get(text[at : at + SHORTEST_SECRET], ()):
                if text.startswith(secret, at):
                    kept += (text[start:at], MASK)
                    at += len(secret)
                    start = at
                    break
            else:
                at += 1
        return "".join((*kept, text[start:]))


_registry = _Registry()


def remember(value: str) -> None:
    """Replace *value* from now on wherever it appears; shorter than 6 characters is ignored.

    Cheap when the value is known already, so it may be called on every use of a secret.
    """
    if len(value) >= SHORTEST_SECRET and value not in _registry:
        _registry.add(value)


def forget_all() -> None:
    """Empty the registry."""
    _registry.clear()


def redact(text: str) -> str:
    """Return *text* without secrets: those that are known and those that look like one."""
    text = _registry.mask(text)
    lowered = text.lower()
    if not any(clue in lowered for clue in _CLUES):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def kept_words(why: str | None) -> str | None:
    """Return a person's words as they are kept: in one line, without secrets; None for no words."""
    return redact(one_line(why or "")) or None


class _RedactingFactory:
    """Makes records as the factory before it does, and cleans them at once."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self.make = make

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self.make(*args, **kwargs)
        _clean(record)
        if record.exc_info and record.exc_info[0] is not None:
            text = _traceback(record.exc_info[1])
            # Formatters take exc_text where it is set, so the traceback is rendered once.
            record.exc_text = redact(text)
            if record.exc_text != text:
                record.exc_info = None
        return record


def _clean(record: logging.LogRecord) -> None:
    """Clean message and stack; arguments survive only where none of them holds a secret."""
    template = record.msg
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - logging would print the raw arguments of a bad format
        message = f"{record.msg!s} {record.args!r}"
        record.msg, record.args = message, None
    clean = redact(message)
    if clean != message:
        template, record.msg, record.args = redact(str(template)), clean, None
    setattr(record, TEMPLATE, template)
    if record.stack_info:
        record.stack_info = redact(record.stack_info)


def _traceback(error: BaseException | None) -> str:
    return "".join(traceback.format_exception(error)).removesuffix("\n")


class _RedactingWarning:
    """Formats a warning as the function before it does, without secrets."""

    def __init__(self, form: Callable[..., str]) -> None:
        self.form = form

    def __call__(self, *args: object, **kwargs: object) -> str:
        return redact(self.form(*args, **kwargs))


def install() -> None:
    """Clean every log record and warning of this process from now on; again changes nothing."""
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _RedactingFactory):
        logging.setLogRecordFactory(_RedactingFactory(factory))
    if not isinstance(warnings.formatwarning, _RedactingWarning):
        warnings.formatwarning = _RedactingWarning(warnings.formatwarning)


def uninstall() -> None:
    """Undo ``install``."""
    factory = logging.getLogRecordFactory()
    if isinstance(factory, _RedactingFactory):
        logging.setLogRecordFactory(factory.make)
    if isinstance(warnings.formatwarning, _RedactingWarning):
        warnings.formatwarning = warnings.formatwarning.form
