"""Who asks: the key of a request, what it may do, and in which language it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api import forms, language
from api.parts import Parts
from api.problems import ProblemError
from broadcast.accounts import Account
from broadcast.api_keys import APIKey, Scope
from broadcast.frozen import frozen
from presentation.texts import Language, Texts

_BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="key", description="A key of BROADCAST_API_KEYS or `api-keys new`"
)
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="broadcast"'}
_LONGEST: Final = 256


@frozen
class Caller:
    """Who asks, and the parts to serve them with."""

    key: APIKey
    texts: Texts
    parts: Parts

    @property
    def who(self) -> str:
        """The name that the history has of who did it."""
        return self.key.name

    def needs(self, scope: Scope) -> None:
        """Raise ProblemError where the key does not have *scope*."""
        if scope not in self.key.scopes:
            has = ", ".join(sorted(self.key.scopes))
            wanted = " ".join(f"--scope {one}" for one in Scope if one in {*self.key.scopes, scope})
            raise ProblemError(
                403, "error.api.scope", scope=scope.value, name=self.key.name, scopes=has,
                options=wanted,
            )  # fmt: skip

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
            raise ProblemError(404, "error.api.no_accounts", field="account")
        if name is None:
            raise ProblemError(
                422, "error.api.which_account", field="account", accounts=", ".join(known)
            )
        if name not in known:
            raise ProblemError(404, "error.api.no_account", field="account")
        return known[name]


def texts_of(request: Request) -> Texts:
    """Return the texts in the caller's language, whoever it is."""
    default: Language = request.app.state.language
    return language.chosen(request.headers.get("accept-language"), default=default)


def having(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """Return what finds the caller of a route that needs *scope*, and checks its parameters."""

    async def caller(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Caller:
        parts: Parts = request.app.state.parts
        if credentials is None or not credentials.credentials:
            raise ProblemError(401, "error.api.no_key", headers=_CHALLENGE)
        token = credentials.credentials
        key = None
        if len(token) <= _LONGEST and token.isascii():
            key = await parts.keys.find(token)
        if key is None:
            raise ProblemError(401, "error.api.wrong_key", headers=_CHALLENGE)
        request.state.key_name = key.name
        found = Caller(key=key, texts=texts_of(request), parts=parts)
        found.needs(scope)
        # Behind the key: who has none learns nothing of the routes.
        forms.refuse_unknown_parameters(request)
        return found

    return caller


Reader = Annotated[Caller, Depends(having(Scope.READ))]
Submitter = Annotated[Caller, Depends(having(Scope.SUBMIT))]
Controller = Annotated[Caller, Depends(having(Scope.CONTROL))]
