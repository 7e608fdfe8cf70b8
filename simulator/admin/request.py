"""A request to the admin API, and what a view is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from simulator.core.accounts import Account
from simulator.core.world import Simulation, World
from simulator.openid import Rows, pack

Answer: TypeAlias = dict[str, Any]


class AdminError(ValueError):
    """The admin request cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """One request."""

    simulation: Simulation
    http: Request

    @property
    def world(self) -> World:
        """The present world."""
        return self.simulation.world

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters."""
        return self.http.query_params

    @property
    def named(self) -> Mapping[str, Any]:
        """Parameters of the path."""
        return self.http.path_params

    @property
    def account(self) -> Account:
        """The account that the path names."""
        account = self.world.accounts.get(self.named["appid"])
        if account is None:
            message = f"no account has the appid {self.named['appid']}"
            raise AdminError(message)
        return account

    async def json(self) -> dict[str, Any]:
        """Return the body, a JSON object; no body is an empty one."""
        body = await self.http.body()
        try:
            value = orjson.loads(body) if body else {}
        except orjson.JSONDecodeError as error:
            raise AdminError(str(error)) from error
        if not isinstance(value, dict):
            message = "the body is a JSON object"
            raise AdminError(message)
        return value

    def number(self, name: str) -> int | None:
        """Return a number of the query, None where it is not there."""
        text = self.query.get(name)
        if text is None:
            return None
        if not text.isdecimal():
            message = f"{name}: it is a number"
            raise AdminError(message)
        return int(text)

    async def lines(self) -> list[str]:
        """Return the lines of the body."""
        return (await self.http.body()).decode().split()

    async def rows(self) -> Rows:
        """Return the OpenIDs of the body."""
        return pack(await self.lines())


def what_is_wrong(error: ValidationError) -> str:
    """Return which field is wrong first, and why; never its value, which may be a secret."""
    (first, *_) = error.errors(include_url=False, include_input=False)
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"].removeprefix("Value error, ")


View: TypeAlias = Callable[[AdminRequest], Awaitable[Answer | Response]]
Routes: TypeAlias = tuple[tuple[str, str, View], ...]


def filtered(
    rows: list[dict[str, Any]], filters: Mapping[str, str], *, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return the rows that have what the query wants in these fields."""
    wanted = {name: filters[name] for name in names if name in filters}
    return [row for row in rows if all(str(row[name]) == value for name, value in wanted.items())]
