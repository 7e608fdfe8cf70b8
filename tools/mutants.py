"""Planted bugs: does the suite notice when a rule of the delivery promise is taken out?

Each mutant removes one rule in a scratch copy of the project; the tests named beside it must then
fail. Prints a table of which test caught what; exit status 1 when one survived.
Usage: python tools/mutants.py [NAME …]
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_suffix(".toml")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?: - .*)?$", re.MULTILINE)
ONE_MUTANT_S = 900


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule that is taken out: (file, what stands there, what stands there instead)."""

    name: str
    rule: str
    edits: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]


def main(names: list[str]) -> int:
    """Plant each mutant in turn and print what caught it."""
    mutants = [mutant for mutant in load() if not names or mutant.name in names]
    survived = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "project"
        _copy(copy)
        for mutant in mutants:
            began_s = time.monotonic()
            caught = plant(mutant, copy)
            told = ", ".join(caught) or "SURVIVED"
            print(f"{mutant.name} ({time.monotonic() - began_s:.0f} s): {told}", flush=True)
            if not caught:
                survived.append(mutant.name)
    print(f"{len(mutants)} planted, {len(mutants) - len(survived)} caught")
    return 1 if survived else 0


def load() -> list[Mutant]:
    """Read the list; every edit must fit exactly one place of the code."""
    mutants = []
    for name, told in tomllib.loads(LIST.read_text("utf-8")).items():
        edits = tuple((edit["file"], edit["old"], edit["new"]) for edit in told["edits"])
        for file, old, _ in edits:
            found = (ROOT / file).read_text("utf-8").count(old)
            if found != 1:
                sys.exit(f"{name}: {file} has this {found} times, not once:\n{old}")
        mutants.append(Mutant(name, told["rule"], edits, tuple(told["tests"])))
    return mutants


def plant(mutant: Mutant, copy: Path) -> list[str]:
    """Apply *mutant* to the copy, run its tests, put the copy back; return the tests that failed.

    Exits when the tests could not run at all: that would look like a catch.
    """
    before = {file: (copy / file).read_text("utf-8") for file, _, _ in mutant.edits}
    try:
        for file, old, new in mutant.edits:
            place = copy / file
            place.write_text(place.read_text("utf-8").replace(old, new), "utf-8")
        return _failing(copy, mutant)
    finally:
        for file, text in before.items():
            (copy / file).write_text(text, "utf-8")


def _copy(copy: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - git is what made this checkout
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)


def _failing(copy: Path, mutant: Mutant) -> list[str]:
    # The path goes before the installed project, so that commands and workers are the copy's too.
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider",
         *mutant.tests],
        cwd=copy, env=environment, capture_output=True, text=True, check=False,
        timeout=ONE_MUTANT_S,
    )  # fmt: skip
    if done.returncode not in {0, 1}:
        sys.exit(f"{mutant.name}: pytest ended with {done.returncode}\n{done.stdout[-3000:]}")
    return list(dict.fromkeys(FAILED.findall(done.stdout))) if done.returncode else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
