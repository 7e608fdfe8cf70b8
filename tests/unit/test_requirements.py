"""requirements/*.txt are complete, agree with each other and name no package index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)")


def test_app_is_a_part_of_dev() -> None:
    """So `make test` after `make demo` adds packages and changes none."""
    app, dev = _pins("app.txt"), _pins("dev.txt")

    assert {name: dev.get(name) for name in app} == app


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    """A dependency that was added without `make lock` is found here."""
    pins = _pins("app.txt")
    for text in PROJECT["project"]["dependencies"]:
        wanted = Requirement(text)
        versions = pins[canonicalize_name(wanted.name)]

        assert [*wanted.specifier.filter(versions, prereleases=True)], text


@pytest.mark.parametrize("name", ["app.txt", "dev.txt"])
def test_every_pin_has_hashes_and_no_index_is_named(name: str) -> None:
    """An index address would break the installation behind a mirror."""
    text = (FOLDER / name).read_text(encoding="utf-8")

    for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
        if PIN.match(block):
            assert "--hash=sha256:" in block, block
    assert "://" not in text
    assert "-index" not in text


def _pins(name: str) -> dict[str, set[str]]:
    """A package may have several pins, each for other platforms or Pythons."""
    pins: dict[str, set[str]] = {}
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if match := PIN.match(line):
            pins.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
    assert pins
    return pins
