"""The import rules of pyproject.toml bite: each forbidden arrow is planted and found."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.packages import PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
FORBIDDEN = {
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
    "broadcast/settings": ("broadcast.wechat_account", "broadcast.logs", "redis", "sqlalchemy"),
    "broadcast/wechat": (
        *("broadcast.rules", "broadcast.settings", "broadcast.tokens", "broadcast.views"),
        *("broadcast.wechat_account", "celery", "models", "redis", "sqlalchemy"),
    ),
    "broadcast/tokens": (
        *("broadcast.wechat_account", "broadcast.logs", "models"),
        *("celery", "requests", "sqlalchemy"),
    ),
    "broadcast/wechat_account": ("broadcast.logs", "models", "producer"),
    "broadcast/views": (
        *("broadcast.logs", "broadcast.wechat_account", "models"),
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
    "models/ledger/boxes": (
        "models.ledger.lists",
        "models.ledger.followers",
        "models.ledger.gates",
    ),
    "models/ledger/gates": ("models.ledger.lane",),
    "models/ledger/lane": ("models.ledger.plan", "models.event"),
    "models/ledger/plan": ("models.ledger.submit", "models.ledger.outcomes"),
    "models/ledger/submit": ("models.ledger.outcomes", "models.ledger.steer"),
    "models/ledger/outcomes": ("models.ledger.submit", "models.ledger.steer"),
    "models/ledger/steer": ("models.ledger.views", "models.event"),
    "models/ledger/views": ("models.ledger.audit", "models.event"),
    "producer": ("worker", "entrypoints", "broadcast.views", "simulator"),
    "worker": ("entrypoints", "simulator"),
    "worker/delivery": ("celery", "kombu"),
    "entrypoints": ("worker", "simulator"),
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
}
LINT = ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What lint-imports says of a copy of the tree with every forbidden arrow in it."""
    scratch = _copy_of_the_tree(tmp_path_factory.mktemp("planted"))
    for room, targets in FORBIDDEN.items():
        lines = "".join(f"import {target}\n" for target in targets)
        (scratch / room / "planted.py").write_text(lines)
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
    planted = [
        f"{room.replace('/', '.')}.planted -> {target} (l.{line})"
        for line, target in enumerate(FORBIDDEN[room], 1)
    ]

    assert [arrow for arrow in planted if arrow not in report] == []


def test_every_room_is_under_the_rules() -> None:
    """A new folder with code is added to the rules, or is no room."""
    elsewhere = {"benchmarks", "docs", "examples", "migrations", "requirements", "tests", "tools"}
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and list(path.glob("*.py"))
    }

    assert folders - elsewhere == {*PACKAGES} == {*RULES["root_packages"]}


def _copy_of_the_tree(folder: Path) -> Path:
    for room in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / room, folder / room, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *LINT, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
