"""Declaration of an endpoint, and one call while it is being answered.

A family of endpoints is one file in `simulator.endpoints`. It declares; `core.admission` and
`core.exchange` do what is the same for all: method, account, counting, JSON, faults, journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from simulator.core.accounts import Account
from simulator.core.body import Message, parsed
from simulator.core.errors import RefusalError
from simulator.core.form import Part, form_of
from simulator.core.journal import Record
from simulator.core.parts import Owner
from simulator.core.switches import Switches

if TYPE_CHECKING:
    from simulator.core.world import World

Fields: TypeAlias = dict[str, Any]
Answer: TypeAlias = "Fields | Download"
Check: TypeAlias = "Callable[[Call], None]"
Limit: TypeAlias = Callable[[Switches, Account], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file as the answer, in place of JSON."""

    content: bytes
    content_type: str
    filename: str


@dataclass(kw_only=True)
class Call(Owner):
    """One call to an endpoint. `account` is known once the endpoint's `auth` has passed."""

    world: World
    endpoint: Endpoint
    method: str
    query: Mapping[str, str]
    content_type: str
    body: bytes
    ip: str
    record: Record
    account: Account = field(init=False)
    exit: ExitStack = field(default_factory=ExitStack)
    """Left when the handler has returned, or with the refusal of a check."""
    _parts: dict[Any, Any] = field(default_factory=dict)

    @cached_property
    def message(self) -> Message:
        """The JSON of the body.

        Raises:
            RefusalError: 44002, 40033 or 47001.
        """
        return parsed(self.body, self.world.switches)

    @cached_property
    def form(self) -> Mapping[str, Part]:
        """The fields of the body, which is a form.

        Raises:
            RefusalError: 41005.
        """
        return form_of(self.content_type, self.body)

    def when_refused(self, then: Callable[[], None]) -> None:
        """Call *then* if the call is refused from here on."""

        def leave(
            _kind: type[BaseException] | None,
            error: BaseException | None,
            _trace: TracebackType | None,
        ) -> None:
            if isinstance(error, RefusalError):
                then()

        self.exit.push(leave)


def access_token(call: Call) -> Account:
    """Return the account of the access_token: 41001, 40014, 40001, 42001 (section 1.3)."""
    return call.world.authorised(call.query.get("access_token"))


def of_every_kind(_switches: Switches, _account: Account) -> bool:
    """Offer an endpoint to accounts of every kind."""
    return True


def by_its_path(_switches: Switches, path: str) -> str:
    """Count the calls of an endpoint by its own path."""
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A path of WeChat's API, and what must hold before its handler is asked.

    In this order (section 13): `method`, `auth`, `permissions`, `offered`, the limits of the day
    and of the minute, JSON, `checks`. Then WeChat's own time passes, then the handler answers.
    """

    path: str
    handler: Callable[[Call], Answer]
    method: Literal["GET", "POST"] = "POST"
    auth: Callable[[Call], Account] = access_token
    permissions: tuple[Check, ...] = ()
    """What is refused before the call counts."""
    offered: Callable[[Switches, Account], bool] = of_every_kind
    """Else 48001, and 76022 of quota/get."""
    daily_limit: Limit | int | None = None
    """45009 beyond it. None: no page has a figure, and a switch holds the guess."""
    per_minute: Limit | None = None
    """45011 beyond it; 0 means no limit."""
    counter: Callable[[Switches, str], str] = by_its_path
    """The path under which calls are counted: two endpoints may share a limit."""
    json: bool = True
    """The body is a JSON object: 44002, 40033, 47001."""
    checks: tuple[Check, ...] = ()
    mass: bool = False
    """A mass send: the journal counts how many of one account are in flight at once."""
