"""The control command by which a worker says on which database it works."""

from __future__ import annotations

import functools
from typing import Any

from celery.worker.control import inspect_command

from broadcast import names
from models import schema
from worker.wiring import parts


@inspect_command(name=names.WHICH_DATABASE)
def which_database(state: Any) -> dict[str, str]:  # noqa: ANN401 - Celery's own
    """Return the id of the installation whose broadcasts this worker sends."""
    del state
    return {"ok": _id()}


@functools.cache
def _id() -> str:
    return schema.installation(parts().engine)
