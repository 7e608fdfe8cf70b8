"""Two versions of the program, started by the doors that both have."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.kit import commands
from tests.kit.processes import ROOT
from tests.servers.proofs import not_proved
from tests.shadow import COMMIT

#: The script `broadcast` as pip installs it: wherever its function stands in this version.
_SCRIPT = """
import sys
from importlib.metadata import distribution
(script,) = distribution("wechat-broadcast").entry_points.select(name="broadcast")
sys.argv[0] = "broadcast"
sys.exit(script.load()())
"""


@dataclass(frozen=True, slots=True)
class Version:
    """One version, by the folder from which Python imports it."""

    name: str
    folder: Path
    #: Its processes may be forks of a Python that has imported everything (`tests.kit.warm`).
    is_warm: bool = False

    def command(self, *words: str) -> list[str]:
        """Return the command line of `broadcast WORDS`."""
        if self.is_warm:
            return commands.module(*words)
        return [sys.executable, "-c", _SCRIPT, *words]

    @staticmethod
    def celery(*words: str) -> list[str]:
        """Return the command line of `celery -A worker WORDS`."""
        return [sys.executable, "-m", "celery", "-A", "worker", *words]


#: Its files are imported where they stand, as an editable installation has it.
WORKING_TREE = Version("the working tree", ROOT, is_warm=True)


def archived(folder: Path, commit: str = COMMIT) -> Version:
    """Return the version of a commit, from a wheel built in *folder* without any network."""
    short = commit[:7]
    try:
        tree = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        not_proved("the shadow run", f"the commit {short} is not here: git fetch --unshallow")
    source, program = folder / "source", folder / "program"
    with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
        archive.extractall(source, filter="data")
    # As pip does with --no-build-isolation, without a second Python.
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(program)
    return Version(short, program)
