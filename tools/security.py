"""Look for known holes: bandit reads the code, pip-audit asks about the pinned packages.

`make security`. Ruff's rules S are bandit's too, so most findings have their reason on their line
(`noqa: S…`), and what Ruff holds is left out here (`[tool.bandit]` of pyproject.toml).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.packages import INSTALLED, ROOT

HOME = ROOT / ".venv" / "security"
#: What a production installation and a program that submits consist of.
PINNED = ("production.txt", "submit.txt", "app.txt")


def main() -> None:
    """Print what is found; end with status 1 if anything is."""
    program = HOME / "bin" / "bandit"
    words = ("--quiet", "--recursive", "--configfile", "pyproject.toml")
    bandit = subprocess.run([program, *words, *INSTALLED, "tools"], cwd=ROOT, check=False)
    found, unknown = advisories()
    sys.stdout.writelines(f"{line}\n" for line in found)
    if unknown:
        print(f"NOT PROVED HERE: the package index knows no advisories of {len(unknown)} packages")
    if bandit.returncode or found:
        sys.exit(1)
    print("security: nothing found")


def advisories() -> tuple[list[str], list[str]]:
    """Return a line for each advisory of a pinned package, and the packages nobody answered for."""
    found: set[str] = set()
    unknown: set[str] = set()
    for name in PINNED:
        for package in _asked(ROOT / "requirements" / name):
            pin = f"{package['name']} {package.get('version', '')}".strip()
            if "skip_reason" in package:
                unknown.add(pin)
            for hole in package.get("vulns", ()):
                repaired = ", ".join(hole["fix_versions"]) or "no version yet"
                found.add(f"{pin}: {hole['id']}, repaired in {repaired}: make lock UPGRADE=…")
    return sorted(found), sorted(unknown)


def _asked(file: Path) -> list[dict[str, Any]]:
    program = HOME / "bin" / "pip-audit"
    words = ("--no-deps", "--disable-pip", "--format", "json", "--requirement")
    done = subprocess.run(
        [program, *words, file], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if not done.stdout:
        sys.exit(done.stderr.strip())
    answer: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return answer["dependencies"]


if __name__ == "__main__":
    main()
