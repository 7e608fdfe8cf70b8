"""Notes which files of a folder run a function: Python runs this at its start.

Modules and the bodies of classes run at every import, so they are not functions.
"""

from __future__ import annotations

import atexit
import inspect
import os
import sys
import threading
from pathlib import Path
from types import FrameType

#: The folder of the files, and one for the lists: a file for each process that comes to its end.
FILES, LISTS = "TESTS_TRACED_FILES", "TESTS_TRACED_LISTS"


def trace(files: str, lists: Path) -> None:
    """Note the files in *files* that run a function from now on, and list them at the end."""
    seen: dict[str, None] = {}

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if (
            event == "call"
            and code.co_flags & inspect.CO_NEWLOCALS
            and code.co_filename.startswith(files)
        ):
            seen[code.co_filename] = None

    def write() -> None:
        sys.setprofile(None)
        (lists / str(os.getpid())).write_text("\n".join(seen), encoding="utf-8")

    sys.setprofile(profile)
    threading.setprofile(profile)
    atexit.register(write)


if FILES in os.environ:
    trace(os.environ[FILES], Path(os.environ[LISTS]))
