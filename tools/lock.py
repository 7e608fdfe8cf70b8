"""Write requirements/*.txt from pyproject.toml: `make lock`.

One file serves every supported platform and Python, and no file names a package index, so
that a mirror needs no edit. Arguments go to `uv pip compile` (`--upgrade`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = {"app.txt": "build", "dev.txt": "dev"}
OPTIONS = (
    *("--universal", "--python-version", "3.11", "--generate-hashes", "--quiet"),
    *("--no-header", "--no-emit-index-url", "--no-emit-find-links"),
)


def main(arguments: list[str]) -> None:
    """Compile every file."""
    with tempfile.TemporaryDirectory() as scratch:
        uv = shutil.which("uv") or install_uv(Path(scratch))
        for name, group in FILES.items():
            output = ("--group", group, "--output-file", f"requirements/{name}")
            command = [uv, "pip", "compile", *OPTIONS, *output, *arguments, "pyproject.toml"]
            subprocess.run(command, cwd=ROOT, check=True)


def install_uv(folder: Path) -> str:
    """Install uv into an environment of its own and return its path."""
    venv.create(folder / "uv", with_pip=True)
    programs = folder / "uv" / "bin"
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)
    return str(programs / "uv")


if __name__ == "__main__":
    main(sys.argv[1:])
