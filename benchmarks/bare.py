"""A bare application of a benchmark as a process: what the same work costs without us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kit.processes import RunningProcess, python_module
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK, free_port, listens


@contextmanager
def serving(module: str, folder: Path, url: str) -> Iterator[str]:
    """Run *module* on the database of *url*; give the address at which it answers."""
    port = free_port()
    with RunningProcess(python_module(module, url, str(port)), log=folder / "bare.log"):
        until(lambda: listens(port), 30, "the bare app")
        yield f"http://{LOOPBACK}:{port}"
