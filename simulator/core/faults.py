"""Faults that are ordered by the admin API, and which call each of them hits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.core.bounds import Count, Seconds

Kind = Literal[
    "drop",
    "drop_unread",
    "html",
    "garbage",
    "truncated",
    "slow",
    "drip",
    "errcode",
    "omit",
    "same_msg_id",
    "twice",
    "late",
    "invalidate_token",
    "push_lost",
    "push_twice",
    "push_late",
]
When = Literal["before", "after", "push"]

_OF_PUSHES = frozenset({"push_lost", "push_twice", "push_late"})
_ALWAYS_BEFORE = frozenset({"drop_unread", "late", "invalidate_token"})
_ALWAYS_AFTER = frozenset({"omit", "same_msg_id", "twice"})


class FaultOrder(BaseModel):
    """Fault that was ordered: its kind, when, and how often.

    - `drop`: the connection is closed without a byte of a reply. `drop_unread`: the same as
      soon as the headers are there, the body unread.
    - `html` (with `status`), `garbage`, `truncated` (half of the reply, then closed).
    - `slow`: `seconds` pass before the reply. `drip`: `seconds` pass between two bytes of it.
    - `errcode`: the given one; 45065 after acceptance names the job, unless `name_job` is false.
    - `omit`: the usual reply without its msg_id. `same_msg_id`: with that of the account's job
      before.
    - `twice`: as `drop`, and `seconds` later the request arrives once more, as from a gateway
      that repeats what was cut. `late`: as `drop`, and it arrives only `seconds` later.
    - `invalidate_token`: the account's tokens die, then the call goes its usual way.
    - `push_lost`, `push_twice`, `push_late` (`seconds` by the shifted clock) hit what WeChat
      pushes; `path` is then the event's name.

    `before`: the call is not executed (`slow` executes it late). `after`: it was executed and
    succeeded, a mass send is in the ledger; a call that is refused anyway is not touched.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    when: When = "after"
    count: Annotated[int, Field(ge=1)] | None = None
    """How many calls it hits; without a probability the default is one."""
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int | None = None
    skip: Count = 0
    """So many matching calls pass first."""
    appid: str | None = None
    path: str | None = None
    """An endpoint, or with a slash at the end all below it."""
    errcode: int | None = None
    errmsg: str | None = None
    name_job: bool = True
    seconds: Seconds = 1.0
    status: Annotated[int, Field(ge=200, le=599)] = 502

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "errcode" and self.errcode is None:
            message = "a fault of kind errcode needs an errcode"
            raise ValueError(message)
        if self.when == "push" and self.kind not in _OF_PUSHES:
            message = f"a fault of kind {self.kind} hits calls, not pushes"
            raise ValueError(message)
        if self.kind in _OF_PUSHES:
            self.when = "push"
        if self.kind in _ALWAYS_BEFORE:
            self.when = "before"
        if self.kind in _ALWAYS_AFTER:
            self.when = "after"
        if self.count is None and "probability" not in self.model_fields_set:
            self.count = 1
        return self


@dataclass(slots=True)
class Fault:
    """An order and its history. `seen` counts matching calls, `fired` those it hit."""

    number: int
    order: FaultOrder
    chance: random.Random
    seen: int = 0
    fired: int = 0

    def matches(self, *, when: When, appid: str | None, path: str) -> bool:
        """Say whether a call is one that this fault may hit, and it is not used up."""
        order = self.order
        return (
            order.when == when
            and (order.count is None or self.fired < order.count)
            and order.appid in {None, appid}
            and _covers(order.path, path)
        )

    def strikes(self) -> bool:
        """Count a matching call and decide whether it is hit."""
        self.seen += 1
        if self.seen <= self.order.skip or self.chance.random() >= self.order.probability:
            return False
        self.fired += 1
        return True

    @property
    def label(self) -> str:
        """The fault's short name in the journal: `drop after`, `errcode -1 before` ..."""
        if self.order.when == "push":
            return self.order.kind
        errcode = f" {self.order.errcode}" if self.order.kind == "errcode" else ""
        return f"{self.order.kind}{errcode} {self.order.when}"


@dataclass(slots=True)
class FaultBook:
    """The faults in force, in the order of their arrival: the first that strikes wins."""

    seed: int
    _faults: list[Fault] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def add(self, order: FaultOrder) -> Fault:
        """Add a fault. Without a seed of its own it draws from the simulator's."""
        number = next(self._numbers)
        seed = f"{self.seed}/{number}" if order.seed is None else str(order.seed)
        fault = Fault(number, order, random.Random(seed))  # noqa: S311 - repeatable, not secret
        self._faults.append(fault)
        return fault

    def remove(self, number: int | None = None) -> int:
        """Lift one fault, or all; return how many there were."""
        kept = [fault for fault in self._faults if number not in {None, fault.number}]
        removed = len(self._faults) - len(kept)
        self._faults = kept
        return removed

    def strike(
        self, *, when: When, appid: str | None, path: str, unread: bool = False
    ) -> Fault | None:
        """Return the fault that hits this call. `unread`: its body is not read yet."""
        for fault in self._faults:
            in_turn = (fault.order.kind == "drop_unread") is unread
            matches = in_turn and fault.matches(when=when, appid=appid, path=path)
            if matches and fault.strikes():
                return fault
        return None


def _covers(limit: str | None, path: str) -> bool:
    if limit is None:
        return True
    return path.startswith(limit) if limit.endswith("/") else path == limit
