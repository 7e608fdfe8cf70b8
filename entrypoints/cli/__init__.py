"""The command line, and what has to be set before its imports: they are most of a command."""

from __future__ import annotations

import gc
import os

from broadcast import installed
from broadcast.errors import OutOfReachError

# The imports of a command make 150,000 objects that stay. To look through them for garbage again
# and again, and once more at the end, costs it a third of its start.
gc.set_threshold(200_000)
# As for workers (worker/application.py): before a command imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# To look for plugins reads what every package says of itself; each would see our secrets.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

try:
    installed.require("typer", extra="worker")
except OutOfReachError as missing:
    from broadcast.logs.log_lines import refuse

    refuse(missing, status=missing.exit_status)
