"""The OpenAPI document as one page for people: no script, no style and no other host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any


def page(document: Mapping[str, Any]) -> bytes:
    """Return the page of a document."""
    info = document["info"]
    lines = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(info['title'])}</title><h1>{escape(info['title'])}</h1>",
        f"<p>{escape(info['description'])}</p>",
        '<p><a href="/openapi.json">openapi.json</a></p>',
        *_operations(document["paths"]),
        "</html>",
    ]
    return "\n".join(lines).encode()


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
