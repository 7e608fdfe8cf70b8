"""Answers without what chance, time or this machine put into them: ids, keys, ports, names."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

#: What it looks like, and what takes its place; each value keeps a number of its own.
_BY_CHANCE: Final = (
    ("ID", re.compile(r"\b20[0-9]{6}-[a-z0-9]{6}\b")),
    ("AUTO", re.compile(r"\bauto-[0-9a-f]{16}\b")),
    ("KEY-ID", re.compile(r"\bkey-[a-z0-9]{6}\b")),
    ("KEY", re.compile(r"\bwbk_[\w-]+")),
    ("REQUEST", re.compile(r'(?<="request_id": ")[0-9a-f]{16}(?=")')),
    ("CURSOR", re.compile(r'(?<="next": ")[^"]+(?=")')),
    ("HERE", re.compile(r"127\.0\.0\.1:[0-9]+")),
    ("WHO", re.compile(r"\bcli:[^\s\"@]+@[^\s\"]+")),
)
#: What differs from one time to the next, and has one name.
_BY_TIME: Final = (
    ("APART", re.compile(r"\b[0-9]+:[0-9]{2}:[0-9]{2} \(h:mm:ss\)")),
    ("ERROR", re.compile(r"(?:\bOperationalError: )?\bError [0-9]+(?= connecting)")),
)
#: WeChat's stand-in has a clock that runs.
_MOMENT: Final = re.compile(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z")


class Plain:
    """Gives every value that chance made a name, and the same value the same name."""

    def __init__(self) -> None:
        """Know none."""
        self._names: dict[str, str] = {}
        self._count: dict[str, int] = {}

    def __call__(self, value: object) -> Any:
        """Return *value*, as JSON has it, with names in the place of what chance made."""
        text = json.dumps(value, ensure_ascii=False)
        for kind, looks in _BY_TIME:
            text = looks.sub(kind, text)
        for kind, looks in _BY_CHANCE:
            text = looks.sub(partial(self._name, kind), text)
        return json.loads(_MOMENT.sub(_by_this_machine, text))

    def _name(self, kind: str, found: re.Match[str]) -> str:
        value = found[0]
        if value not in self._names:
            self._count[kind] = self._count.get(kind, 0) + 1
            self._names[value] = f"{kind}-{self._count[kind]}"
        return self._names[value]


def _by_this_machine(found: re.Match[str]) -> str:
    is_now = abs(datetime.now(UTC) - datetime.fromisoformat(found[0])) < timedelta(hours=1)
    return "NOW" if is_now else found[0]
