"""Room on the disks that the program writes to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from broadcast.rules.findings import Fault, Finding, of_fault
from broadcast.settings.program_settings import IS_CHECKOUT, VAR, Settings

#: What is left of a disk, as a part of it unless it is very large, and on any disk.
_LEAST_PART: Final = 0.05
_PLENTY: Final = 2 * 1024**3
_LITTLE: Final = 200 * 1024**2
_MB: Final = 1024**2


def probe(settings: Settings) -> Iterator[Finding]:
    """Yield the disks that are nearly full: of the database's file, of logs and beat's schedule."""
    url = make_url(settings.database())
    is_file = url.get_backend_name() == "sqlite"
    folders = [Path(url.database or "").absolute().parent] if is_file else []
    folders += [VAR if IS_CHECKOUT else Path.cwd()]
    by_disk = {one.stat().st_dev: one for one in reversed(folders) if one.is_dir()}
    for folder in by_disk.values():
        room = shutil.disk_usage(folder)
        if room.free < max(_LITTLE, min(room.total * _LEAST_PART, _PLENTY)):
            free, total = room.free // _MB, room.total // _MB
            yield of_fault(Fault.DISK, has_fix=True, folder=folder, free=free, total=total)
