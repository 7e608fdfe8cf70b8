"""What is answered to a push: a text to whoever wrote, plain or encrypted, in the push's form."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from wechat.callback.reading import Form


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
