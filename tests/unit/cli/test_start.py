"""What a command imports before it does anything: the help no command, the status what it shows."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from entrypoints.cli import commands
from tests.kit import ledger, template
from tests.kit.command_line import CommandLine

ROOT = Path(__file__).resolve().parents[3]
#: Runs a command and prints which modules are there at its end.
CODE = """
import sys
from entrypoints.cli.main import run
status = run(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""
#: None of them has anything to do with a help, and each takes longer than it.
HEAVY = {
    "celery",
    "cryptography",
    "numpy",
    "openpyxl",
    "pydantic",
    "redis",
    "requests",
    "sqlalchemy",
}
#: Modules of ours. One more costs a command a millisecond; most import others in turn.
MOST_OF_STATUS = 143


def imported(line: CommandLine, *words: str) -> set[str]:
    """Run a command in an interpreter of its own; return the modules that are there at its end."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        cwd=line.folder,
        capture_output=True,
        text=True,
        check=True,
        env=line.environment({"PYTHONPATH": str(ROOT)}),
    )
    return set(done.stderr.splitlines()[-1].split())


def packages(modules: set[str]) -> set[str]:
    """Return the packages that the modules are in."""
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("words", [("--help",), ("--version",)])
def test_the_help_imports_no_command_and_no_heavy_library(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    found = imported(CommandLine(tmp_path), *words)

    assert packages(found) & HEAVY == set()
    assert [name for name in found if name.startswith(f"{commands.__name__}.")] == []


def test_the_status_imports_what_it_shows_and_little_else(tmp_path: Path) -> None:
    line = CommandLine(tmp_path)
    template.lay(line.database)
    with line.ledger() as engine:
        ledger.ended(engine)
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]

    found = imported(line, "status")

    assert packages(found) & HEAVY == {"pydantic", "sqlalchemy"}
    ours = [name for name in found if name.partition(".")[0] in rules["root_packages"]]
    assert len(ours) <= MOST_OF_STATUS, sorted(ours)
