"""The import rules of pyproject.toml bite: each forbidden arrow is planted and found."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.packages import OURS, PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
#: The rooms of each of them are the layers of a contract.
HOUSES = ("broadcast", "models/ledger", "entrypoints")
#: What a room, or a single module, may not import.
FORBIDDEN = {
    "broadcast/built_once": ("broadcast.rules", "broadcast.settings"),
    "broadcast/crashpoints": ("broadcast.rules", "models"),
    "broadcast/data_files": ("broadcast.rules", "broadcast.settings"),
    "broadcast/day": ("broadcast.rules",),
    "broadcast/digests": ("broadcast.rules",),
    "broadcast/enums": ("broadcast.rules",),
    "broadcast/errors": ("broadcast.rules", "broadcast.views"),
    "broadcast/frozen": ("broadcast.rules",),
    "broadcast/installed": ("broadcast.rules",),
    "broadcast/message": ("broadcast.rules", "broadcast.views"),
    "broadcast/names": ("broadcast.rules",),
    "broadcast/openid": ("broadcast.rules", "broadcast.wechat"),
    "broadcast/quoting": ("broadcast.rules",),
    "broadcast/redaction": ("broadcast.rules", "broadcast.logs"),
    "broadcast/sorted_openids": ("broadcast.rules",),
    "broadcast/stored_message": ("broadcast.rules",),
    "broadcast/rules": (
        *(
            "broadcast.settings",
            "broadcast.views",
            "broadcast.wechat",
            "broadcast.tokens",
            "models",
        ),
        *("celery", "redis", "requests", "sqlalchemy"),
    ),
    "broadcast/rules/calls": ("broadcast.rules.gates.gate",),
    "broadcast/settings": (
        *("broadcast.wechat_account", "broadcast.logs", "broadcast.views"),
        *("redis", "sqlalchemy"),
    ),
    "broadcast/wechat": (
        *("broadcast.rules", "broadcast.settings", "broadcast.tokens", "broadcast.views"),
        *("broadcast.wechat_account", "celery", "models", "redis", "sqlalchemy"),
        *(f"broadcast.{file.stem}" for file in sorted((ROOT / "broadcast").glob("[a-z]*.py"))),
    ),
    "broadcast/tokens": (
        *("broadcast.wechat_account", "broadcast.logs", "broadcast.settings", "models"),
        *("celery", "requests", "sqlalchemy"),
    ),
    "broadcast/outbound": ("broadcast.logs", "broadcast.wechat_account", "models"),
    "broadcast/wechat_account": ("broadcast.logs", "broadcast.outbound", "models", "producer"),
    "broadcast/views": (
        *("broadcast.logs", "broadcast.wechat_account", "broadcast.wechat", "models"),
        *("celery", "redis", "requests", "rich", "sqlalchemy", "starlette", "typer"),
    ),
    "broadcast/logs": ("models", "producer"),
    "models": ("celery", "redis", "requests", "producer", "worker", "entrypoints"),
    "models/ledger/rows": ("models.ledger.lists", "models.ledger.boxes", "models.event"),
    "models/ledger/lists": (
        "models.ledger.followers",
        "models.ledger.boxes",
        "models.ledger.gates",
    ),
    "models/ledger/followers": (
        "models.ledger.boxes",
        "models.ledger.lists",
        "models.ledger.gates",
    ),
    "models/ledger/boxes": ("models.ledger.campaigns",),
    "models/ledger/campaigns": ("models.ledger.gates", "models.ledger.lane"),
    "models/ledger/gates": ("models.ledger.lane",),
    "models/ledger/lane": ("models.ledger.plan", "models.event"),
    "models/ledger/plan": ("models.ledger.submit", "models.ledger.outcomes"),
    "models/ledger/submit": ("models.ledger.outcomes", "models.ledger.steer"),
    "models/ledger/outcomes": ("models.ledger.submit", "models.ledger.steer"),
    "models/ledger/steer": ("models.ledger.views", "models.event"),
    "models/ledger/views": ("models.ledger.audit", "models.event"),
    "producer": (
        *("worker", "entrypoints", "broadcast.views", "simulator"),
        *("broadcast.wechat", "broadcast.wechat.client", "models.ledger.gates.quotas"),
    ),
    "producer/wiring": ("broadcast.wechat_account.account_client",),
    "worker": ("entrypoints", "simulator", "broadcast.wechat_account.account_client"),
    "worker/delivery": ("celery", "kombu", "models.ledger.lane.transitions"),
    "entrypoints": ("worker", "simulator", "broadcast.wechat.client"),
    "entrypoints/http": (
        *("entrypoints.callback", "entrypoints.cli", "broadcast.tokens", "broadcast.wechat"),
        *("celery", "kombu", "redis", "requests"),
    ),
    "entrypoints/callback": (
        *("entrypoints.http", "entrypoints.cli", "broadcast.tokens", "broadcast.wechat.client"),
        *("broadcast.wechat_account", "celery", "producer", "redis", "requests"),
    ),
    "entrypoints/serving": (
        *("entrypoints.http", "entrypoints.callback", "broadcast", "models"),
        *("celery", "fastapi", "redis", "requests", "sqlalchemy"),
    ),
    "simulator": ("broadcast", "entrypoints", "models", "producer", "worker"),
    "simulator/core": ("simulator.admin", "simulator.app", "simulator.endpoints"),
    "simulator/endpoints": ("simulator.admin", "simulator.app"),
    "simulator/admin": ("simulator.app",),
    "simulator/openid": ("simulator.core", "simulator.endpoints"),
}
LINT = ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What lint-imports says of a copy of the tree with every forbidden arrow in it."""
    scratch = _copy_of_the_tree(tmp_path_factory.mktemp("planted"))
    for room, targets in FORBIDDEN.items():
        lines = "".join(f"import {target}\n" for target in targets)
        _planted(scratch, room)[0].write_text(lines)
    for house in HOUSES:
        (scratch / house / "new").mkdir()
        (scratch / house / "new" / "__init__.py").touch()
    done = _lint(scratch)
    assert done.returncode == 1, done.stdout + done.stderr
    yield " ".join(done.stdout.split())
    shutil.rmtree(scratch)


def test_the_tree_keeps_the_rules(tmp_path: Path) -> None:
    """Without a planted line the copy is clean, so the other tests see the planted ones only."""
    done = _lint(_copy_of_the_tree(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("room", FORBIDDEN)
def test_forbidden_imports_are_reported(room: str, report: str) -> None:
    """The report names each planted line."""
    _, module = _planted(ROOT, room)
    planted = [f"{module} -> {target} (l.{line})" for line, target in enumerate(FORBIDDEN[room], 1)]

    assert [arrow for arrow in planted if arrow not in report] == []


def test_every_contract_is_broken_by_what_is_planted(report: str) -> None:
    """A contract that nothing breaks may hold nothing."""
    names = [contract["name"] for contract in RULES["contracts"]]

    assert [name for name in names if f" {name} BROKEN" not in report] == []


def test_every_layer_is_planted_with_an_import_of_one_above_it() -> None:
    """The lowest layer, too: the list of what is forbidden grows with the layers."""
    bare = [
        module
        for layers in _layers("[|:]")
        for n, layer in enumerate(layers[1:], 1)
        for module in layer
        if not _is_planted(module, [name for higher in layers[:n] for name in higher])
    ]

    assert bare == []


def test_rooms_of_one_layer_are_planted_with_an_import_of_one_another() -> None:
    """Those that `|` tells apart do not know each other."""
    bare = [
        module
        for layers in _layers("[|]")
        for layer in layers
        for module in layer
        if len(layer) > 1
        if not _is_planted(module, [name for name in layer if name != module])
    ]

    assert bare == []


@pytest.mark.parametrize("house", HOUSES)
def test_a_room_that_is_in_no_layer_is_reported(house: str, report: str) -> None:
    """As each of these contracts is exhaustive."""
    assert f"- {house.replace('/', '.')}.new " in report


def test_every_package_and_every_room_stands_in_a_layer() -> None:
    """A new folder of modules has a place among the others before anything imports it."""
    rooms = {
        str(folder.relative_to(ROOT)).replace("/", ".")
        for house in HOUSES
        for folder in (ROOT / house).iterdir()
        if [*folder.rglob("*.py")]
    }
    layered = {module for layers in _layers("[|:]") for layer in layers for module in layer}

    assert {*OURS, *rooms} - layered == set()


def test_every_folder_of_modules_is_a_package() -> None:
    """The linter sees no other folder, and would report nothing of it."""
    folders = {file.parent for room in PACKAGES for file in (ROOT / room).rglob("*.py")}

    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("file", sorted((ROOT / "models/ledger").rglob("__init__.py")))
def test_no_room_of_the_ledger_imports_its_modules_at_once(file: Path) -> None:
    """Each room would load all of it, for who wants one module, and in a circle in the end."""
    imports = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert [line for line in imports if line != "from __future__ import annotations"] == []


def test_every_room_is_under_the_rules() -> None:
    """A new folder with code is added to the rules, or is no room."""
    elsewhere = {"benchmarks", "docs", "examples", "migrations", "requirements", "tests", "tools"}
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and list(path.glob("*.py"))
    }

    assert folders - elsewhere == {*PACKAGES} == {*RULES["root_packages"]}


def _planted(root: Path, room: str) -> tuple[Path, str]:
    """The file that takes the imports forbidden to a room or a module, and its module's name."""
    module = room.replace("/", ".")
    if (root / room).is_dir():
        return root / room / "planted.py", f"{module}.planted"
    return root / f"{room}.py", module


def _layers(separator: str) -> list[list[list[str]]]:
    """The layers of each container of each contract, the highest first: the modules of each."""
    return [
        [[f"{prefix}{name.strip()}" for name in re.split(separator, layer)] for layer in layers]
        for contract in RULES["contracts"]
        if (layers := contract.get("layers"))
        for prefix in [f"{name}." for name in contract.get("containers", [])] or [""]
    ]


def _is_planted(module: str, above: list[str]) -> bool:
    return any(
        _is_in(room.replace("/", "."), module) and any(_is_in(target, one) for one in above)
        for room, targets in FORBIDDEN.items()
        for target in targets
    )


def _is_in(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def _copy_of_the_tree(folder: Path) -> Path:
    for room in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / room, folder / room, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *LINT, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
