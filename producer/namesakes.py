"""An app with top-level modules named as ours: Python would import one of the two for both."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Final

#: Modules of ours that a producer, or the worker that shares its settings, imports by name.
NAMES: Final = ("broadcast", "models", "worker", "celeryconfig")
_HOME: Final = Path(__file__).resolve().parents[1]
_WHERE: Final = {"Producer": "producer.library", "Submitted": "producer.submit.store"}


def imported(name: str) -> object:
    """Return the object *name* of ``producer``. Raises ImportError where it cannot be had."""
    refuse()
    where = _WHERE.get(name) or (
        "broadcast.rules.reports" if name == "Report" else "broadcast.errors"
    )
    try:
        return getattr(importlib.import_module(where), name)
    except ModuleNotFoundError as error:
        first = (error.name or "").partition(".")[0]
        if first not in NAMES:
            raise
        # Another distribution has put its own files over ours.
        raise ImportError(_problem(first, str(_HOME / first)), name=first) from error


def refuse() -> None:
    """Raise ImportError where a module that is named as one of ours is somebody else's."""
    for name in NAMES:
        found = _location(name)
        if found is not None and not found.is_relative_to(_HOME):
            raise ImportError(_problem(name, str(found)), name=name, path=str(found))


def _location(name: str) -> Path | None:
    """Return the place where Python has, or would find, a module; None where there is none."""
    module = sys.modules.get(name)
    spec = importlib.util.find_spec(name) if module is None else module.__spec__
    file = getattr(module, "__file__", None) or (spec and spec.origin)
    return Path(file).resolve() if file else None


def _problem(name: str, where: str) -> str:
    return (
        f"This app has a module {name} of its own ({where}), and wechat-broadcast has one too. "
        f"Python can import only one of them, so `from producer import Producer` does not work "
        f"here. Hand broadcasts over by the HTTP API (docs/api.md) or by Celery's send_task "
        f"(docs/celery.md), or rename {name}."
    )
