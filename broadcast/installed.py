"""What is installed beside the least: the extras of pyproject.toml, each for some processes."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from broadcast.errors import OutOfReachError


def require(package: str, *, extra: Literal["worker", "api", "simulator"]) -> None:
    """Raise OutOfReachError, which says what to install, where *package* is not there."""
    if find_spec(package) is None:
        which = "error.not_installed_for_trials" if extra == "simulator" else "error.not_installed"
        raise OutOfReachError(which, package=package, extra=extra)
