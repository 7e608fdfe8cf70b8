"""Planted bugs: does the suite notice when a rule of the delivery promise is taken out?

All tests named in the list must pass in a scratch copy of the project. Then each mutant removes
one rule there, and the tests named beside it must fail; an error in their set-up is no catch.
Prints a table of which test caught what; exit status 1 when one survived.
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
FAILED = re.compile(r"^FAILED (\S+?)(?: - .*)?$", re.MULTILINE)
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
        prove_unplanted(mutants, copy)
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


def prove_unplanted(mutants: list[Mutant], copy: Path) -> None:
    """Exit unless every test that is to catch something passes where nothing was planted."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    done = _pytest(copy, tests, timeout_s=ONE_MUTANT_S * len(mutants))
    if done.returncode:
        sys.exit(f"unplanted: pytest ended with {done.returncode}\n{done.stdout[-3000:]}")


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
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)


def _failing(copy: Path, mutant: Mutant) -> list[str]:
    """Return the first test that failed, or all where the first stop was an error."""
    for more in (["-x"], []):
        done = _pytest(copy, [*more, *mutant.tests], timeout_s=ONE_MUTANT_S)
        if done.returncode not in {0, 1}:
            sys.exit(f"{mutant.name}: pytest ended with {done.returncode}\n{done.stdout[-3000:]}")
        caught = list(dict.fromkeys(FAILED.findall(done.stdout)))
        if caught or not done.returncode:
            return caught
    return []


def _pytest(
    copy: Path, arguments: list[str], *, timeout_s: int
) -> subprocess.CompletedProcess[str]:
    # The path goes before the installed project, so that commands and workers are the copy's too.
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            *arguments,
        ],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
