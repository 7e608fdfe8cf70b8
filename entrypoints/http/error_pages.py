"""The page of the errors that the API answers with; ``errors.json`` has them by subject.

A test holds that against the code: whatever can be raised below the API is here, or stands in the
test with the reason why it is never an answer.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from typing import Any, Final

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
        id=name, status=status, detail=detail.replace(_FACT, "…"),
        fix=texts(_fix(name, status)),
    )  # fmt: skip


def _fix(name: str, status: int) -> Message:
    field = problems.field_of(name) or _NAMED["field"]
    return problems.fix(status, Message(name, field=field), keyed=name not in _WITHOUT_KEY)


#: Of requests that take no idempotency key.
_WITHOUT_KEY: Final = frozenset({
    "error.api.cursor", "error.api.parameter_twice", "error.recipients.skipped_alone",
    "error.api.no_batch", "error.api.msg_id_not_sent", "error.api.slow_upload",
})  # fmt: skip


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
    info = document["info"]
    return _whole(
        "en", info["title"], info["description"],
        '<p><a href="/openapi.json">openapi.json</a></p>',
        f'<p><a href="{problems.PAGE}">{escape(Texts("en")("api.errors.title"))}</a></p>',
        *_operations(document["paths"]),
    )  # fmt: skip


@cache
def of_errors(language: Language) -> bytes:
    """Return the page of every error; an error's place is its id."""
    texts = Texts(language)
    return _whole(
        language, texts("api.errors.title"), texts("api.errors.intro"), *_errors(language, texts)
    )


def _errors(language: Language, texts: Texts) -> Iterator[str]:
    heads = [texts(f"api.errors.head.{name}") for name in ("error", "detail", "fix")]
    for subject, lines in page(language):
        yield f"<h2>{escape(subject)}</h2><table>"
        yield f"<tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>"
        for line in lines:
            name, what, fix = escape(line.id), escape(line.detail), escape(line.fix)
            yield f'<tr id="{name}"><td><code>{name}</code> {line.status}</td>'
            yield f"<td>{what}</td><td>{fix}</td></tr>"
        yield "</table>"


def _whole(language: Language, title: str, intro: str, *lines: str) -> bytes:
    head = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><h1>{escape(title)}</h1>",
        f"<p>{escape(intro)}</p>",
    )
    return "\n".join((*head, *lines, "</html>")).encode()


def _operations(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2>"
            yield f"<p><strong>{escape(operation['summary'])}.</strong></p>"
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            yield from _parameters(operation.get("parameters", ()))
            yield from _bodies(operation.get("requestBody", {}).get("content", {}))
            yield "<ul>"
            for status, answer in operation["responses"].items():
                yield f"<li>{status}: {escape(answer['description'])}</li>"
            yield "</ul>"


def _parameters(parameters: Any) -> Iterator[str]:  # noqa: ANN401 - of a document
    for one in parameters:
        needed = ", required" if one.get("required") else ""
        meaning = escape(one.get("description", ""))
        yield f"<p><code>{escape(one['name'])}</code> ({one['in']}{needed}) {meaning}</p>"


def _bodies(content: Mapping[str, Any]) -> Iterator[str]:
    for kind, body in content.items():
        for example in body.get("examples", {}).values():
            text = json.dumps(example["value"], ensure_ascii=False, indent=2)
            yield f"<p>{escape(kind)}: {escape(example['summary'])}</p><pre>{escape(text)}</pre>"
        if "example" in body:
            yield f"<p>{escape(kind)}:</p><pre>{escape(body['example'])}</pre>"
