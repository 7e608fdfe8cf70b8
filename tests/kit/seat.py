"""A person at the terminal of commands that run in the process of a test."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from entrypoints import cli
from entrypoints.cli import person_terminal

if TYPE_CHECKING:
    import pytest


def sit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every command take its standard input for a terminal."""
    # All are imported first: one that was imported meanwhile would keep what is patched.
    for found in pkgutil.walk_packages(cli.__path__, f"{cli.__name__}."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        if hasattr(module, "is_terminal"):
            monkeypatch.setattr(module, "is_terminal", lambda: True)
    # Questions go to the standard error of the test, whoever runs it.
    monkeypatch.setattr(person_terminal, "terminal_of_person", lambda: nullcontext(sys.stderr))
