"""The clients in their own environments, and how their scripts are run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers.proofs import not_proved

ROOT = Path(__file__).resolve().parents[2]
MADE = ROOT / ".venv" / "compat"
DRIVERS = Path(__file__).resolve().parent / "drivers"
TIMEOUT_S = 60


def python() -> str:
    """Return the interpreter that has the clients in Python; the test is skipped without one."""
    program = MADE / "bin" / "python"
    if not program.exists():
        not_proved("clients in Python", "`make test` installs them into .venv/compat")
    return str(program)


def node() -> tuple[str, str]:
    """Return node, and the folder with the client in JavaScript."""
    program, modules = shutil.which("node"), MADE / "node" / "node_modules"
    if program is None or not modules.exists():
        not_proved("clients in JavaScript", "node or npm is missing")
    return program, str(modules)


def sender(name: str) -> str:
    """Return the interpreter of a program that sends messages; the test is skipped without one."""
    program = MADE / "senders" / name / "bin" / "python"
    if not program.exists():
        not_proved(f"messages of {name}", "`make test` installs it into .venv/compat/senders")
    if name == "celery52" and sys.version_info >= (3, 12):
        not_proved("messages of Celery 5.2", "it runs on Python 3.11 and older")
    return str(program)


def driver(name: str, *words: str) -> list[str]:
    """Return the command of a script in `drivers/`."""
    if name.endswith(".js"):
        program, modules = node()
        return [program, str(DRIVERS / name), modules, *words]
    return [python(), str(DRIVERS / name), *words]


def said(name: str, *words: str, given: Any = None) -> Any:
    """Run a script to its end; return the JSON of its last line."""
    done = subprocess.run(
        driver(name, *words),
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
