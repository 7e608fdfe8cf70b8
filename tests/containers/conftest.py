"""The images, built once, and a running stack of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.containers.stack import TOOL, Stack, docker
from tests.servers.proofs import not_proved

TAG = "test"


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """The names of the images, built of this tree."""
    if not shutil.which(TOOL):
        not_proved("the images", f"no {TOOL} on this machine")
    if subprocess.run([TOOL, "info"], capture_output=True, check=False).returncode:
        not_proved("the images", f"no engine of {TOOL} runs on this machine")
    names = {"production": f"broadcast:{TAG}", "simulator": f"broadcast-simulator:{TAG}"}
    for target, name in names.items():
        docker("build", "--quiet", "--target", target, "--tag", name, ".")
    return names


@pytest.fixture(scope="module")
def stack(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with secrets of its own, healthy."""
    assert images
    with Stack(tmp_path_factory.mktemp("stack"), tag=TAG).running() as stack:
        yield stack
