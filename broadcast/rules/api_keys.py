"""Keys of the HTTP API: what one may do, for which accounts, and how it is known again.

A key is a long random text, so its SHA-256 is as hard to guess as itself, and is all that is kept
of it and compared. A key's name says who did something; several keys may share one while an old
key is replaced by a new one.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final

from broadcast import redaction
from broadcast.digests import sha256
from broadcast.errors import SettingsError
from broadcast.frozen import frozen
from broadcast.rules import accounts
from broadcast.rules.guessable import is_guessable

#: The name of a key that was given none.
UNNAMED: Final = "api"
LONGEST_NAME: Final = 64
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}\Z")
#: One word as HTTP has it in a header; what somebody can guess is refused.
_KEY: Final = re.compile(r"[A-Za-z0-9._~+/=-]{8,256}\Z")
#: What is shorter is warned of.
LONG_ENOUGH: Final = 16
_BEGINNING: Final = "wbk_"
_RANDOM_BYTES: Final = 32
_PARTS: Final = 3


#: Right of a key.
Scope = StrEnum(
    "Scope",
    [
        "READ",  #: look at broadcasts, recipients, audits, accounts, dead letters, webhooks
        "SUBMIT",  #: create broadcasts, upload their lists, try plans
        "TO_ALL",  #: with ``submit``: WeChat's own send to every follower
        "APPROVE",  #: reserved for a second person's approval
        #: Stop and go on with broadcasts and accounts; act on dead letters, webhooks.
        "CONTROL",
    ],
)


EVERY_SCOPE: Final = frozenset(Scope)


@frozen
class APIKey:
    """A key that may be used; the key itself is known to its holder alone."""

    name: str
    scopes: frozenset[Scope]
    #: None: every account of the settings.
    accounts: frozenset[str] | None
    digest: str
    #: It might be tried out; of keys of the settings alone.
    is_short: bool = False

    def may_use(self, account: str) -> bool:
        """Return whether it is good for this account."""
        return self.accounts is None or account in self.accounts


@frozen
class StoredKey:
    """A key as the database has it."""

    id: str
    key: APIKey
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    revoked_by: str | None


def new_key() -> str:
    """Return a new key, to be shown once."""
    return _BEGINNING + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(key: str) -> str:
    """Return what is kept of a key."""
    return sha256(key)


def find(known: Iterable[APIKey], token: str) -> APIKey | None:
    """Return the key that *token* is. It takes the same time whichever it is, and for none."""
    given, found = digest(token), None
    for key in known:
        if hmac.compare_digest(key.digest, given):
            found = key
    return found


def of_unknown_accounts(keys: Iterable[APIKey], known: Collection[str]) -> list[str]:
    """Return ``NAME@ACCOUNT`` of the keys that are limited to accounts beside the *known* ones."""
    return sorted(
        {f"{key.name}@{name}" for key in keys for name in key.accounts or () if name not in known}
    )


def checked_name(name: str) -> str:
    """Return *name*. Raises SettingsError for one that is no name."""
    if not _NAME.match(name):
        raise SettingsError("error.api_keys.name", most=LONGEST_NAME)
    return name


def scopes_of(words: Collection[str]) -> frozenset[Scope]:
    """Return the scopes of these names. Raises SettingsError for an unknown one."""
    for word in words:
        if word not in set(Scope):
            raise SettingsError("error.api_keys.scope", scopes=", ".join(Scope))
    return frozenset(Scope(word) for word in words)


def parse(text: str, *, where: str) -> list[APIKey]:
    """Return the keys of a text with commas or lines between them.

    ``KEY``, ``NAME:SCOPE+SCOPE:KEY`` or ``NAME:SCOPE+SCOPE@ACCOUNT+ACCOUNT:KEY``. *where* is named
    in the error, the text never. Raises SettingsError.
    """
    found = list(_parsed(text, where=where))
    if len({key.digest for key in found}) < len(found):
        raise SettingsError("error.api_keys.twice", name=where)
    return found


def _parsed(text: str, *, where: str) -> Iterator[APIKey]:
    entries = [entry.strip() for entry in re.split(r"[,\r\n]", text)]
    for n, entry in enumerate((one for one in entries if one and not one.startswith("#")), start=1):
        wrong = SettingsError("error.api_keys.entry", name=where, n=n, scopes=", ".join(Scope))
        match entry.split(":"):
            case [key]:
                yield _made(key, UNNAMED, EVERY_SCOPE, None, where=where, n=n)
            case [name, rights, key]:
                words, _, limits = rights.partition("@")
                try:
                    name, scopes = checked_name(name), scopes_of(_words(words))
                except SettingsError:
                    raise wrong from None
                allowed = _words(limits) if limits or "@" in rights else None
                if not scopes or (allowed is not None and not _are_accounts(allowed)):
                    raise wrong
                yield _made(
                    key,
                    name,
                    scopes,
                    None if allowed is None else frozenset(allowed),
                    where=where,
                    n=n,
                )
            case _:
                raise wrong


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split("+") if word.strip()]


def _are_accounts(names: Collection[str]) -> bool:
    return bool(names) and all(accounts.NAME.match(name) for name in names)


def _made(  # noqa: PLR0917 - one place makes them
    key: str,
    name: str,
    scopes: frozenset[Scope],
    limits: frozenset[str] | None,
    *,
    where: str,
    n: int,
) -> APIKey:
    key = key.strip()
    redaction.remember(key)
    if not _KEY.match(key):
        raise SettingsError("error.api_keys.form", name=where, n=n)
    if is_guessable(key):
        raise SettingsError("error.api_keys.guessable", name=where, n=n)
    return APIKey(
        name=name,
        scopes=scopes,
        accounts=limits,
        digest=digest(key),
        is_short=len(key) < LONG_ENOUGH,
    )
