"""The XML of what WeChat pushes (section 6.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = "str | int | Mapping[str, Value] | Sequence[Mapping[str, Value]]"


def xml_of(fields: Mapping[str, Value]) -> str:
    """Return `<xml>…</xml>`: text as CDATA, numbers bare, the members of a list as `<item>`."""
    return _element("xml", fields)


def _element(name: str, value: Value) -> str:
    return f"<{name}>{_inside(value)}</{name}>"


def _inside(value: Value) -> str:
    match value:
        case str():
            # The end of a CDATA section cannot stand inside of one.
            return f"<![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]>"
        case int():
            return str(value)
        case Mapping():
            return "".join(_element(name, member) for name, member in value.items())
        case _:
            return "".join(_element("item", member) for member in value)
