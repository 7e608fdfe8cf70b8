"""What the simulator's page says to type into a terminal shows what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import matches, steps
from tests.kit.processes import ROOT
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.servers.proofs import not_proved

SHOP = SimulatedAccount(name="shop", secret="its-appsecret")
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
END = "\x1e"
#: Which simulator the page has started before, and where.
FOLLOWERS, PAGE_URL = 100_000, "http://127.0.0.1:8765"


@pytest.mark.parametrize("name", ["simulator.md", "simulator.zh.md"])
def test_every_command_shows_what_the_page_says(tmp_path: Path, name: str) -> None:
    if shutil.which("curl") is None:
        not_proved("the commands of docs/simulator.md", "curl is missing")
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    with Simulator([SHOP], followers=FOLLOWERS) as simulator:
        typed = steps("".join(CONSOLE.findall(page)).replace(PAGE_URL, simulator.url))
        shown = typed_into_a_shell([step.command for step in typed], folder=tmp_path)
    for step, lines in zip(typed, shown, strict=True):
        assert matches(step.lines, lines) or lines == step.lines, step.command
    assert len(typed) > 5


def typed_into_a_shell(commands: list[str], *, folder: Path) -> list[list[str]]:
    """Return the lines that each of the commands shows, all typed into one shell."""
    script = "".join(f"{command}\nprintf '{END}'\n" for command in commands)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", f"exec 2>&1\n{script}"],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    *shown, rest = done.stdout.split(END)
    assert not rest
    return [lines.splitlines() for lines in shown]
