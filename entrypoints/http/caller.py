"""The caller of a request: its key, its scopes, and the language of its answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.rules.api_keys import APIKey, Scope
from broadcast.views.texts import LANGUAGES, Language, Texts
from entrypoints.http import bodies
from entrypoints.http.api_parts import APIParts
from entrypoints.http.problems import ProblemError
from entrypoints.http.threads import Threads

BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="key", description="A key of BROADCAST_API_KEYS or `api-keys new`"
)
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="broadcast"'}
_LONGEST: Final = 256


@frozen
class Caller:
    """The caller of a request, and the parts that serve it."""

    key: APIKey
    texts: Texts
    parts: APIParts

    @property
    def who(self) -> str:
        """The caller's name in the history."""
        return self.key.name

    @property
    def engine(self) -> Engine:
        """The ledger."""
        return self.parts.engine

    @property
    def threads(self) -> Threads:
        """The threads that wait for it."""
        return self.parts.threads

    def needs(self, scope: Scope) -> None:
        """Raise ProblemError where the key does not have *scope*."""
        if scope not in self.key.scopes:
            has = ", ".join(sorted(self.key.scopes))
            wanted = " ".join(f"--scope {one}" for one in Scope if one in {*self.key.scopes, scope})
            raise ProblemError(
                "error.api.scope",
                scope=scope.value,
                name=self.key.name,
                scopes=has,
                options=wanted,
            )

    def accounts(self) -> dict[str, Account]:
        """Return the accounts of the settings that the key is good for. Raises SettingsError."""
        known = self.parts.settings.accounts()
        return {name: account for name, account in known.items() if self.key.may_use(name)}

    def account(self, name: str | None) -> Account:
        """Return the account that a request is for; where the key has one it may be left out.

        Raises ProblemError, SettingsError.
        """
        known = self.accounts()
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name is None and not known:
            raise ProblemError("error.api.no_accounts", field="account")
        if name is None:
            raise ProblemError(
                "error.api.which_account", field="account", accounts=", ".join(known)
            )
        if name not in known:
            raise ProblemError("error.api.no_account", field="account")
        return known[name]


def texts_of(request: Request) -> Texts:
    """Return the texts in the caller's language, whoever it is."""
    default: Language = request.app.state.language
    return language_of(request.headers.get("accept-language"), default=default)


def having(*scopes: Scope) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency of a route that needs *scopes*, which also checks its parameters."""

    async def caller(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    ) -> Caller:
        parts: APIParts = request.app.state.parts
        if credentials is None or not credentials.credentials:
            raise ProblemError("error.api.no_key", headers=_CHALLENGE)
        token = credentials.credentials
        key = None
        if len(token) <= _LONGEST and token.isascii():
            key = await parts.keys.find(token)
        if key is None:
            raise ProblemError("error.api.wrong_key", headers=_CHALLENGE)
        request.state.key_name = key.name
        found = Caller(key=key, texts=texts_of(request), parts=parts)
        for scope in scopes:
            found.needs(scope)
        # Behind the key: who has none learns nothing of the routes.
        bodies.refuse_unknown_parameters(request)
        return found

    return caller


Reader = Annotated[Caller, Depends(having(Scope.READ))]
Submitter = Annotated[Caller, Depends(having(Scope.SUBMIT))]
Controller = Annotated[Caller, Depends(having(Scope.CONTROL))]


_MOST: Final = 20


def language_of(header: str | None, *, default: Language) -> Texts:
    """Return the texts in the language that the caller likes best of those that there are."""
    best, found = 0.0, default
    for entry in (header or "").split(",")[:_MOST]:
        name, _, parameters = entry.partition(";")
        language = name.strip().lower().partition("-")[0]
        weight = _weight(parameters)
        for known in LANGUAGES:
            if language == known and weight > best:
                best, found = weight, known
    return Texts(found)


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
