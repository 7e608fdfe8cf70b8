"""The body of a push as fields: XML or JSON, small, shallow, and without anything clever.

XML is read by expat with everything refused that could refer or expand: a DTD, and so entities of
any kind. Text stays text: ``CreateTime`` is ``"1700000000"`` in XML and a number in JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeAlias
from xml.parsers import expat

import orjson

from broadcast.wechat.callback.cipher import Refusal, RefusedError
from broadcast.wechat.frozen_values import frozen

Fields: TypeAlias = Mapping[str, Any]
#: A job of eight articles with everything is a few kB; in compatible mode three times that.
MOST_BYTES: Final = 256 * 1024
#: The deepest of WeChat's own is xml, CopyrightCheckResult, ResultList, item, its field.
DEEPEST: Final = 10
_ROOT = "xml"
#: What no text may hold: neither XML 1.0 nor every database takes it.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Form(StrEnum):
    """Format of the fields."""

    XML = "xml"
    JSON = "json"


@frozen
class Document:
    """A body that was read."""

    fields: Fields = field(repr=False)
    text: str = field(repr=False)
    form: Form


def read(body: bytes) -> Document:
    """Return what a body says. Raises RefusedError."""
    if len(body) > MOST_BYTES:
        raise RefusedError(Refusal.BODY)
    is_json = body.lstrip()[:1] == b"{"
    try:
        text = body.decode()
        fields = _json(body) if is_json else _Tree().read(body)
    except (ValueError, expat.ExpatError):
        refused = RefusedError(Refusal.BODY)
    else:
        return Document(fields=fields, text=text, form=Form.JSON if is_json else Form.XML)
    raise refused


def _json(body: bytes) -> Fields:
    fields = orjson.loads(body)
    if not isinstance(fields, dict) or not _is_plain(fields, DEEPEST):
        raise ValueError("not a shallow object")
    return fields


def _is_plain(value: object, levels: int) -> bool:
    """Return whether *value* has no more levels than that, and no control characters."""
    if isinstance(value, str):
        return not _CONTROL.search(value)
    if not isinstance(value, dict | list):
        return True
    members = [*value, *value.values()] if isinstance(value, dict) else value
    return levels > 0 and all(_is_plain(member, levels - 1) for member in members)


class _Tree:
    """Builds the fields while expat reads.

    An element with children is a mapping, and one whose name stands there already makes a list.
    """

    def __init__(self) -> None:
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self._root: Fields | None = None
        # What the document says of its encoding counts for nothing.
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.EntityDeclHandler = _refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def read(self, body: bytes) -> Fields:
        """Return the fields. Raises ValueError, ExpatError."""
        self._parser.Parse(body, True)  # noqa: FBT003 - expat's own
        if self._root is None:
            raise ValueError("no fields")
        return self._root

    def _start(self, name: str, _attributes: object) -> None:
        if len(self._open) > DEEPEST or (not self._open and name != _ROOT):
            raise ValueError("not a message")
        self._open.append((name, {}, []))

    def _text(self, text: str) -> None:
        self._open[-1][2].append(text)

    def _end(self, _name: str) -> None:
        name, children, text = self._open.pop()
        if not self._open:
            self._root = children
            return
        value, siblings = children or "".join(text), self._open[-1][1]
        if name not in siblings:
            siblings[name] = value
        elif isinstance(siblings[name], list):
            siblings[name].append(value)
        else:
            siblings[name] = [siblings[name], value]


def _refuse(*_declaration: object) -> NoReturn:
    raise ValueError("a document type")


def written(fields: Mapping[str, str | int], form: Form) -> bytes:
    """Return fields as XML or JSON."""
    if form is Form.JSON:
        return orjson.dumps(fields)
    inside = "".join(f"<{name}>{_inside(value)}</{name}>" for name, value in fields.items())
    return f"<xml>{inside}</xml>".encode()


def _inside(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    # The end of a CDATA section cannot stand inside of one.
    return f"<![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]>"
