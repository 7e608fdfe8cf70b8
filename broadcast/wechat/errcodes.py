"""The errcodes that WeChat's lists name, as data; what each means for a batch is decided elsewhere.

``errmsg`` is WeChat's spelling, without rid and hint, its typos kept; empty where no list gives
one. ``errcodes.csv`` is the table, one code a row; ``recorded_errmsgs.csv`` has the other spellings
that were seen on the wire.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final

from broadcast.wechat.csv_rows import rows
from broadcast.wechat.endpoint import parse_errmsg
from broadcast.wechat.frozen_values import frozen


@frozen
class Errcode:
    """One errcode of WeChat."""

    code: int
    errmsg: str
    meaning: str


@cache
def errcodes() -> Mapping[int, Errcode]:
    """Return every listed errcode by its number."""
    listed = [
        Errcode(code=int(row["code"]), errmsg=row["errmsg"], meaning=row["meaning"])
        for row in rows("errcodes.csv")
    ]
    return MappingProxyType({one.code: one for one in listed})


def recognised(text: str) -> Sequence[int]:
    """Return the codes that an errmsg belongs to, as it came over the wire; none for no errmsg.

    Hints, rids, addresses and URLs in it make no difference; several codes may share one text.
    """
    wanted = _bare(text)
    texts = _texts()
    if wanted in texts:
        return texts[wanted]
    begun = [known for known in texts if wanted.startswith(known) and len(known) >= _TELLING]
    return texts[max(begun, key=len)] if begun else ()


#: A text that begins with fewer characters of a known one may be anything.
_TELLING: Final = 12
_VARIES: Final = re.compile(r"https?://\S+|::ffff:\S+|\b\d{1,3}(?:\.\d{1,3}){3}\b|\bipv6\b")
_NO_WORD: Final = re.compile(r"[\W_]+")


@cache
def _texts() -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for row in errcodes().values():
        if row.errmsg:
            found[_bare(row.errmsg)].append(row.code)
    for seen in rows("recorded_errmsgs.csv"):
        found[_bare(seen["errmsg"])].append(int(seen["code"]))
    return {text: sorted(set(codes)) for text, codes in found.items()}


def _bare(text: str) -> str:
    """Return the words of an errmsg, without what differs from one call to the next."""
    words = _VARIES.sub(" ", parse_errmsg(text).text.casefold())
    return _NO_WORD.sub(" ", words).strip()
