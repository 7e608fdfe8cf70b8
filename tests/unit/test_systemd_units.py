"""systemd/: a unit for each process, with a program that there is and rights that it needs."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.proofs import not_proved
from tools.packages import ROOT

UNITS = sorted((ROOT / "systemd").glob("*.service"))
PROGRAMS = "/opt/broadcast/.venv/bin"


def service(unit: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit, "utf-8")
    return dict(parser["Service"])


def test_each_process_that_serves_has_a_unit() -> None:
    processes = {unit.stem.removeprefix("broadcast-") for unit in UNITS}

    assert processes == {"worker", "beat", "api", "callback"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_program_of_the_environment_and_does_not_restart_what_is_refused(
    unit: Path,
) -> None:
    said = service(unit)
    program, *words = said["ExecStart"].split()

    assert program.startswith(f"{PROGRAMS}/")
    assert (ROOT / ".venv" / "bin" / Path(program).name).is_file()
    assert unit.stem.removeprefix("broadcast-") in words
    assert (said["Restart"], said["RestartPreventExitStatus"]) == ("always", "2")
    assert said["User"] == "broadcast"


@pytest.mark.prove
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        not_proved("the units of systemd", "no systemd-analyze on this machine")
    for unit in UNITS:
        here = unit.read_text("utf-8").replace(PROGRAMS, str(ROOT / ".venv" / "bin"))
        here = here.replace("/opt/broadcast/docs", str(ROOT / "docs"))
        (tmp_path / unit.name).write_text(here, "utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, tmp_path.glob("*.service"))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
