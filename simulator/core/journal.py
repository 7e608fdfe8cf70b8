"""Every call that arrived at a WeChat endpoint, and how many were in flight at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Record:
    """One HTTP call. `start` and `end` are real Unix seconds, whatever the shifted clock says.

    `in_flight` is how many other mass calls of the account were in flight when this one came:
    from the arrival of its headers until its last byte is about to leave, or its client is gone.
    `busy`: it passed the check for parallel calls, so the next one would get 42010.
    """

    number: int
    start: float
    method: str
    path: str
    mass: bool
    end: float | None = None
    appid: str | None = None
    status: int | None = None
    errcode: int | None = None
    clientmsgid: str | None = None
    size: int | None = None
    msg_id: int | None = None
    in_flight: int = 0
    fault: str | None = None
    abandoned: bool = False
    busy: bool = False


@dataclass(slots=True)
class Journal:
    """All records since the start or the last reset."""

    _records: list[Record] = field(default_factory=list)
    _in_flight: Counter[str] = field(default_factory=Counter)
    _busy: Counter[str] = field(default_factory=Counter)
    max_in_flight: Counter[str] = field(default_factory=Counter)
    max_total_in_flight: int = 0
    max_accounts_in_flight: int = 0

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def begin(self, *, method: str, path: str, mass: bool, appid: str | None) -> Record:
        """Open a record at the arrival of a call's headers."""
        record = Record(
            number=len(self._records) + 1,
            start=time.time(),
            method=method,
            path=path,
            mass=mass,
            appid=appid,
        )
        self._records.append(record)
        if mass and appid is not None:
            self._enter(record, appid)
        return record

    def end(self, record: Record, *, abandoned: bool = False) -> None:
        """Close a record, once; `abandoned` says that the client left before the reply."""
        if record.end is not None:
            return
        record.end = time.time()
        record.abandoned = abandoned
        if record.mass and record.appid is not None:
            self._in_flight[record.appid] -= 1
            if not self._in_flight[record.appid]:
                del self._in_flight[record.appid]

    def busy(self, appid: str) -> bool:
        """Say whether a mass send of the account is being executed."""
        return self._busy[appid] > 0

    def occupy(self, record: Record) -> None:
        """Mark the account as busy with this call."""
        assert record.appid is not None
        self._busy[record.appid] += 1
        record.busy = True

    def release(self, record: Record) -> None:
        """End what `occupy` began, if it did."""
        if record.busy:
            assert record.appid is not None
            self._busy[record.appid] -= 1
            record.busy = False

    def _enter(self, record: Record, appid: str) -> None:
        record.in_flight = self._in_flight[appid]
        self._in_flight[appid] += 1
        self.max_in_flight[appid] = max(self.max_in_flight[appid], self._in_flight[appid])
        total = self._in_flight.total()
        self.max_total_in_flight = max(self.max_total_in_flight, total)
        self.max_accounts_in_flight = max(self.max_accounts_in_flight, len(self._in_flight))
