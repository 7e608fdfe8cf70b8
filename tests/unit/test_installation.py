"""`make` replaces a copy of the program that took the place of the checkout's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.packages import ROOT

#: Where pip leaves the way to an editable installation.
WAY = Path(".venv/lib/python3.11/site-packages/_editable_impl_wechat_broadcast.pth")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder in which `make install` ran."""
    folder = tmp_path / "a checkout"
    (folder / WAY).parent.mkdir(parents=True)
    (folder / ".venv/bin").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    for name in ("pyproject.toml", ".venv/bin/python", made_in(folder), ".venv/.app"):
        (folder / name).touch()
    (folder / WAY).write_text(f"{folder}\n", "utf-8")
    return folder


def made_in(folder: Path) -> str:
    """Return the stamp of an environment that was made in *folder*."""
    return ".venv/.made-in" + str(folder).replace(" ", "-").replace("/", "-")


def steps(folder: Path) -> str:
    """Return what `make install` would run."""
    return subprocess.run(
        ["make", "--dry-run", "install"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def test_an_installation_of_the_checkout_is_left_as_it_is(checkout: Path) -> None:
    assert "--editable" not in steps(checkout)


@pytest.mark.parametrize("other", [None, "/srv/other"])
def test_another_installation_is_replaced(checkout: Path, other: str | None) -> None:
    if other:
        (checkout / WAY).write_text(f"{other}\n", "utf-8")
    else:
        (checkout / WAY).unlink()

    assert "--editable" in steps(checkout)
