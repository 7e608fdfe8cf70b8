"""How many files a send goes through, held against `tools/limits.toml`."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from tests.acceptance.conftest import of
from tests.kit.commands import PROGRAM
from tests.kit.processes import RunningProcess
from tests.kit.traced_files import sitecustomize
from tools import limits

ADVICE = "Join modules that are read together, or take a step out of the way of a send."


@pytest.mark.prove
def test_a_whole_demo_runs_functions_of_as_few_files_as_the_limits_say(
    installation: Path, tmp_path: Path
) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    traced = {sitecustomize.FILES: f"{installation}/", sitecustomize.LISTS: str(lists)}
    env = of(installation) | traced
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}:{Path(sitecustomize.__file__).parent}"

    with RunningProcess([PROGRAM, "demo"], log=tmp_path / "log", env=env, cwd=tmp_path) as demo:
        status = demo.wait(timeout_s=240)
    files = _product(installation, lists)
    ledger = [file for file in files if file.parts[:2] == ("models", "ledger")]
    figures = {"files": len(files), "files of the ledger": len(ledger)}

    assert status == 0, demo.output
    lines = [*limits.above("demo", figures, limits.read()["demo"], advice=ADVICE)]
    assert lines == [], "\n".join([*lines, *map(str, files)])


def _product(installation: Path, lists: Path) -> list[PurePath]:
    lines = {line for file in lists.iterdir() for line in file.read_text("utf-8").splitlines()}
    files = [PurePath(line).relative_to(installation) for line in sorted(lines)]
    return [file for file in files if file.parts[0] in limits.PRODUCT]
