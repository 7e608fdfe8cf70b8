"""``--content FILE``: WeChat's content object in a file of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from broadcast.content import MOST_BYTES
from broadcast.errors import ContentError

#: Larger files are no content; reading one would only cost memory.
MOST_FILE_BYTES: Final = 1_000_000


def read(path: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what the file *path* holds, in UTF-8 with or without a mark. Raises ContentError."""
    try:
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
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ContentError("error.content.encoding", path=path, byte=error.start) from error
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
    except RecursionError:
        line, column = 1, 1
    raise ContentError("error.content.json", path=path, line=line, column=column)
