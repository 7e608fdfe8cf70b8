"""The wheel alone is the program: it runs where there is no checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path, PurePath

import pytest

from broadcast.views.texts import LANGUAGES, Language, Texts
from tools.packages import INSTALLED, ROOT

#: Without `site` no .pth file is read, so nothing leads to the checkout.
PYTHON = (sys.executable, "-S")
#: Imports the modules that standard input names; says where each is.
IMPORTS = """
import importlib, sys
for name in sys.stdin.read().split():
    print(importlib.import_module(name).__file__)
"""
#: Makes each Lua script as a process does that talks to Redis.
SCRIPTS = """
import sys, redis
from broadcast.tokens.redis_access import Script
for name in sys.stdin.read().split():
    Script(redis.Redis(), name)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel of this tree installs."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    subprocess.run([sys.executable, *build], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target")
    subprocess.run([sys.executable, *pip, str(folder / "program"), str(wheel)], check=True)
    return folder / "program"


def run(
    program: Path, *words: str | Path, folder: Path, stdin: str = "", **environment: str
) -> str:
    """Run a Python that sees the wheel and its dependencies; return what it printed."""
    path = f"{program}:{sysconfig.get_path('purelib')}:{sysconfig.get_path('platlib')}"
    done = subprocess.run(
        [*PYTHON, *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={"PYTHONPATH": path, "COLUMNS": "100", **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files() -> list[PurePath]:
    """Return the files of the tree that are installed."""
    return [
        PurePath(path.relative_to(ROOT))
        for name in INSTALLED
        for path in ((ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name])
        if path.is_file() and "__pycache__" not in path.parts
    ]


def test_the_wheel_has_every_file_of_the_packages(program: Path) -> None:
    assert [str(file) for file in files() if not (program / file).is_file()] == []


def test_every_module_is_imported_from_the_wheel(program: Path, tmp_path: Path) -> None:
    # Alembic loads the migrations, and `python -m` the others.
    modules = [
        ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        for file in files()
        if file.suffix == ".py" and file.parts[0] != "migrations" and file.stem != "__main__"
    ]

    places = run(program, "-c", IMPORTS, folder=tmp_path, stdin=" ".join(modules)).splitlines()

    assert len(places) == len(modules)
    assert [place for place in places if not place.startswith(f"{program}/")] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_command_speaks_both_languages(
    program: Path, tmp_path: Path, language: Language
) -> None:
    told = run(
        program, program / "bin/broadcast", "--help", folder=tmp_path, BROADCAST_LANG=language
    )

    assert Texts(language)("help.subject.send") in told
    assert "help.subject" not in told


def test_its_commands_find_their_tables_scripts_and_migrations(
    program: Path, tmp_path: Path
) -> None:
    scripts = [file.stem for file in files() if file.suffix == ".lua"]
    shells = [file.suffix[1:] for file in files() if file.parent.name == "shells"]

    def broadcast(*words: str) -> str:
        database = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
        script = program / "bin/broadcast"
        return run(program, script, *words, folder=tmp_path, DATABASE_URL=database)

    run(program, "-c", SCRIPTS, folder=tmp_path, stdin=" ".join(scripts))
    run(program, "-c", "import entrypoints.http.examples", folder=tmp_path)
    completions = [broadcast("completion", shell) for shell in shells]
    broadcast("db", "upgrade")

    assert len(scripts) > 1
    assert len(shells) == 3
    assert all("broadcast" in completion for completion in completions)
    assert "45028" in broadcast("explain", "45028")
    assert (tmp_path / "ledger.sqlite").stat().st_size
    broadcast("list")
