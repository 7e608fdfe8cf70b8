"""Cursors: where in a list the next page begins, as text that says nothing to its reader."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Final, TypeAlias

import orjson
from fastapi import Query

from api.problems import ProblemError

#: Rows of a page.
MOST: Final = 200
_LONGEST: Final = 200
#: Of whatever was stored; beyond them a moment may have no UTC.
_YEARS: Final = range(2001, 9999)

Limit: TypeAlias = Annotated[int, Query(ge=1, le=MOST)]
Cursor: TypeAlias = Annotated[str | None, Query(max_length=_LONGEST)]
#: A moment, and an id among rows of that moment.
Place: TypeAlias = tuple[datetime, str]


def of(at: datetime, row_id: str) -> str:
    """Return the cursor behind a row."""
    return base64.urlsafe_b64encode(orjson.dumps([at.isoformat(), row_id])).decode()


def place(cursor: str | None) -> Place | None:
    """Return the place that a cursor stands for. Raises ProblemError."""
    if cursor is None:
        return None
    try:
        match orjson.loads(base64.urlsafe_b64decode(cursor.encode("ascii"))):
            case [str(at), str(last)] if last.isascii() and last.isprintable():
                moment = datetime.fromisoformat(at)
                # One without a zone is none of ours.
                if moment.tzinfo is not None and moment.year in _YEARS:
                    return moment, last
    except (ValueError, binascii.Error):
        pass
    raise ProblemError(422, "error.api.cursor", field="cursor")


def number(cursor: str | None) -> int | None:
    """Return the number of a row that a cursor stands for. Raises ProblemError."""
    there = place(cursor)
    if there is None:
        return None
    digits = there[1]
    if digits.isdigit() and len(digits) <= _DIGITS:
        return int(digits)
    raise ProblemError(422, "error.api.cursor", field="cursor")


#: Fewer than a BIGINT has.
_DIGITS: Final = 18
