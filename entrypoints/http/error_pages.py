"""The pages for people: the operations, and the errors that the API answers with.

``errors.json`` has the errors by subject, ``pages.mako`` the pages.

A test holds that against the code: whatever can be raised below the API is here, or stands in the
test with the reason why it is never an answer.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from mako.template import Template

from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.views.program_words import in_members, text_of
from broadcast.views.texts import Language, Texts
from entrypoints.http import problems


@frozen
class Line:
    """One error as the page shows it."""

    id: str
    status: int
    #: What happened, with … for what differs from case to case.
    detail: str
    fix: str


def page(language: Language) -> Iterator[tuple[str, list[Line]]]:
    """Yield each subject, in words, with its errors."""
    texts = Texts(language)
    for subject, errors in problems.ERRORS.items():
        yield (
            texts(f"api.errors.{subject}"),
            [_line(name, status, texts) for name, status in errors.items()],
        )


def _line(name: str, status: int, texts: Texts) -> Line:
    # What is a command is seen by its words, so facts are words at first.
    detail = in_members(_without_facts(texts.template(text_of(name, texts))), key=problems.KEY)
    return Line(
        id=name,
        status=status,
        detail=detail.replace(_FACT, "…"),
        fix=texts(_fix(name, status)),
    )


def _fix(name: str, status: int) -> Message:
    field = problems.field_of(name) or _NAMED["field"]
    return problems.fix(status, Message(name, field=field), keyed=name not in _WITHOUT_KEY)


#: Of requests that take no idempotency key.
_WITHOUT_KEY: Final = frozenset(
    {
        "error.api.cursor",
        "error.api.parameter_twice",
        "error.recipients.skipped_alone",
        "error.api.no_batch",
        "error.api.msg_id_not_sent",
        "error.api.slow_upload",
    }
)


def _without_facts(template: str) -> str:
    """Return a text with a word in place of each of its facts."""
    found = ""
    for words, name, form, _ in string.Formatter().parse(template):
        found += words
        if name is not None:
            # Behind the last | stands the word for several.
            _, bar, several = (form or "").rpartition("|")
            found += _NAMED.get(name, _FACT) + (f" {several}" if bar and several else "")
    return found


_FACT: Final = "_fact_"
_NAMED: Final = {"field": "FIELD", "id": "ID"}


def as_page(document: Mapping[str, Any]) -> bytes:
    """Return the page of a document."""
    title = Texts("en")("api.errors.title")
    return _page("operations", document=document, errors=problems.PAGE, title=title)


@cache
def of_errors(language: Language) -> bytes:
    """Return the page of every error; an error's place is its id."""
    return _page("errors", language=language, texts=Texts(language), subjects=page(language))


def _page(name: str, **facts: object) -> bytes:
    written: str = _PAGES.get_def(name).render(as_json=_as_json, **facts)
    return written.encode()


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


_PAGES: Final = Template(  # noqa: S702 - all that is filled in is escaped
    filename=str(Path(__file__).with_name("pages.mako")),
    default_filters=["str", "escape"],
    imports=["from html import escape"],
)
