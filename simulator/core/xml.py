"""The XML of WeChat's pushes (section 6.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = "str | float | Mapping[str, Value] | Sequence[Value] | None"


def xml_of(fields: Mapping[str, Value]) -> str:
    """Return `<xml>…</xml>`: text as CDATA, numbers bare, the members of a list as `<item>`.

    Nothing (null, as in the JSON form) is an empty element.
    """
    return _element("xml", fields)


def _element(name: str, value: Value) -> str:
    return f"<{name}>{_inside(value)}</{name}>"


def _inside(value: Value) -> str:
    match value:
        case str():
            # The end of a CDATA section cannot stand inside of one.
            return f"<![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]>"
        case bool():
            return str(int(value))
        case int() | float():
            return str(value)
        case None:
            return ""
        case Mapping():
            return "".join(_element(name, member) for name, member in value.items())
        case _:
            return "".join(_element("item", member) for member in value)
