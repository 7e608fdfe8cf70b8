"""Writes the tables of errcodes in the quickstarts, from the texts of ``broadcast explain``.

Usage: python -m tools.fix_tables [--check]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from broadcast.message import Message
from broadcast.rules.calls.outcomes import Endpoint, Outcome, meaning
from broadcast.views import errcode_words
from broadcast.views.texts import Language, Texts
from broadcast.views.words import Meaning
from broadcast.wechat.errcodes import errcodes
from tools import made_pages

DOCS = Path(__file__).resolve().parent.parent / "docs"
FILES: Final[dict[Language, Path]] = {
    "en": DOCS / "quickstart-wechat.md",
    "zh": DOCS / "quickstart-wechat.zh.md",
}
#: What a person meets on the way to a first send: of a call for the access_token, of a mass send.
TABLES: Final[Sequence[tuple[Endpoint, Sequence[int]]]] = (
    (Endpoint.TOKEN, (40013, 40125, 41002, 41004, 40164, 40243, 89503, 50002, 45009)),
    (
        Endpoint.MASS_SEND,
        (
            48001,
            48003,
            48004,
            40003,
            40130,
            45028,
            45009,
            45011,
            42010,
            45065,
            40001,
            40007,
            45002,
        ),
    ),
)
_TABLE = re.compile(r"(?<=\| --- \| --- \| --- \| --- \|\n)(?:\|.*\n)+")


def document(lang: Language) -> str:
    """Return a quickstart with its tables as they should be."""
    tables = iter(TABLES)
    return _TABLE.sub(lambda _: _rows(*next(tables), Texts(lang)), FILES[lang].read_text("utf-8"))


def _rows(endpoint: Endpoint, codes: Sequence[int], texts: Texts) -> str:
    return "".join(f"| {' | '.join(_cells(endpoint, code, texts))} |\n" for code in codes)


def _cells(endpoint: Endpoint, code: int, texts: Texts) -> Iterator[str]:
    yield str(code)
    words = errcodes()[code].errmsg
    yield f"`{words}`" if words else ""
    yield texts("together", parts=Meaning(code))
    yield texts(_fix(endpoint, code))


def _fix(endpoint: Endpoint, code: int) -> Message:
    if endpoint is Endpoint.TOKEN and code in errcode_words.OF_TOKENS:
        return Message(f"fix.token.{code}")
    if meaning(endpoint, code).outcome is Outcome.STOP_ACCOUNT:
        return errcode_words.of_account(code)
    return Message(f"fix.send.{code}")


if __name__ == "__main__":
    made_pages.write(FILES, document)
