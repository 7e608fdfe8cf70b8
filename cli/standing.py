"""Accounts that stand still: halted by hand, stopped after what WeChat said, or both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from broadcast.reports import LaneView
from broadcast.text import t
from cli import words
from models.account import Lane
from models.engine import now
from models.ledger import voices
from models.ledger.transaction import read


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The lanes of all accounts that were ever used, by the account's name, at one moment."""

    by_account: Mapping[str, LaneView]
    now: datetime

    def stops(self, account: str) -> Iterator[str]:
        """Yield why *account* stands still; nothing where it does not, or was never used."""
        lane = self.by_account.get(account)
        if lane is not None:
            yield from stops(account, lane, self.now)

    def stops_beside(self, account: str | None) -> Iterator[str]:
        """Yield why accounts other than *account* stand still."""
        for name in self.by_account:
            if name != account:
                yield from self.stops(name)


def lanes(engine: Engine) -> Lanes:
    """Read every lane. Raises DatabaseAwayError."""
    query = select(
        Lane.account, Lane.not_before, Lane.wait_reason, Lane.stopped_at, Lane.stop_reason,
        Lane.stop_errcode, Lane.stop_errmsg, Lane.halted_at, Lane.halted_by,
    ).order_by(Lane.account)  # fmt: skip
    with read(engine) as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
        for row in rows:
            halted = row["halted_at"] is not None
            row["halted_why"] = voices.halt_why(connection, row["account"]) if halted else None
        moment = now(connection)
    return Lanes(by_account={row.pop("account"): LaneView(**row) for row in rows}, now=moment)


def waits_for_unhalt(engine: Engine, account: str) -> bool:
    """Tell whether *account* stands still. Raises DatabaseAwayError."""
    return any(lanes(engine).stops(account))


def stops(account: str, lane: LaneView, moment: datetime) -> Iterator[str]:
    """Yield who or what stopped *account*, since when, why, and the one command that goes on."""
    if lane.stopped_at is not None:
        yield t(
            "standing.stopped", account=account, at=words.moment(lane.stopped_at, moment),
            reason=words.reason(lane.stop_reason),
            code=words.code(lane.stop_errcode, lane.stop_errmsg),
        )  # fmt: skip
    if lane.halted_at is not None:
        # One command lifts both, so the halt on top of a stop must not invite to lift it unmended.
        both = lane.stopped_at is not None
        yield t(
            "standing.halted_as_well" if both else "standing.halted", account=account,
            who=words.speaker(lane.halted_by or "?", lane.halted_why),
            at=words.moment(lane.halted_at, moment),
        )  # fmt: skip
