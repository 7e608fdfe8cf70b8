"""``--content FILE``: WeChat's content object in a file of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from broadcast.content import MOST_BYTES
from broadcast.errors import ContentError

#: Larger files are no content; reading one would only cost memory.
MOST_FILE_BYTES: Final = 1_000_000


class _TwiceError(Exception):
    """A name stands twice in one object: which is meant, nobody knows."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def read(path: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what the file *path* holds, in UTF-8 with or without a mark. Raises ContentError."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            # A pipe or a device may never end.
            raise ContentError("error.content.not_regular", path=path)
        with path.open("rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ContentError("error.content.file", path=path, reason=reason) from error
    if len(data) > MOST_FILE_BYTES:
        raise ContentError(
            "error.content.too_big", field="content", size=len(data), most=MOST_BYTES
        )
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_each_once)
    except _TwiceError as error:
        raise ContentError("error.content.twice", path=path, name=error.name) from None
    except UnicodeDecodeError as error:
        raise ContentError("error.content.encoding", path=path, byte=error.start) from error
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
    except RecursionError:
        line, column = 1, 1
    raise ContentError("error.content.json", path=path, line=line, column=column)


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _TwiceError(name)
        found[name] = value
    return found
