"""Evidence as it is kept: JSON, in which a diff shows what changed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
#: With any value the evidence is taken anew: `make golden`.
UPDATE: Final = "GOLDEN_UPDATE"
_MOST_SHOWN: Final = 20
#: Characters of a value in a failure.
_LONGEST: Final = 200
#: Columns of a line.
_WIDTH: Final = 120
_NOTHING: Final = "nothing"


def check(name: str, taken: Mapping[str, Any]) -> None:
    """Hold what was taken against some lines of a file, or keep it, where that is asked for."""
    kept = _read(name)
    if os.environ.get(UPDATE):
        all_of_it = sorted({**kept, **taken}.items())
        lines = [f"{_shown(one)}: {_shown(told)}" for one, told in all_of_it]
        _write(name, "{\n" + ",\n".join(lines) + "\n}\n")
    else:
        _compare(name, {one: told for one, told in kept.items() if one in taken}, taken)


def check_whole(name: str, taken: Mapping[str, Any]) -> None:
    """Hold what was taken against a whole file, or keep it, where that is asked for."""
    if os.environ.get(UPDATE):
        _write(name, _readable(taken) + "\n")
    else:
        _compare(name, _read(name), taken)


def names(name: str) -> set[str]:
    """Return what a file has lines of."""
    return set(_read(name))


def _compare(name: str, kept: Mapping[str, Any], taken: Mapping[str, Any]) -> None:
    # As JSON has it: no tuples.
    taken = json.loads(json.dumps(taken))
    wrong = [
        line
        for one in {**kept, **taken}
        for line in differences(one, kept.get(one, _NOTHING), taken.get(one, _NOTHING))
    ]
    shown = "\n".join(wrong[:_MOST_SHOWN])
    assert not wrong, f"{len(wrong)} differ from tests/golden/{name}, kept -> taken:\n{shown}"


def differences(place: str, kept: object, taken: object) -> list[str]:
    """Return a line for each place where two values differ."""
    match kept, taken:
        case dict(), dict():
            return [
                line
                for name in {**kept, **taken}
                for line in differences(
                    f"{place}.{name}", kept.get(name, _NOTHING), taken.get(name, _NOTHING)
                )
            ]
        case list(), list() if len(kept) == len(taken):
            return [
                line
                for n, (one, other) in enumerate(zip(kept, taken, strict=True), 1)
                for line in differences(f"{place}[{n}]", one, other)
            ]
    return [] if _same(kept, taken) else [f"{place}: {_short(kept)} -> {_short(taken)}"]


def _same(kept: object, taken: object) -> bool:
    # To Python a 1 is as good as a true.
    return type(kept) is type(taken) and kept == taken


def _short(value: object) -> str:
    shown = _shown(value)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _readable(value: object, depth: int = 0) -> str:
    """Return JSON in which what fits stands on one line."""
    whole = _shown(value)
    if len(whole) + depth <= _WIDTH or not isinstance(value, dict | list):
        return whole
    deeper = depth + 1
    if isinstance(value, dict):
        parts = [f"{_shown(name)}: {_readable(one, deeper)}" for name, one in value.items()]
    else:
        parts = [_readable(one, deeper) for one in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    inner = ",\n".join(f"{' ' * deeper}{part}" for part in parts)
    return f"{begin}\n{inner}\n{' ' * depth}{end}"


def _read(name: str) -> dict[str, Any]:
    file = FOLDER / name
    return dict(json.loads(file.read_text("utf-8"))) if file.exists() else {}


def _write(name: str, text: str) -> None:
    file = FOLDER / name
    fresh = file.with_suffix(".new")
    fresh.write_text(text, "utf-8")
    fresh.replace(file)
