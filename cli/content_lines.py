"""A content before it is sent: kind, text, and files by their names."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import Engine

from broadcast.content import Content
from broadcast.drafts.mark import Marks
from broadcast.media import used
from broadcast.message import Message
from broadcast.shown import one_line
from cli.terminal import AsWritten
from presentation import content as contents

#: Most lines of a text that are shown.
MOST_LINES: Final = 12


def lines(engine: Engine, said: Content) -> Iterator[Message | AsWritten]:
    """Yield the kind, and what followers will get. Raises DatabaseAwayError."""
    yield Message("confirmation.content", msgtype=contents.kind(said.msgtype))
    each = list(contents.written(said, _names(engine, said)))
    for line in itertools.islice(each, MOST_LINES):
        yield line if isinstance(line, Message) else _indented(line)
    if len(each) > MOST_LINES:
        yield Message("confirmation.more_lines", n=len(each) - MOST_LINES)


def articles(draft: Marks | None) -> Iterator[Message]:
    """Yield the titles of a draft's articles, where it is known."""
    for n, article in enumerate(draft or (), start=1):
        yield Message("confirmation.article", n=n, title=one_line(article.title))


def _names(engine: Engine, said: Content) -> Mapping[str, str]:
    """Return what the files are called: those that are named now, and those uploaded before."""
    ids = {one for one, _ in used(json.loads(said.canonical))} - said.names.keys()
    if not ids:
        return said.names
    from models.ledger.reading import media  # noqa: PLC0415 - most broadcasts are texts

    known = {one: f"{name} ({one})" for one, name in media.names(engine, ids).items()}
    return {**said.names, **known}


def _indented(line: str) -> AsWritten:
    shown = "".join(c if c.isprintable() else " " for c in line)
    # What followers will read is shown as they will read it, a link with a token in it too.
    return AsWritten(f"    {shown}")
