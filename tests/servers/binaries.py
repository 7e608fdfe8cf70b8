"""Where the server programs are that no wheel brings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Debian, Homebrew on Apple silicon and on Intel keep servers here, outside many users' PATH.
SERVER_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin")


def find(*names: str) -> Path | None:
    """Return the first of these programs that exists on PATH or in the usual server folders."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *SERVER_FOLDERS])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return Path(found)
    return None
