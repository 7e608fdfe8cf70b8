"""Variables of a campaign's texts, such as ``{date}``: rendered for the due time, in its zone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from broadcast.errors import InputError
from broadcast.quoting import quoted
from broadcast.rules.campaigns import due_times

_WEEKDAYS: Final = "一二三四五六日"
_SHOWN: Final = 40
#: Two braces are one that is meant.
_PLACE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
#: A variable in braces as a Chinese input method types them, or in one of these.
_WIDE: Final = re.compile(r"\uff5b\s*(\w{1,32})\s*[\uff5d}]|\{\s*(\w{1,32})\s*\uff5d")


def values(due: datetime, zone: str) -> Mapping[str, str]:
    """Return the value of each variable at a due time (aware)."""
    local = due.astimezone(due_times.zone_here(zone))
    return {
        "date": f"{local:%Y-%m-%d}",
        "date_zh": f"{local.month}月{local.day}日",
        "year": f"{local.year}",
        "month": f"{local.month}",
        "day": f"{local.day}",
        "time": f"{local:%H:%M}",
        "week": f"{local.isocalendar().week}",
        "weekday": f"周{_WEEKDAYS[local.weekday()]}",
        "weekday_en": f"{local:%A}",
    }


def rendered(text: str, known: Mapping[str, str]) -> str:
    """Return *text* with its variables' values.

    Raises InputError for one that there is not, and for braces that are not what they look like.
    """
    wide = _WIDE.search(text)
    if wide is not None and (wide[1] or wide[2]) in known:
        raise InputError("error.campaign.wide_braces", name=wide[1] or wide[2])
    if re.search("[{}]", _PLACE.sub("", text)):
        raise InputError("error.campaign.braces")

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0][0]
        if name not in known:
            raise _unknown(name, known)
        return known[name]

    return _PLACE.sub(value, text)


def _unknown(name: str, known: Mapping[str, str]) -> InputError:
    near = difflib.get_close_matches(name.strip(), known, n=1)
    shown = [f"{{{one}}}" for one in near or known]
    return InputError(
        "error.campaign.variable_near" if near else "error.campaign.variable",
        name=quoted(name if name.strip() else f"{{{name}}}", _SHOWN),
        known=", ".join(shown),
    )
