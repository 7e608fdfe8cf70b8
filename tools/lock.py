"""Write requirements/*.txt from pyproject.toml: `make lock`.

One file serves every supported platform and Python, and no file names a package index, so
that a mirror needs no edit. Then every platform and Python is held against the wheels and hashes,
which asks the package index: `make lock-check` does that alone (`--check`). Other arguments go to
`uv pip compile` (`--upgrade`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from packaging.pylock import Pylock

from tools.platforms import missing

ROOT = Path(__file__).resolve().parents[1]
#: With the program's own dependencies.
FILES = {
    "app.txt": ("--extra", "simulator", "--extra", "flower", "--group", "editable"),
    "dev.txt": ("--extra", "simulator", "--extra", "flower", "--group", "dev"),
    "production.txt": ("--extra", "api", "--extra", "flower"),
    "submit.txt": (),
}
#: Alone, without the program's own; some of them have no wheels.
APART = {
    "build.txt": "build",
    "compat.txt": "compat",
    "security.txt": "security",
    **{f"sender-{name}.txt": name for name in ("celery52", "celery54", "kombu", "generator")},
}
OPTIONS = (
    *("--universal", "--python-version", "3.11", "--generate-hashes", "--quiet"),
    *("--no-header", "--no-emit-index-url", "--no-emit-find-links"),
)


def main(arguments: list[str]) -> None:
    """Compile every file, unless only the check is asked for; end with status 1 if it fails."""
    only_check = "--check" in arguments
    with tempfile.TemporaryDirectory() as scratch:
        uv = shutil.which("uv") or install_uv(Path(scratch))
        for name, parts in () if only_check else FILES.items():
            output = (*parts, "--output-file", f"requirements/{name}")
            command = [uv, "pip", "compile", *OPTIONS, *output, *arguments, "pyproject.toml"]
            subprocess.run(command, cwd=ROOT, check=True)
        for name, group in () if only_check else APART.items():
            output = ("--group", group, "--output-file", f"requirements/{name}")
            subprocess.run([uv, "pip", "compile", *OPTIONS, *output], cwd=ROOT, check=True)
        found = [line for name in FILES for line in problems(uv, name, Path(scratch))]
    if found:
        sys.exit("\n".join(found))
    print("requirements/*.txt: wheels and hashes for every supported platform and Python")


def problems(uv: str, name: str, scratch: Path) -> list[str]:
    """Return what of a file cannot be installed on some supported platform and Python."""
    file = ROOT / "requirements" / name
    lock = scratch / f"pylock.{file.stem}.toml"
    command = [
        *(uv, "pip", "compile", "--universal", "--python-version", "3.11", "--quiet"),
        *("--format", "pylock.toml", "--output-file", str(lock), str(file)),
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    files = Pylock.from_dict(tomllib.loads(lock.read_text(encoding="utf-8")))
    return [f"{name}: {line}" for line in missing(files, file.read_text(encoding="utf-8"))]


def install_uv(folder: Path) -> str:
    """Install uv into an environment of its own and return its path."""
    venv.create(folder / "uv", with_pip=True)
    programs = folder / "uv" / "bin"
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)
    return str(programs / "uv")


if __name__ == "__main__":
    main(sys.argv[1:])
