"""Copies of the program, which ``pip install .`` makes of a checkout: they look in no ``var/``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from broadcast.errors import SettingsError

#: What a folder holds that is a checkout with data.
_OF_CHECKOUT: Final = ("pyproject.toml", "celeryconfig.py", "var")


def refuse_in_checkout(copy: Path) -> None:
    """Raise SettingsError where *copy* was started in a checkout, whose data it would miss."""
    folder = Path.cwd()
    if all((folder / name).exists() for name in _OF_CHECKOUT):
        raise SettingsError("error.settings.copy_in_checkout", copy=copy, folder=folder)
