"""Pages for people: the OpenAPI document and the errors, without script, style or other host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from typing import Any

from api import errors, problems
from presentation.texts import Language, Texts


def page(document: Mapping[str, Any]) -> bytes:
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
    for subject, lines in errors.page(language):
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
